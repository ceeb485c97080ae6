/** What was made of a file's bytes, for as long as they are the same. */
export class Cached<T> {
  #bytes: Buffer | undefined;
  #value: { readonly it: T } | undefined;

  /** @returns undefined when the bytes are others than those known */
  peek(bytes: Buffer | undefined): T | undefined {
    const isSame = this.#bytes === undefined || bytes === undefined ? this.#bytes === bytes : this.#bytes.equals(bytes);
    return isSame ? this.#value?.it : undefined;
  }

  keep(bytes: Buffer | undefined, it: T): void {
    this.#bytes = bytes;
    this.#value = { it };
  }

  value(bytes: Buffer | undefined, make: (bytes: Buffer | undefined) => T): T {
    const known = this.peek(bytes);
    if (known !== undefined) return known;
    const it = make(bytes);
    this.keep(bytes, it);
    return it;
  }

  get bytes(): Buffer | undefined {
    return this.#bytes;
  }

  text(): string | undefined {
    return this.#bytes?.toString("utf8");
  }
}
