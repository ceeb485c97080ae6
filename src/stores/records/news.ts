/** How a watcher is listened for. */
export interface Listening {
  /** From when it resolves, nothing is missed. */
  readonly begin: () => Promise<void> | void;
  /** May be called more than once. */
  readonly leave: () => void;
}

/** What one watcher has not been told yet. */
export class News {
  readonly names: ReadonlySet<string> | undefined;
  /** Null: any may have changed. */
  #changed: Set<string> | null = null;
  #isThere = true;
  #wake: (() => void) | undefined;

  /** @param names what the watcher wants to know of; all names, when not given */
  constructor(names: readonly string[] | undefined) {
    this.names = names === undefined ? undefined : new Set(names);
  }

  /** @param name null when any may have changed */
  tell(name: string | null): void {
    if (name !== null && this.names?.has(name) === false) return;
    if (!this.#isThere) this.#changed = new Set();
    if (name === null) this.#changed = null;
    this.#isThere = true;
    this.#changed?.add(name ?? "");
    this.#wake?.();
  }

  /** All that there is to tell, from the beginning of the listening until `ends` aborts. */
  async *until(ends: AbortSignal, { begin, leave }: Listening): AsyncIterable<readonly string[] | null> {
    const end = (): void => {
      leave();
      this.#wake?.();
    };
    // Not only when the reader comes back: he may have left for good.
    ends.addEventListener("abort", end);
    try {
      if (!ends.aborted) await begin();
      while (!ends.aborted) {
        const told = await this.#next(ends);
        if (!ends.aborted) yield told;
      }
    } finally {
      ends.removeEventListener("abort", end);
      leave();
    }
  }

  async #next(ends: AbortSignal): Promise<readonly string[] | null> {
    while (!this.#isThere && !ends.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isThere = false;
    return this.#changed === null ? null : [...this.#changed];
  }
}
