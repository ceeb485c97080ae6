/** What stores that keep one row a name, and one a life, know of a name. Values: nothing changes one. */
import type { ComponentType } from "../../core/entry.js";
import type { Revocation, Version } from "../../core/record.js";
import type { MonotonicMs, WallMs } from "../../core/timing.js";

/** A holder's signs of life. */
export interface Pulse {
  readonly beat: number;
  readonly at: MonotonicMs;
  readonly wallAt: WallMs;
  /** The clock of `at`: it compares with readings of the same one alone. */
  readonly clock: string;
}

export interface LockRow {
  /** The ID that its holder acts under, whatever becomes of the entry. */
  readonly id: string;
  /** The number of its holder's life. */
  readonly life: number;
  readonly instance: string;
  readonly pid: number;
  readonly host: string;
  readonly ttlMs: number;
  readonly token: number;
  readonly acquiredAt: WallMs;
  /** Its own last refresh: a beat of its holder since then counts as well, while it follows those. */
  readonly refreshedAt: MonotonicMs;
  readonly refreshedWall: WallMs;
  readonly follows: boolean;
  /** What stands for the last refresh of one that does not follow the beats, in stores whose engine ends locks. */
  readonly lapse?: string | undefined;
  readonly revocation: Revocation | null;
  /** Null when its holder's life is over: proved dead, or it gave everything up. */
  readonly pulse: Pulse | null;
}

export interface EntryRow {
  /** 0 for one that is not written yet. */
  readonly n: number;
  readonly name: string;
  readonly id: string;
  readonly componentType: ComponentType;
  readonly source: string;
  readonly version: number;
  /** Null: as the source says. */
  readonly lastSeen: WallMs | null;
  readonly waiters: number;
  readonly lock: LockRow | null;
}

export interface WaiterRow {
  readonly ticket: string;
  readonly instance: string;
  readonly since: WallMs;
  readonly offeredAt: MonotonicMs | null;
}

/** All that the store says of one name. */
export interface Looked {
  readonly name: string;
  readonly row: EntryRow | null;
  /** Only without a lock. */
  readonly former: LockRow | null;
  readonly queue: readonly WaiterRow[];
}

/** In two halves: a number that is no small integer takes several times as long to become text. */
export function versionOf({ version }: EntryRow): Version {
  return `${Math.floor(version / HALF)}.${version % HALF}` as Version;
}

const HALF = 1e8;

/** Changes with each sign of life that counts for this lock, and with the last one of its holder. */
export function holderVersion({ life, follows, refreshedAt, pulse }: LockRow): Version {
  if (pulse === null) return `${life} over` as Version;
  return (follows ? `${life} beat ${pulse.beat}` : `${life} at ${refreshedAt}`) as Version;
}

/** When the lock was last refreshed, on its holder's clock and for people. */
export function lastRefresh({ refreshedAt, refreshedWall, follows, pulse }: LockRow): {
  readonly at: MonotonicMs;
  readonly wallAt: WallMs;
} {
  return follows && pulse !== null && pulse.at > refreshedAt ? pulse : { at: refreshedAt, wallAt: refreshedWall };
}

/** The lock, which no beat of its holder refreshes any more. */
export function frozen(lock: LockRow): LockRow {
  const { at, wallAt } = lastRefresh(lock);
  return { ...lock, refreshedAt: at, refreshedWall: wallAt, follows: false };
}
