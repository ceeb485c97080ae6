import { describe, expect, it } from "vitest";
import { changesOf, endedHold, type NameChange, pairSightings, type Sighting } from "../../src/core/changes.js";
import type { RegistryEntry, RegistryLock } from "../../src/core/entry.js";
import type { Ending } from "../../src/core/history.js";
import { type LockState, newLock, RECOVERY_INSTANCE } from "../../src/core/lock-rules.js";
import type { NamedEntry } from "../../src/core/named-entry.js";
import { later, wallMs } from "../../src/core/timing.js";

const T0 = wallMs(Date.UTC(2026, 0, 1));
const ID = "01J0000000000000000000000A";
const OTHER_ID = "01J0000000000000000000000B";

const FREE: LockState = { kind: "free", why: "no lock" };
const DEAD: LockState = { kind: "free", why: "dead" };
const SILENT: LockState = { kind: "free", why: "silent" };
const EXPIRED: LockState = { kind: "free", why: "expired" };
const MARK = { reason: "stuck", at: T0 };

type Parts = Partial<NamedEntry> & { readonly of?: Partial<RegistryEntry> };

function named({ of, ...parts }: Parts = {}): NamedEntry {
  const entry: RegistryEntry = {
    id: ID,
    componentType: "node",
    createdAt: T0,
    lastSeen: T0,
    metadata: {},
    lock: null,
    workcellId: null,
    ...of,
  };
  return { name: "arm", entry, state: FREE, token: null, revocation: null, waiters: [], ...parts };
}

function lockOf(who: string, sinceMs = 0): RegistryLock {
  return newLock({ instance: `instance of ${who}`, pid: 42, host: who, ttlMs: 30_000 }, later(T0, sinceMs));
}

function stateOf(lock: RegistryLock): LockState {
  return { kind: "held", lock, lapsesInMs: 30_000, decided: true };
}

/** Held by a process that is named for its host. */
function heldBy(who: string, token: number | null = 1, parts: Parts = {}): NamedEntry {
  const lock = lockOf(who, token ?? 0);
  return named({ state: stateOf(lock), token, ...parts, of: { lock, ...parts.of } });
}

function waiting(...tickets: readonly string[]): Parts {
  return { waiters: tickets.map((ticket) => ({ ticket, instance: "i", since: T0, offeredAgeMs: null })) };
}

/** What happens in one look after another, each against all that was seen until then. The first is where it begins. */
function story(looks: readonly (readonly NamedEntry[])[], ending: Ending | null = null): readonly NameChange[] {
  let known = new Map<string, Sighting>();
  let told: readonly NameChange[] = [];
  for (const look of looks) {
    const pairs = pairSightings(known, new Map(look.map((it) => [it.name, it])));
    told = pairs.flatMap((pair) => changesOf(pair, T0, endedHold(pair) === null ? null : ending));
    known = new Map(pairs.flatMap(({ now }) => (now === null ? [] : [[now.named.name, now] as const])));
  }
  return told;
}

const inWords = (changes: readonly NameChange[]): readonly string[] =>
  changes.map(({ name, kind, words }) => `${name} ${kind}: ${words}`);

describe("between two looks at a name", () => {
  it.each<readonly [what: string, before: NamedEntry, now: NamedEntry, words: readonly string[]]>([
    ["nothing is no change", heldBy("a"), heldBy("a"), []],
    [
      "a sign of life is no change",
      heldBy("a"),
      heldBy("a", 1, { of: { lastSeen: later(T0, 9), lock: { ...lockOf("a", 1), heartbeatAt: later(T0, 9) } } }),
      [],
    ],
    ["a holder comes", named(), heldBy("a", 7), ["arm held: held by a (PID 42), token 7"]],
    ["a Python process comes", named(), heldBy("a", null), ["arm held: held by a (PID 42), without a token"]],
    ["a holder goes", heldBy("a"), named(), ["arm released: free: the lock of a (PID 42) is gone"]],
    [
      "a holder dies while its lock stands",
      heldBy("a"),
      heldBy("a", 1, { state: DEAD }),
      ["arm crashed: crashed: a (PID 42) ended without releasing it; anybody may take it"],
    ],
    [
      "a holder gives no sign of life",
      heldBy("a"),
      heldBy("a", 1, { state: SILENT }),
      ["arm silent: silent: a (PID 42) has given no sign of life for its TTL; anybody may take it"],
    ],
    [
      "a Python lock expires",
      heldBy("a", null),
      heldBy("a", null, { state: EXPIRED }),
      ["arm silent: expired: a (PID 42) did not refresh its lock; anybody may take it"],
    ],
    [
      "a silent holder is found dead",
      heldBy("a", 1, { state: SILENT }),
      heldBy("a", 1, { state: DEAD }),
      ["arm crashed: crashed: a (PID 42) ended without releasing it; anybody may take it"],
    ],
    [
      "a silent holder gives signs of life again",
      heldBy("a", null, { state: EXPIRED }),
      heldBy("a", null),
      ["arm held: held by a (PID 42) again: it gives signs of life"],
    ],
    [
      "a crashed holder's name is taken over",
      heldBy("a", 1, { state: DEAD }),
      heldBy("b", 2),
      ["arm held: held by b (PID 42), token 2, took over from a (PID 42) (crashed)"],
    ],
    [
      "a silent holder's name is taken over",
      heldBy("a", 1, { state: SILENT }),
      heldBy("b", 2),
      ["arm held: held by b (PID 42), token 2, took over from a (PID 42) (silent)"],
    ],
    [
      "a crashed holder's lock is removed",
      heldBy("a", 1, { state: DEAD }),
      named(),
      ["arm released: free: the lock of a (PID 42) (crashed) was removed"],
    ],
    [
      "one holder follows another, how is not known",
      heldBy("a", 1),
      heldBy("b", 2),
      ["arm held: held by b (PID 42), token 2, after a (PID 42)"],
    ],
    [
      "a holder takes its name anew",
      heldBy("a", 1),
      heldBy("a", 2),
      ["arm held: held by a (PID 42), token 2, after itself"],
    ],
    [
      "a Python process takes its name anew",
      heldBy("a", null),
      heldBy("a", null, { of: { lock: lockOf("a", 9) } }),
      ["arm held: held by a (PID 42), without a token, after itself"],
    ],
    [
      "a holder comes and dies",
      named(),
      heldBy("a", 1, { state: DEAD }),
      [
        "arm held: held by a (PID 42), token 1",
        "arm crashed: crashed: a (PID 42) ended without releasing it; anybody may take it",
      ],
    ],
    [
      "a holder is revoked",
      heldBy("a"),
      heldBy("a", 1, { revocation: MARK }),
      ["arm revoked: revoked (stuck): a (PID 42) has to give it up"],
    ],
    [
      "a revoked holder is revoked still",
      heldBy("a", 1, { revocation: MARK }),
      heldBy("a", 1, { revocation: MARK }),
      [],
    ],
    [
      "a revoked holder gives the name up",
      heldBy("a", 1, { revocation: MARK }),
      named(),
      ["arm released: given up by a (PID 42) (revoked: stuck)"],
    ],
    [
      "a name is held back after damage",
      named(),
      heldBy("", null, { of: { lock: { ...lockOf(""), holderInstance: RECOVERY_INSTANCE } } }),
      ["arm held: held back after damage, since a process whose lock was lost in it may hold the name"],
    ],
    [
      "a name is not held back any more",
      heldBy("", null, { of: { lock: { ...lockOf(""), holderInstance: RECOVERY_INSTANCE } } }),
      heldBy("", null, { state: EXPIRED, of: { lock: { ...lockOf(""), holderInstance: RECOVERY_INSTANCE } } }),
      ["arm released: free: not held back any more"],
    ],
    [
      "the ID changes",
      named(),
      named({ of: { id: OTHER_ID } }),
      [`arm id-changed: the ID changed from ${ID} to ${OTHER_ID}`],
    ],
    [
      "type, workcell and metadata change",
      named({ of: { metadata: { a: 1, b: { c: 1 }, d: 0 } } }),
      named({ of: { componentType: "manager", workcellId: "w", metadata: { a: 1, b: { c: 2 }, e: 0 } } }),
      [
        "arm type-changed: the type changed from node to manager",
        "arm workcell-changed: the workcell changed from none to w",
        'arm metadata-changed: metadata changed: "b", "d", "e"',
      ],
    ],
    [
      "a thousand metadata change",
      named(),
      named({ of: { metadata: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i])) } }),
      ['arm metadata-changed: metadata changed: "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7" and 992 more'],
    ],
    [
      "somebody waits",
      heldBy("a"),
      heldBy("a", 1, waiting("1", "2")),
      ["arm waiters-changed: 2 waiting, the first since 2026-01-01T00:00:00.000Z"],
    ],
    [
      "another waits first",
      heldBy("a", 1, waiting("1")),
      heldBy("a", 1, waiting("2")),
      ["arm waiters-changed: 1 waiting, the first since 2026-01-01T00:00:00.000Z"],
    ],
    [
      "the first waiter gets the name",
      heldBy("a", 1, waiting("1")),
      heldBy("b", 2),
      ["arm held: held by b (PID 42), token 2, after a (PID 42)", "arm waiters-changed: nobody waits any more"],
    ],
    ["it is renamed", named(waiting("1")), named({ name: "left_arm" }), ['left_arm renamed: renamed, it was "arm"']],
    [
      "it is renamed while it is held",
      heldBy("a"),
      heldBy("a", 1, { name: "left_arm", revocation: MARK }),
      ['left_arm renamed: renamed, it was "arm"; a (PID 42) has to give it up'],
    ],
    [
      "it is renamed, and its holder gives it up",
      heldBy("a"),
      named({ name: "left_arm" }),
      ['left_arm renamed: renamed, it was "arm"', "left_arm released: free: the lock of a (PID 42) is gone"],
    ],
  ])("%s", (_, before, now, words) => {
    expect(inWords(story([[before], [now]]))).toEqual(words);
  });

  it.each<readonly [how: Ending, before: NamedEntry, after: string, gone: string]>([
    [{ how: "released" }, heldBy("a"), ", after a (PID 42) released it", "released by a (PID 42)"],
    [
      { how: "crashed" },
      heldBy("a"),
      ", took over from a (PID 42) (crashed)",
      "free: the lock of a (PID 42) (crashed) was removed",
    ],
    [
      { how: "silent", detail: "its command was ended" },
      heldBy("a"),
      ", took over from a (PID 42) (silent: its command was ended)",
      "free: the lock of a (PID 42) (silent: its command was ended) was removed",
    ],
    [
      { how: "revoked", detail: "now!" },
      heldBy("a"),
      ", took over from a (PID 42) (revoked: now!)",
      "taken from a (PID 42) at once (revoked: now!)",
    ],
    [
      { how: "lost", detail: "a Python process" },
      heldBy("a"),
      ", took over from a (PID 42) (lost: a Python process)",
      "taken from a (PID 42) (lost: a Python process)",
    ],
    // What the history knows goes before what was seen.
    [
      { how: "crashed" },
      heldBy("a", 1, { revocation: MARK }),
      ", took over from a (PID 42) (crashed)",
      "free: the lock of a (PID 42) (crashed) was removed",
    ],
  ])("a hold ends as the history tells: %j", (ending, before, after, gone) => {
    const [held] = story([[before], [heldBy("b", 2)]], ending);
    expect(held).toMatchObject({ kind: "held", ending, words: `held by b (PID 42), token 2${after}` });
    const [released] = story([[before], [named()]], ending);
    expect(released).toMatchObject({ kind: "released", ending, words: gone });
  });
});

describe("between two looks at all names", () => {
  const left = named({ name: "left", of: { id: OTHER_ID } });

  it("a name comes and a name goes, and each tells how it stands and stood", () => {
    expect(story([[heldBy("a")], [left]])).toEqual([
      expect.objectContaining({ kind: "removed", name: "arm", id: ID, before: heldBy("a"), now: null }),
      expect.objectContaining({ kind: "registered", name: "left", id: OTHER_ID, before: null, now: left, at: T0 }),
    ]);
    expect(inWords(story([[heldBy("a")], [left]]))).toEqual([
      "arm removed: removed, with the lock of a (PID 42)",
      `left registered: registered as node with the ID ${OTHER_ID}`,
    ]);
  });

  it("a new name that is held is registered first, and held then", () => {
    expect(story([[], [heldBy("a")]]).map(({ kind }) => kind)).toEqual(["registered", "held"]);
  });

  it("a renaming is one change, though a new entry has got the old name", () => {
    const [now, anew] = [named({ name: "left" }), named({ of: { id: OTHER_ID } })];
    expect(inWords(story([[named()], [now, anew]]))).toEqual([
      'left renamed: renamed, it was "arm"',
      `arm registered: registered as node with the ID ${OTHER_ID}`,
    ]);
  });

  it("two names that change places are two renamings", () => {
    const kinds = story([
      [named(), left],
      [named({ of: { id: OTHER_ID } }), named({ name: "left" })],
    ]).map(({ name, kind, before }) => [name, kind, before?.name]);
    expect(kinds).toEqual([
      ["arm", "renamed", "left"],
      ["left", "renamed", "arm"],
    ]);
  });

  it("of two names with one ID, one is the renamed one", () => {
    const kinds = story([[named()], [named({ name: "one" }), named({ name: "two" })]]).map(({ kind }) => kind);
    expect(kinds).toEqual(["renamed", "registered"]);
  });
});

describe("a look into the middle of a write", () => {
  /** The note of a lock is there before the lock is, and gone before it goes. */
  const noted = (who: string, token: number) => named({ state: stateOf(lockOf(who, token)) });

  it("does not take the note of a lock that is being given for a hold without a token", () => {
    expect(story([[named()], [noted("a", 1)]])).toEqual([]);
    expect(inWords(story([[named()], [noted("a", 1)], [heldBy("a", 1)]]))).toEqual([
      "arm held: held by a (PID 42), token 1",
    ]);
  });

  it("keeps token and mark of a lock whose note has gone", () => {
    const unnoted = heldBy("a", 1, { token: null });
    expect(story([[heldBy("a", 1)], [unnoted]])).toEqual([]);
    expect(story([[heldBy("a", 1)], [unnoted], [heldBy("a", 1)]])).toEqual([]);
    const looks = [[heldBy("a", 1, { revocation: MARK })], [unnoted], [named()]];
    const [released] = story(looks, { how: "revoked" });
    expect(released).toMatchObject({ kind: "released", words: "given up by a (PID 42) (revoked)" });
    expect(released?.before).toMatchObject({ token: 1, revocation: MARK });
  });

  it("keeps a holder whose lock was taken off the entry, until the name is not kept for it any more", () => {
    expect(story([[heldBy("a", 1)], [noted("a", 1)]])).toEqual([]);
    expect(inWords(story([[heldBy("a", 1)], [noted("a", 1)], [named()]]))).toEqual([
      "arm released: free: the lock of a (PID 42) is gone",
    ]);
  });
});
