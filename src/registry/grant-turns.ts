/**
 * One grant of a name at a time in one registry: a lock of ours that is found after an unknown outcome is then that of
 * the commit just made, or of a grant known here, and never that of another claim whose reply is still on its way.
 *
 * @see docs/SPEC.md#G2
 */
export class GrantTurns {
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #tokens = new Map<string, number>();

  /** Runs `grant` when earlier ones of the name have ended, however they ended. */
  async run<T>(name: string, grant: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const turn = before.then(
      () => grant(),
      () => grant(),
    );
    this.#turns.set(name, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(name) === turn) this.#turns.delete(name);
    }
  }

  /** To be told within its turn. By the entry's ID, which a rename does not change. */
  granted(id: string, token: number): void {
    this.#tokens.set(id, token);
  }

  isKnown(id: string, token: number): boolean {
    return this.#tokens.get(id) === token;
  }
}
