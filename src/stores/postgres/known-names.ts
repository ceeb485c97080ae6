import type { Looked } from "../records/rows.js";

/** So many names are remembered as they were seen last. */
const NAMES_MAX = 4_096;
/** An entry may have a megabyte of metadata. */
const CHARS_MAX = 16 * 1024 * 1024;

/**
 * Names as they were last seen, so that a change needs no look of its own. Whether they are still so is checked by the
 * server when the change is written.
 */
export class KnownNames {
  readonly #names = new Map<string, Looked>();
  #chars = 0;

  get(name: string): Looked | undefined {
    return this.#names.get(name);
  }

  put(looked: Looked): void {
    this.#drop(looked.name);
    this.#names.set(looked.name, looked);
    this.#chars += charsOf(looked);
    while (this.#names.size > NAMES_MAX || this.#chars > CHARS_MAX) {
      const [oldest] = this.#names.keys();
      if (oldest === undefined) return;
      this.#drop(oldest);
    }
  }

  forget(names: Iterable<string>): void {
    for (const name of names) this.#drop(name);
  }

  clear(): void {
    this.#names.clear();
    this.#chars = 0;
  }

  #drop(name: string): void {
    const known = this.#names.get(name);
    if (known === undefined) return;
    this.#names.delete(name);
    this.#chars -= charsOf(known);
  }
}

function charsOf({ name, row }: Looked): number {
  return name.length + (row?.source.length ?? 0);
}
