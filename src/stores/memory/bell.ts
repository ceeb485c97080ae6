/** Collects what it is rung with until somebody has heard it. Rung once from the start, with nothing in particular. */
export class Bell {
  /** Null: anything may have changed. */
  #news: Set<string> | null = null;
  #isRinging = true;
  #wake: (() => void) | undefined;

  ring(name: string): void {
    if (!this.#isRinging) this.#news = new Set();
    this.#isRinging = true;
    this.#news?.add(name);
    this.#wake?.();
  }

  /** Ends the waiting of who listens. */
  end(): void {
    this.#isRinging = true;
    this.#wake?.();
  }

  /** Resolves when it has been rung since the last call. */
  async heard(): Promise<readonly string[] | null> {
    while (!this.#isRinging) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isRinging = false;
    return this.#news === null ? null : [...this.#news];
  }
}
