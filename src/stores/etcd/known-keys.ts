import type { Kv } from "./wire.js";

const KEYS_MAX = 20_000;

/**
 * What this process has last seen of keys, so that a change to a name that it knows needs no look. It may be out of date:
 * each change is made on condition that it is not.
 */
export class KnownKeys {
  readonly #kvs = new Map<string, Kv | null>();

  /** Undefined: not known. Null: there was none. */
  get(key: string): Kv | null | undefined {
    return this.#kvs.get(key);
  }

  /** What was known before is older, unless it is of a later revision. */
  put(key: string, kv: Kv | null): void {
    const before = this.#kvs.get(key);
    if (before != null && kv !== null && before.mod > kv.mod) return;
    this.#kvs.delete(key);
    this.#kvs.set(key, kv);
    if (this.#kvs.size <= KEYS_MAX) return;
    const [oldest] = this.#kvs.keys();
    if (oldest !== undefined) this.#kvs.delete(oldest);
  }

  forget(key: string): void {
    this.#kvs.delete(key);
  }

  clear(): void {
    this.#kvs.clear();
  }
}
