import type { Change } from "../store.js";

/**
 * Names that were asked for and not answered. Whoever asked reads next, and takes what he then finds as his; what comes
 * about later than that, or after a reading that failed, is nobody's, and would be in the way of this process itself.
 */
export class DoubtfulGrants {
  readonly #names = new Map<string, "asked" | "given-up">();

  /** The outcome of the change is not known. */
  note({ parts }: Change): void {
    for (const part of parts) {
      if (part.kind === "put" && part.write.lock?.kind === "grant") this.#names.set(part.name, "asked");
    }
  }

  /** The outcome of a later change is known. */
  settle({ parts }: Change): void {
    if (this.#names.size > 0) for (const { name } of parts) this.#names.delete(name);
  }

  /** Names that nobody takes for his any more. */
  get givenUp(): readonly string[] {
    return [...this.#names].flatMap(([name, state]) => (state === "given-up" ? [name] : []));
  }

  unread(name: string): void {
    if (this.#names.has(name)) this.#names.set(name, "given-up");
  }

  /**
   * @param isOurs whether a lock of this process stands on the name that is not known here
   * @returns whether that lock is nobody's
   */
  isOrphan(name: string, isOurs: boolean): boolean {
    const state = this.#names.get(name);
    if (state === undefined) return false;
    if (isOurs) this.#names.delete(name);
    else this.#names.set(name, "given-up");
    return isOurs && state === "given-up";
  }
}
