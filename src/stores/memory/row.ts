import type { Holder } from "../../core/entry.js";
import type { Revocation, Version } from "../../core/record.js";
import type { MonotonicMs, WallMs } from "../../core/timing.js";

/** One sign of life of a holder, stamped by the store. All locks that one heartbeat refreshed share one beat. */
export interface Beat {
  readonly version: Version;
  readonly at: MonotonicMs;
  readonly wallAt: WallMs;
  readonly ttlMs: number;
}

export interface Lock {
  readonly holder: Holder;
  /** The ID that its holder acts under, whatever becomes of the entry. */
  readonly id: string;
  readonly token: number;
  readonly acquiredAt: WallMs;
  readonly beat: Beat;
  readonly revocation: Revocation | null;
}

export interface QueuedWaiter {
  readonly ticket: string;
  readonly instance: string;
  readonly since: WallMs;
  readonly offeredAt: MonotonicMs | null;
}

/** All that is kept about one name. Rows are values: a change puts a new one in its place. */
export interface Row {
  /** Of text, lock and token. Signs of life and the queue do not change it. */
  readonly version: Version;
  /** The entry's JSON text, whose `lock` is always null: the lock is kept beside it. */
  readonly text: string;
  readonly lock: Lock | null;
  readonly waiters: readonly QueuedWaiter[];
}
