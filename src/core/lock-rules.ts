/**
 * What may happen to a lock. Pure: time comes in as a value, a decision comes out, stores and registry perform it.
 *
 *            grant                      refresh
 *   free ───────────► held ◄──────────────────────┐
 *    ▲                 │  ├───────────────────────┘
 *    │  release        │  │ holder dead, silent past its TTL, or expired by a trusted clock
 *    └─────────────────┘  └────────► free for a takeover (one conditional write)
 *
 * Never by a doubtful wall clock alone: a lock of which only written times are known, beside a clock that may have
 * stepped, is watched unchanged for its own TTL first.
 */

import type { Holder, RegistryEntry, RegistryLock } from "./entry.js";
import { type HeldBy, RegistryLockError } from "./errors.js";
import { quoteName } from "./name.js";
import type { Evidence, HolderRecord, Snapshot } from "./record.js";
import { isoTime, later, type WallMs } from "./timing.js";

/** How long a free name is kept for the waiter whose turn it is, before the next in line may take it. */
export const TURN_MS = 1_000;

export function newLock(holder: Holder, now: WallMs): RegistryLock {
  return {
    holderPid: holder.pid,
    holderHost: holder.host,
    holderInstance: holder.instance,
    acquiredAt: now,
    heartbeatAt: now,
    expiresAt: later(now, holder.ttlMs),
  };
}

export function refreshedLock(lock: RegistryLock, ttlMs: number, now: WallMs): RegistryLock {
  return { ...lock, heartbeatAt: now, expiresAt: later(now, ttlMs) };
}

/** The TTL that a lock was last written with. */
export function lockTtlMs(lock: RegistryLock): number {
  return Math.max(0, lock.expiresAt - lock.heartbeatAt);
}

export function heldBy(lock: RegistryLock): HeldBy {
  return { pid: lock.holderPid, host: lock.holderHost, instance: lock.holderInstance };
}

/** The state of a lock, judged by all that is known. */
export type LockState =
  | { readonly kind: "free"; readonly why: "no lock" | "dead" | "silent" | "expired" }
  /** `lapsesInMs`: when to look again if nothing changes. `decided: false`: held only for want of a trusted clock. */
  | { readonly kind: "held"; readonly lock: RegistryLock; readonly lapsesInMs: number; readonly decided: boolean };

/**
 * @param watchedMs how long the asking process has seen this very version of lock and holder, by its monotonic clock
 * @see docs/SPEC.md#G6 and #G7
 */
export function judgeLock({ record, former, now }: Snapshot, watchedMs: number): LockState {
  const lock = record?.entry.lock ?? null;
  if (lock !== null && record?.holder != null) return judgeHolder(lock, record.holder.evidence, now, watchedMs);
  if (former !== null) return judgeHolder(former.lock, former.holder.evidence, now, watchedMs);
  return { kind: "free", why: "no lock" };
}

/** The holder of the lock that stands in the way, be it a former one. */
export function holderOf({ record, former }: Snapshot): HolderRecord | null {
  return record?.holder ?? former?.holder ?? null;
}

function judgeHolder(lock: RegistryLock, evidence: Evidence, now: WallMs, watchedMs: number): LockState {
  switch (evidence.kind) {
    case "dead":
      return { kind: "free", why: "dead" };
    case "beat": {
      const lapsesInMs = evidence.ttlMs - evidence.ageMs;
      return lapsesInMs <= 0 ? { kind: "free", why: "silent" } : { kind: "held", lock, lapsesInMs, decided: true };
    }
    case "written": {
      const watchInMs = lockTtlMs(lock) - watchedMs;
      const expiresInMs = evidence.clockTrusted ? lock.expiresAt - now : Number.POSITIVE_INFINITY;
      const lapsesInMs = Math.min(watchInMs, expiresInMs);
      if (lapsesInMs > 0)
        return { kind: "held", lock, lapsesInMs, decided: evidence.clockTrusted || now < lock.expiresAt };
      return { kind: "free", why: expiresInMs <= 0 ? "expired" : "silent" };
    }
    default:
      return evidence satisfies never;
  }
}

export type ClaimDecision =
  | { readonly kind: "create" }
  | { readonly kind: "take"; readonly why: "no lock" | "dead" | "silent" | "expired" }
  | { readonly kind: "held"; readonly lock: RegistryLock; readonly lapsesInMs: number; readonly decided: boolean }
  /** Free, but another waiter's turn. `offer`: it has not been offered the name yet. */
  | { readonly kind: "not-your-turn"; readonly ticket: string; readonly offer: boolean; readonly lapsesInMs: number }
  /** The waiter whose turn it was let it pass: drop it from the queue, then decide again. */
  | { readonly kind: "pass-over"; readonly ticket: string };

/**
 * May the caller take the name now?
 *
 * @param ticket the caller's place in the queue; undefined for one who does not wait
 */
export function decideClaim(snapshot: Snapshot, ticket: string | undefined, watchedMs: number): ClaimDecision {
  const state = judgeLock(snapshot, watchedMs);
  if (state.kind === "held") return state;
  const record = snapshot.record;
  if (record === null) return { kind: "create" };
  const first = record.waiters[0];
  if (first === undefined || first.ticket === ticket) return { kind: "take", why: state.why };
  if (first.offeredAgeMs === null) {
    return { kind: "not-your-turn", ticket: first.ticket, offer: true, lapsesInMs: TURN_MS };
  }
  const lapsesInMs = TURN_MS - first.offeredAgeMs;
  if (lapsesInMs > 0) return { kind: "not-your-turn", ticket: first.ticket, offer: false, lapsesInMs };
  return { kind: "pass-over", ticket: first.ticket };
}

// What follows are the reference's rules on one entry, by its written times alone (madsci.common.registry.LockManager).

export interface AcquireAnswer {
  readonly canAcquire: boolean;
  readonly reason: string;
}

export function canAcquire(entry: RegistryEntry, instance: string, now: WallMs): AcquireAnswer {
  const lock = entry.lock;
  if (lock === null) return { canAcquire: true, reason: "No existing lock" };
  if (lock.holderInstance === instance) return { canAcquire: true, reason: "Already locked by this instance" };
  if (now >= lock.expiresAt) return { canAcquire: true, reason: `Lock expired at ${isoTime(lock.expiresAt)}` };
  return {
    canAcquire: false,
    reason: `Locked by ${lock.holderHost} (PID ${lock.holderPid}) until ${isoTime(lock.expiresAt)}`,
  };
}

/** @throws RegistryLockError `held` */
export function acquireEntry(entry: RegistryEntry, holder: Holder, now: WallMs): RegistryEntry {
  const answer = canAcquire(entry, holder.instance, now);
  if (!answer.canAcquire && entry.lock !== null) {
    throw new RegistryLockError("held", `Cannot acquire lock for '${entry.id}': ${answer.reason}`, {
      heldBy: heldBy(entry.lock),
      since: entry.lock.acquiredAt,
      until: entry.lock.expiresAt,
    });
  }
  return { ...entry, lock: newLock(holder, now), lastSeen: now };
}

/** @throws RegistryLockError `lost` */
export function refreshEntry(entry: RegistryEntry, holder: Holder, now: WallMs): RegistryEntry {
  if (entry.lock === null) {
    throw new RegistryLockError("lost", `Cannot refresh the lock of '${entry.id}': it has none. Acquire it anew.`);
  }
  if (entry.lock.holderInstance !== holder.instance) {
    throw new RegistryLockError(
      "lost",
      `Cannot refresh the lock of '${entry.id}': it is held by ${entry.lock.holderHost} (PID ${entry.lock.holderPid}), not by this instance.`,
      { heldBy: heldBy(entry.lock) },
    );
  }
  return { ...entry, lock: refreshedLock(entry.lock, holder.ttlMs, now), lastSeen: now };
}

export function releaseEntry(entry: RegistryEntry, instance: string): RegistryEntry {
  return entry.lock?.holderInstance === instance ? { ...entry, lock: null } : entry;
}

/** The instance of the lock by which names are held back after damage: nobody's. */
export const RECOVERY_INSTANCE = "namehold-recovery";

/** The error of a caller who finds the name held. */
export function heldError(name: string, lock: RegistryLock, decided: boolean): RegistryLockError {
  if (lock.holderInstance === RECOVERY_INSTANCE) {
    return new RegistryLockError(
      "held",
      `${quoteName(name)} is held back until ${isoTime(lock.expiresAt)}: the registry was damaged, and a process whose lock was lost in it may hold the name. Wait for it.`,
      { name, heldBy: heldBy(lock), since: lock.acquiredAt, until: lock.expiresAt },
    );
  }
  const who = `${lock.holderHost} (PID ${lock.holderPid})`;
  const message = decided
    ? `${quoteName(name)} is held by ${who} since ${isoTime(lock.acquiredAt)}, until ${isoTime(lock.expiresAt)} unless it is refreshed.`
    : `${quoteName(name)} was held by ${who} until ${isoTime(lock.expiresAt)}, but the clock cannot be trusted to say that this is over. Wait up to ${Math.ceil(lockTtlMs(lock) / 1000)} s: the lock is free once it has been seen unchanged for so long.`;
  return new RegistryLockError("held", message, {
    name,
    heldBy: heldBy(lock),
    since: lock.acquiredAt,
    until: lock.expiresAt,
  });
}
