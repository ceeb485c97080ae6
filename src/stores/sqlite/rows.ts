/** Rows as SQLite gives them, and as the rest of this store knows them. Values: nothing changes one. */
import type { ComponentType } from "../../core/entry.js";
import type { Revocation, Version } from "../../core/record.js";
import type { MonotonicMs, WallMs } from "../../core/timing.js";
import { fromSqlText, type SqlText } from "./sql-text.js";

/** A holder's signs of life. */
export interface Pulse {
  readonly beat: number;
  readonly at: MonotonicMs;
  readonly wallAt: WallMs;
  /** The clock of `at`; see boot-clock.ts. */
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

/** All that the database says of one name. */
export interface Looked {
  readonly name: string;
  readonly row: EntryRow | null;
  /** Only without a lock. */
  readonly former: LockRow | null;
  readonly queue: readonly WaiterRow[];
}

export function versionOf(row: EntryRow): Version {
  return String(row.version) as Version;
}

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

// In the order of the columns in statements.ts.

export type PulseTuple = [clock: string | null, beat: number, beatAt: MonotonicMs, beatWall: WallMs];
export type HolderTuple = [instance: string, pid: number, host: string, ttlMs: number, token: number];
export type RefreshTuple = [acquired: WallMs, refreshedAt: MonotonicMs, refreshedWall: WallMs];
export type EntryTuple = [
  n: number,
  name: SqlText,
  id: string,
  componentType: ComponentType,
  source: SqlText,
  version: number,
  lastSeen: WallMs | null,
  waiters: number,
  ...PulseTuple,
  holder: number | null,
  ...HolderTuple,
  ...RefreshTuple,
  follows: 0 | 1,
  revocation: string | null,
  lockId: string | null,
];
export type FormerTuple = [...PulseTuple, holder: number, ...HolderTuple, ...RefreshTuple, id: string];
export type WaiterTuple = [ticket: string, instance: string, since: WallMs, offeredAt: MonotonicMs | null];

export function entryRow(t: EntryTuple): EntryRow {
  return {
    n: t[0],
    name: fromSqlText(t[1]),
    id: t[2],
    componentType: t[3],
    source: fromSqlText(t[4]),
    version: t[5],
    lastSeen: t[6],
    waiters: t[7],
    lock: t[12] === null ? null : lockOfEntry(t, t[12]),
  };
}

function lockOfEntry(t: EntryTuple, life: number): LockRow {
  return {
    id: t[23] ?? t[2],
    pulse: pulseOf(t[8], t[9], t[10], t[11]),
    life,
    instance: t[13],
    pid: t[14],
    host: t[15],
    ttlMs: t[16],
    token: t[17],
    acquiredAt: t[18],
    refreshedAt: t[19],
    refreshedWall: t[20],
    follows: t[21] === 1,
    revocation: t[22] === null ? null : (JSON.parse(t[22]) as Revocation),
  };
}

export function formerRow(t: FormerTuple): LockRow {
  return {
    id: t[13],
    pulse: pulseOf(t[0], t[1], t[2], t[3]),
    life: t[4],
    instance: t[5],
    pid: t[6],
    host: t[7],
    ttlMs: t[8],
    token: t[9],
    acquiredAt: t[10],
    refreshedAt: t[11],
    refreshedWall: t[12],
    follows: false,
    revocation: null,
  };
}

export function waiterRow([ticket, instance, since, offeredAt]: WaiterTuple): WaiterRow {
  return { ticket, instance, since, offeredAt };
}

function pulseOf(clock: string | null, beat: number, at: MonotonicMs, wallAt: WallMs): Pulse | null {
  return clock === null ? null : { clock, beat, at, wallAt };
}
