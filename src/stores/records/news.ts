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

  /** Ends the waiting. */
  end(): void {
    this.#wake?.();
  }

  /** Waits until there is something to tell, or `ends`. */
  async next(ends: AbortSignal): Promise<readonly string[] | null> {
    while (!this.#isThere && !ends.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isThere = false;
    return this.#changed === null ? null : [...this.#changed];
  }
}
