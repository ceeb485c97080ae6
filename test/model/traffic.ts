/** What is asked of the stores of one registry, so that it can be seen when all has been answered. */
export class Traffic {
  #begun = 0;
  #underWay = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** How much has been asked so far. */
  get begun(): number {
    return this.#begun;
  }

  get isQuiet(): boolean {
    return this.#underWay === 0;
  }

  async count<T>(call: () => Promise<T>): Promise<T> {
    this.#begun += 1;
    this.#underWay += 1;
    try {
      return await call();
    } finally {
      this.#underWay -= 1;
    }
  }

  /** One after the other: else what is done first may be answered last, and be seen in an order in which it was not done. */
  inTurn<T>(call: () => Promise<T>): Promise<T> {
    return this.count(() => {
      const answer = this.#turn.then(call);
      this.#turn = answer.catch(() => undefined);
      return answer;
    });
  }
}
