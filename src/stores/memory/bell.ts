/** Remembers that it was rung until somebody has heard it. Rung once from the start. */
export class Bell {
  #isRinging = true;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRinging = true;
    this.#wake?.();
  }

  /** Resolves when it has been rung since the last call. */
  async heard(): Promise<void> {
    while (!this.#isRinging) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isRinging = false;
  }
}
