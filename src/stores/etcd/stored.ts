/** What is kept under a name's key, a life's, a ticket's; and how it is read back. */
import type { ComponentType } from "../../core/entry.js";
import type { Loss, Revocation } from "../../core/record.js";
import { type MonotonicMs, monotonicMs, type WallMs } from "../../core/timing.js";
import type { EntryRow, LockRow, Pulse } from "../records/rows.js";
import type { KeySpace } from "./keys.js";
import type { Kv } from "./wire.js";

/** The clock of a row's `MonotonicMs`: etcd's revisions, which rise with every change and are the same for everybody. */
export const REVISIONS = "etcd revisions";

/** One name: its entry, the lock that was taken away with it, and its last token. */
export interface StoredName {
  readonly entry: StoredEntry | null;
  readonly former: StoredLock | null;
  readonly lastToken: number;
}

export interface StoredEntry {
  /** New with each change but a freezing of the lock: the key's revision also changes with what is no change of the entry. */
  readonly version: number;
  readonly id: string;
  readonly componentType: ComponentType;
  readonly source: string;
  readonly lastSeen: WallMs | null;
  readonly lock: StoredLock | null;
}

export interface StoredLock {
  readonly id: string;
  readonly life: number;
  readonly instance: string;
  readonly pid: number;
  readonly host: string;
  readonly ttlMs: number;
  readonly token: number;
  readonly acquiredAt: WallMs;
  readonly refreshedAt: MonotonicMs;
  readonly refreshedWall: WallMs;
  /** The lease that it ends with; undefined while it follows its holder's beats. */
  readonly lapse?: string | undefined;
  readonly revocation: Revocation | null;
}

/** A process's life: its key is there as long as its lease is. */
export interface StoredLife {
  readonly instance: string;
  readonly wallAt: WallMs;
}

export interface StoredTicket {
  readonly instance: string;
  readonly since: WallMs;
}

export interface StoredOffer {
  /** By the clock of the machine that made it. */
  readonly at: MonotonicMs;
  readonly clock: string;
}

export interface StoredWord {
  readonly name: string;
  readonly loss: Loss;
}

/** What is known of a key: undefined where it was not looked at. */
export type Peek = (key: string) => Kv | null | undefined;

const NOTHING: StoredName = { entry: null, former: null, lastToken: 0 };

export function readName(kv: Kv | null): StoredName {
  return kv === null ? NOTHING : (JSON.parse(kv.value) as StoredName);
}

export function locksIn({ entry, former }: StoredName): readonly StoredLock[] {
  return [entry?.lock, former].filter((lock) => lock != null);
}

/**
 * The key that is there as long as the lock is its holder's. One that was refreshed by itself outlives the last beat of its
 * holder's life.
 */
export function signOf(keys: KeySpace, { life, lapse }: StoredLock): string {
  return lapse === undefined ? keys.life(life) : keys.lapse(life, lapse);
}

export function entryRow(name: string, entry: StoredEntry, lock: LockRow | null): EntryRow {
  const { version, id, componentType, source, lastSeen } = entry;
  // Whether somebody waits is not looked at: what a change does for waiters, it does in any case.
  return { n: 1, name, id, componentType, source, version, lastSeen, waiters: 1, lock };
}

export function lockRow(keys: KeySpace, lock: StoredLock, peek: Peek): LockRow {
  const sign = peek(signOf(keys, lock));
  return { ...lock, follows: lock.lapse === undefined, pulse: sign == null ? null : pulseIn(lock, sign) };
}

function pulseIn({ lapse, refreshedAt, refreshedWall }: StoredLock, sign: Kv): Pulse {
  if (lapse === undefined) return pulseOf(sign);
  return { beat: 0, at: refreshedAt, wallAt: refreshedWall, clock: REVISIONS };
}

export function pulseOf({ mod, value }: Kv): Pulse {
  const { wallAt } = JSON.parse(value) as StoredLife;
  return { beat: mod, at: monotonicMs(mod), wallAt, clock: REVISIONS };
}

/** @param lapse where the lock does not follow the beats (any more) */
export function storedLock(lock: LockRow, lapse: string | undefined): StoredLock {
  const { id, life, instance, pid, host, ttlMs, token, acquiredAt, refreshedAt, refreshedWall, revocation } = lock;
  const times = { acquiredAt, refreshedAt, refreshedWall };
  return {
    id,
    life,
    instance,
    pid,
    host,
    ttlMs,
    token,
    ...times,
    ...(lapse === undefined ? {} : { lapse }),
    revocation,
  };
}
