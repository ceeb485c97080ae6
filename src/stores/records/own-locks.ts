/**
 * The locks that one holder was granted here, so that a heartbeat for a hundred thousand names asks the database about
 * none of them. What others do to them stands in `words`.
 */
export interface OwnLock {
  readonly token: number;
  /** Whether its holder's beats refresh it. */
  readonly follows: boolean;
}

/** A heartbeat's names beside the locks that are known. */
export interface Comparison {
  /** Named, and not refreshed by beats any more. */
  readonly resumed: readonly string[];
  /** Refreshed by beats, and not named. */
  readonly dropped: readonly string[];
  /** Named with a token that is not known here. */
  readonly unknown: readonly string[];
}

export class OwnLocks {
  readonly #locks = new Map<string, OwnLock>();
  #following = 0;

  get size(): number {
    return this.#locks.size;
  }

  get(name: string): OwnLock | undefined {
    return this.#locks.get(name);
  }

  /** Undefined: it is not known any more. */
  put(name: string, lock: OwnLock | undefined): void {
    if (this.#locks.get(name)?.follows === true) this.#following -= 1;
    this.#locks.delete(name);
    if (lock === undefined) return;
    this.#locks.set(name, lock);
    if (lock.follows) this.#following += 1;
  }

  clear(): void {
    this.#locks.clear();
    this.#following = 0;
  }

  entries(): Iterable<readonly [name: string, lock: OwnLock]> {
    return this.#locks;
  }

  /** Goes through both in step: they mostly have one order, and a look-up by name costs several times as much. */
  compare(names: ReadonlyMap<string, number>): Comparison {
    const resumed: string[] = [];
    const unknown: string[] = [];
    const inStep = this.#locks.entries();
    let next = inStep.next();
    let refreshed = 0;
    for (const [name, token] of names) {
      // One that is not named is passed over.
      if (next.value !== undefined && next.value[0] !== name) next = inStep.next();
      const isInStep = next.value !== undefined && next.value[0] === name;
      const lock = isInStep ? next.value?.[1] : this.#locks.get(name);
      if (isInStep) next = inStep.next();
      if (lock?.token !== token) unknown.push(name);
      else if (lock.follows) refreshed += 1;
      else resumed.push(name);
    }
    return { resumed, dropped: refreshed === this.#following ? [] : this.#notIn(names), unknown };
  }

  #notIn(names: ReadonlyMap<string, number>): readonly string[] {
    return [...this.#locks]
      .filter(([name, lock]) => lock.follows && names.get(name) !== lock.token)
      .map(([name]) => name);
  }
}
