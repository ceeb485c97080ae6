/** Rows as SQLite gives them. */
import type { ComponentType } from "../../core/entry.js";
import type { Revocation } from "../../core/record.js";
import type { MonotonicMs, WallMs } from "../../core/timing.js";
import type { EntryRow, LockRow, Pulse, WaiterRow } from "../records/rows.js";
import { fromSqlText, type SqlText } from "./sql-text.js";

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
