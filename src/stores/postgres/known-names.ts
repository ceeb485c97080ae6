import type { Looked } from "../records/rows.js";

/** So many names are remembered as they were seen last. */
const NAMES_MAX = 4_096;

/**
 * Names as they were last seen, so that a change needs no look of its own. Whether they are still so is checked by the
 * server when the change is written.
 */
export class KnownNames {
  readonly #names = new Map<string, Looked>();

  get(name: string): Looked | undefined {
    return this.#names.get(name);
  }

  put(looked: Looked): void {
    this.#names.delete(looked.name);
    this.#names.set(looked.name, looked);
    if (this.#names.size <= NAMES_MAX) return;
    const [oldest] = this.#names.keys();
    if (oldest !== undefined) this.#names.delete(oldest);
  }

  forget(names: Iterable<string>): void {
    for (const name of names) this.#names.delete(name);
  }

  clear(): void {
    this.#names.clear();
  }
}
