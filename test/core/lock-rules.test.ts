import { describe, expect, it } from "vitest";
import type { Holder, RegistryEntry, RegistryLock } from "../../src/core/entry.js";
import { RegistryLockError } from "../../src/core/errors.js";
import {
  acquireEntry,
  type ClaimDecision,
  canAcquire,
  decideClaim,
  heldError,
  holderOf,
  judgeLock,
  lockTtlMs,
  newLock,
  refreshEntry,
  releaseEntry,
  TURN_MS,
} from "../../src/core/lock-rules.js";
import type { EntryRecord, Evidence, FormerLock, Snapshot, Version, Waiter } from "../../src/core/record.js";
import { later, wallMs } from "../../src/core/timing.js";

const TTL_MS = 30_000;
const T0 = wallMs(Date.UTC(2026, 0, 1));
const HOLDER: Holder = { instance: "01JHOLDERHOLDERHOLDERHOLDE", pid: 42, host: "lab", ttlMs: TTL_MS };
const OTHER: Holder = { ...HOLDER, instance: "01JOTHEROTHEROTHEROTHEROTH", pid: 43 };
const LOCK = newLock(HOLDER, T0);

function entryWith(lock: RegistryLock | null): RegistryEntry {
  return { id: "01J0", componentType: "node", createdAt: T0, lastSeen: T0, metadata: {}, lock, workcellId: null };
}

function recordWith(
  evidence: Evidence | null,
  waiters: readonly Waiter[] = [],
  lock: RegistryLock = LOCK,
): EntryRecord {
  return {
    name: "robot",
    version: "1" as Version,
    entry: entryWith(evidence === null ? null : lock),
    source: "{}",
    token: evidence === null ? null : 1,
    revocation: null,
    holder: evidence === null ? null : { version: "1" as Version, evidence },
    waiters,
  };
}

function snapshotOf(record: EntryRecord | null, sinceMs = 0, former: FormerLock | null = null): Snapshot {
  return { name: "robot", record, former, now: later(T0, sinceMs) };
}

function formerWith(evidence: Evidence): FormerLock {
  return { lock: LOCK, holder: { version: "1" as Version, evidence } };
}

describe("judging a lock", () => {
  const beat = (ageMs: number): Evidence => ({ kind: "beat", ageMs, ttlMs: TTL_MS });
  const written = (clockTrusted: boolean): Evidence => ({ kind: "written", clockTrusted });
  const held = (lapsesInMs: number, decided = true) => ({ kind: "held", lock: LOCK, lapsesInMs, decided });
  const hour = 3_600_000;

  it.each([
    ["no lock is free", null, 0, 0, { kind: "free", why: "no lock" }],
    ["a dead holder's is free, however fresh", { kind: "dead" }, 0, 0, { kind: "free", why: "dead" }],
    ["a fresh beat holds for one TTL", beat(0), 0, 0, held(TTL_MS)],
    ["an older beat holds for the rest of the TTL", beat(29_999), 0, 0, held(1)],
    ["a beat as old as the TTL is silence", beat(TTL_MS), 0, 0, { kind: "free", why: "silent" }],
    ["a fresh beat holds though the wall clock is an hour ahead", beat(10), hour, 0, held(TTL_MS - 10)],
    [
      "silence frees though the wall clock is an hour behind",
      beat(TTL_MS + 1),
      -hour,
      0,
      { kind: "free", why: "silent" },
    ],
    ["written times hold until they expire by a trusted clock", written(true), 10_000, 0, held(20_000)],
    [
      "written times that have expired by a trusted clock are over",
      written(true),
      TTL_MS,
      0,
      { kind: "free", why: "expired" },
    ],
    [
      "without a trusted clock an expiry frees nothing, and is not decided",
      written(false),
      hour,
      0,
      held(TTL_MS, false),
    ],
    ["without a trusted clock an unexpired lock is held, decidedly", written(false), 10, 0, held(TTL_MS)],
    ["half a TTL of watching is not enough", written(false), hour, 15_000, held(15_000, false)],
    ["a lock seen unchanged for its TTL is silent", written(false), -hour, TTL_MS, { kind: "free", why: "silent" }],
    [
      "a lock seen unchanged for its TTL is silent, whatever a trusted clock says",
      written(true),
      -hour,
      TTL_MS,
      { kind: "free", why: "silent" },
    ],
  ] as const)("%s [G6, G7]", (_, evidence, sinceMs, watchedMs, state) => {
    expect(judgeLock(snapshotOf(recordWith(evidence), sinceMs), watchedMs)).toEqual(state);
  });

  it("keeps a name from others while a former holder of it may act, entry or not [G2]", () => {
    const fresh = formerWith(beat(10));
    for (const record of [null, recordWith(null)]) {
      expect(judgeLock(snapshotOf(record, 0, fresh), 0)).toEqual(held(TTL_MS - 10));
      expect(judgeLock(snapshotOf(record, 0, formerWith(beat(TTL_MS))), 0)).toEqual({ kind: "free", why: "silent" });
      expect(judgeLock(snapshotOf(record, 0, formerWith({ kind: "dead" })), 0)).toEqual({ kind: "free", why: "dead" });
      expect(holderOf(snapshotOf(record, 0, fresh))).toBe(fresh.holder);
    }
    const present = recordWith({ kind: "dead" });
    expect(judgeLock(snapshotOf(present, 0, fresh), 0)).toEqual({ kind: "free", why: "dead" });
    expect(holderOf(snapshotOf(present, 0, fresh))).toBe(present.holder);
  });

  it("a name that nobody has made is free [G6]", () => {
    expect(judgeLock(snapshotOf(null), 0)).toEqual({ kind: "free", why: "no lock" });
    expect(holderOf(snapshotOf(null))).toBeNull();
  });

  it("goes by the TTL that the lock was written with, not by that of the judge [G7]", () => {
    const long = newLock({ ...HOLDER, ttlMs: 120_000 }, T0);
    expect(lockTtlMs(long)).toBe(120_000);
    const record = recordWith({ kind: "written", clockTrusted: false }, [], long);
    expect(judgeLock(snapshotOf(record, 3_600_000), 119_999).kind).toBe("held");
    expect(judgeLock(snapshotOf(record, 3_600_000), 120_000).kind).toBe("free");
  });
});

describe("deciding about a claim", () => {
  const dead: Evidence = { kind: "dead" };
  const waiter = (ticket: string, offeredAgeMs: number | null): Waiter => ({
    ticket,
    instance: "i",
    since: T0,
    offeredAgeMs,
  });
  const decide = (record: EntryRecord | null, ticket?: string): ClaimDecision =>
    decideClaim(snapshotOf(record), ticket, 0);

  it("a name that does not exist is made, unless it is kept for a former holder [G1, G2]", () => {
    expect(decide(null)).toEqual({ kind: "create" });
    const former = formerWith({ kind: "beat", ageMs: 0, ttlMs: TTL_MS });
    expect(decideClaim(snapshotOf(null, 0, former), undefined, 0)).toMatchObject({ kind: "held", lock: LOCK });
  });

  it.each([
    ["a free name is taken by who comes", recordWith(null), undefined, { kind: "take", why: "no lock" }],
    ["a dead holder's name is taken", recordWith(dead), undefined, { kind: "take", why: "dead" }],
    [
      "a free name is taken by the waiter whose turn it is",
      recordWith(null, [waiter("a", 10), waiter("b", null)]),
      "a",
      { kind: "take", why: "no lock" },
    ],
    [
      "a free name is offered to the first waiter before anybody else takes it",
      recordWith(dead, [waiter("a", null)]),
      undefined,
      { kind: "not-your-turn", ticket: "a", offer: true, lapsesInMs: TURN_MS },
    ],
    [
      "a later waiter lets the first one go first",
      recordWith(null, [waiter("a", 400), waiter("b", null)]),
      "b",
      { kind: "not-your-turn", ticket: "a", offer: false, lapsesInMs: TURN_MS - 400 },
    ],
    [
      "a waiter who let its turn pass is passed over",
      recordWith(null, [waiter("a", TURN_MS), waiter("b", null)]),
      "b",
      { kind: "pass-over", ticket: "a" },
    ],
    [
      "a waiter who let its turn pass may still take the name itself",
      recordWith(null, [waiter("a", TURN_MS)]),
      "a",
      { kind: "take", why: "no lock" },
    ],
  ] as const)("%s [G6, G12]", (_, record, ticket, decision) => {
    expect(decide(record, ticket)).toEqual(decision);
  });

  it("a held name is held, waiters or not, its own holder included [G2]", () => {
    const record = recordWith({ kind: "beat", ageMs: 0, ttlMs: TTL_MS }, [waiter("a", TURN_MS)]);
    const held = { kind: "held", lock: LOCK, lapsesInMs: TTL_MS, decided: true };
    for (const ticket of [undefined, "a", "b"]) expect(decide(record, ticket)).toEqual(held);
  });
});

describe("the reference's rules on an entry", () => {
  const locked = entryWith(LOCK);
  const free = entryWith(null);

  it.each([
    ["no lock", free, OTHER, 0, { canAcquire: true, reason: "No existing lock" }],
    ["one's own lock", locked, HOLDER, 0, { canAcquire: true, reason: "Already locked by this instance" }],
    [
      "an expired lock",
      locked,
      OTHER,
      TTL_MS,
      { canAcquire: true, reason: "Lock expired at 2026-01-01T00:00:30.000Z" },
    ],
    [
      "another's lock",
      locked,
      OTHER,
      TTL_MS - 1,
      { canAcquire: false, reason: "Locked by lab (PID 42) until 2026-01-01T00:00:30.000Z" },
    ],
  ])("canAcquire answers with its reason for %s [G2]", (_, entry, { instance }, sinceMs, answer) => {
    expect(canAcquire(entry, instance, later(T0, sinceMs))).toEqual(answer);
  });

  it("acquire locks a free entry from now for one TTL and sees it [G2]", () => {
    const now = later(T0, 5);
    const entry = acquireEntry(free, OTHER, now);
    expect(entry).toEqual({ ...free, lock: newLock(OTHER, now), lastSeen: now });
    expect(entry.lock).toEqual({
      holderPid: 43,
      holderHost: "lab",
      holderInstance: OTHER.instance,
      acquiredAt: now,
      heartbeatAt: now,
      expiresAt: later(now, TTL_MS),
    });
  });

  it("acquire is refused with who holds the entry, since when and until when [G11]", () => {
    const refusal = caught(() => acquireEntry(locked, OTHER, later(T0, 1)));
    expect(refusal).toBeInstanceOf(RegistryLockError);
    expect(refusal).toMatchObject({
      code: "held",
      details: { heldBy: { pid: 42, host: "lab", instance: HOLDER.instance }, since: T0, until: LOCK.expiresAt },
    });
  });

  it("refresh prolongs one's own lock by one TTL, and keeps when it was acquired [G2]", () => {
    const now = later(T0, 10_000);
    const lock = { ...LOCK, heartbeatAt: now, expiresAt: later(now, TTL_MS) };
    expect(refreshEntry(locked, HOLDER, now)).toEqual({ ...locked, lock, lastSeen: now });
  });

  it.each([
    ["there is none", free],
    ["it is another's", locked],
  ])("refresh of a lock is refused when %s [G5]", (_, entry) => {
    expect(caught(() => refreshEntry(entry, OTHER, T0))).toMatchObject({ code: "lost" });
  });

  it("release removes one's own lock and leaves another's [G5]", () => {
    expect(releaseEntry(locked, HOLDER.instance)).toEqual(free);
    expect(releaseEntry(locked, OTHER.instance)).toBe(locked);
    expect(releaseEntry(free, HOLDER.instance)).toBe(free);
  });

  it("no rule changes the entry that it is given [G9]", () => {
    const entry = deepFreeze(entryWith({ ...LOCK }));
    acquireEntry(entry, HOLDER, later(T0, 1));
    refreshEntry(entry, HOLDER, later(T0, 1));
    releaseEntry(entry, HOLDER.instance);
    expect(entry).toEqual(locked);
  });
});

describe("the error of who finds a name held", () => {
  it("names the holder and until when, for people and for machines [G11]", () => {
    const error = heldError("robot\n", LOCK, true);
    expect(error.message).toBe(
      '"robot\\n" is held by lab (PID 42) since 2026-01-01T00:00:00.000Z, until 2026-01-01T00:00:30.000Z unless it is refreshed.',
    );
    expect(error).toMatchObject({ code: "held", details: { name: "robot\n", since: T0, until: LOCK.expiresAt } });
  });

  it("says how long to wait when the clock cannot be trusted [G7]", () => {
    expect(heldError("robot", LOCK, false).message).toContain("Wait up to 30 s");
  });
});

function caught(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

function deepFreeze(entry: RegistryEntry): RegistryEntry {
  Object.freeze(entry.metadata);
  Object.freeze(entry.lock);
  return Object.freeze(entry);
}
