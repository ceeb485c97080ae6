import { holderOf } from "../core/lock-rules.js";
import type { Snapshot } from "../core/record.js";
import type { Clock, MonotonicMs } from "../core/timing.js";

/**
 * For how long this process has seen a record and its lock's times unchanged, by its own monotonic clock: the only measure
 * of silence where neither the kernel nor a trusted clock speaks for a holder.
 *
 * @see docs/SPEC.md#G7
 */
export class Observer {
  readonly #clock: Clock;
  readonly #seen = new Map<string, { readonly version: string; readonly at: MonotonicMs }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since this version of the record was first seen here; 0 when it is new. */
  watchedMs(snapshot: Snapshot): number {
    const holder = holderOf(snapshot);
    if (holder?.evidence.kind !== "written") {
      this.#seen.delete(snapshot.name);
      return 0;
    }
    // A refresh changes the version of the entry in some stores, in others the times of the lock alone. Not the holder's
    // version: it changes with beats for other names, too.
    const { record, former } = snapshot;
    const version = JSON.stringify([record?.version, record?.entry.lock ?? former?.lock]);
    const now = this.#clock.monotonicMs();
    const seen = this.#seen.get(snapshot.name);
    if (seen?.version === version) return now - seen.at;
    this.#seen.set(snapshot.name, { version, at: now });
    return 0;
  }
}
