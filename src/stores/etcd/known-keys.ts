import type { Kv } from "./wire.js";

const KEYS_MAX = 20_000;
/** In characters. */
const LENGTH_MAX = 16 * 2 ** 20;

/**
 * What this process has last seen of keys, so that a change to a name that it knows needs no look. It may be out of date:
 * each change is made on condition that it is not.
 */
export class KnownKeys {
  readonly #kvs = new Map<string, Kv | null>();
  #length = 0;

  /** Undefined: not known. Null: there was none. */
  get(key: string): Kv | null | undefined {
    return this.#kvs.get(key);
  }

  /** What was known before is older, unless it is of a later revision. */
  put(key: string, kv: Kv | null): void {
    const before = this.#kvs.get(key);
    if (before != null && kv !== null && before.mod > kv.mod) return;
    this.forget(key);
    this.#kvs.set(key, kv);
    this.#length += lengthOf(key, kv);
    for (const oldest of this.#kvs.keys()) {
      if (this.#kvs.size <= KEYS_MAX && this.#length <= LENGTH_MAX) return;
      this.forget(oldest);
    }
  }

  /** What was known before that revision is out of date. */
  outdate(key: string, mod: number): void {
    const before = this.#kvs.get(key);
    if (before === null || (before !== undefined && before.mod < mod)) this.forget(key);
  }

  forget(key: string): void {
    const before = this.#kvs.get(key);
    if (before === undefined) return;
    this.#kvs.delete(key);
    this.#length -= lengthOf(key, before);
  }

  clear(): void {
    this.#kvs.clear();
    this.#length = 0;
  }
}

function lengthOf(key: string, kv: Kv | null): number {
  return key.length + (kv?.value.length ?? 0);
}
