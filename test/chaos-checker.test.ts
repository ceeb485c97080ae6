/** The checker of the chaos suite, tested with journals that are forged: each holds one lie, or none. */
import { describe, expect, it } from "vitest";
import { judge } from "./chaos/checker.ts";
import {
  claimOf,
  type ForgedLife,
  type ForgedRest,
  held,
  history,
  journal,
  life,
  lost,
  notHeld,
  TTL_MS,
  write,
} from "./chaos/forged-history.ts";
import type { Fault, Violation } from "./chaos/history.ts";
import type { Journal, JournalEvent } from "./chaos/journal.ts";

/** The guarantees that the checker finds broken, each once. */
function broken(journals: readonly Journal[], rest?: ForgedRest): Violation["guarantee"][] {
  return [...new Set(judge(history(journals, rest)).map((violation) => violation.guarantee))];
}

const A: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000, releaseAt: 2_000 };
const B: ForgedLife = { claim: "b#1", token: 20, grantedAt: 3_000, heldUntil: 4_000, releaseAt: 4_000 };

function stop(target: string, fromAt: number, untilAt: number): Fault {
  return { kind: "stop", target, fromAt, untilAt };
}

describe("the checker accepts", () => {
  it("two holders, one after the other [G2]", () => {
    expect(broken([journal("a", life(A)), journal("b", life(B))])).toEqual([]);
  });

  it("a takeover in the very moment of a release whose answer is still on its way [G2]", () => {
    const waiter: ForgedLife = { ...B, askedAt: 500, grantedAt: 2_000.4 };
    expect(broken([journal("a", life(A)), journal("b", life(waiter))])).toEqual([]);
  });

  it("a sample that was held up: it began before the successor's grant and ended after it [G4]", () => {
    const stopped: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const heldUp: JournalEvent = { ...held(stopped, 2_050), afterAt: 6_000 } as JournalEvent;
    const paused = journal("a", life({ ...stopped, more: [heldUp, notHeld(stopped, 6_001), lost(stopped, 6_002)] }));
    const next = journal("b", life({ ...B, grantedAt: 5_000, heldUntil: 6_500, releaseAt: 6_500 }));
    expect(broken([paused, next], { faults: [stop("a", 2_051, 5_999)] })).toEqual([]);
  });

  it("a paused holder whose first belief after the pause is false [G4]", () => {
    const stopped: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const paused = journal("a", life({ ...stopped, more: [notHeld(stopped, 6_000), lost(stopped, 6_001)] }));
    expect(broken([paused, journal("b", life(B))], { faults: [stop("a", 2_010, 5_990)] })).toEqual([]);
  });

  it("a grant that was stale when it arrived, lower and later than its successor's, and never believed [G3]", () => {
    const stale: ForgedLife = { claim: "a#1", token: 10, askedAt: 900, grantedAt: 6_000 };
    const paused = journal("a", life({ ...stale, more: [notHeld(stale, 6_001), lost(stale, 6_002)] }));
    const next = journal("b", life({ ...B, grantedAt: 3_000, heldUntil: 7_000, releaseAt: 7_000 }));
    expect(broken([paused, next], { faults: [stop("a", 1_000, 5_990)] })).toEqual([]);
  });

  it("a killed holder's name taken over at once [G6]", () => {
    const killed: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const faults: Fault[] = [{ kind: "kill", target: "a", fromAt: 2_010, untilAt: 2_010 }];
    const next: ForgedLife = { ...B, askedAt: 1_500, grantedAt: 2_020 };
    expect(broken([journal("a", life(killed)), journal("b", life(next))], { faults })).toEqual([]);
  });

  it("a former holder's write after the takeover but before its successor's first, and none after that [G5]", () => {
    const stopped: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const more = [write("write-accepted", stopped, 3_010), write("write-refused", stopped, 3_030)];
    const next = journal("b", life({ ...B, more: [write("write-accepted", B, 3_020)] }));
    const resource = [
      { name: "arm", process: "a", token: 10, accepted: true },
      { name: "arm", process: "b", token: 20, accepted: true },
      { name: "arm", process: "a", token: 10, accepted: false },
    ];
    const faults = [stop("a", 2_001, 2_990)];
    expect(broken([journal("a", life({ ...stopped, more })), next], { resource, faults })).toEqual([]);
  });

  it("a counter between its acknowledged increments and those of unknown outcome [G9]", () => {
    const increments = [acknowledged("i1"), unknown("i2"), askedOnly("i3"), refused("i4")].flat();
    for (const count of [1, 2, 3]) {
      expect(broken([journal("a", increments)], { counters: { jobs: count } })).toEqual([]);
    }
  });

  it("a loss whose holder had reported that its refreshes fail [G7]", () => {
    const starved: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_400 };
    const warned: JournalEvent = { kind: "jeopardy", ...claimOf(starved), at: 2_000 };
    expect(broken([journal("a", life({ ...starved, more: [warned, lost(starved, 2_420)] }))])).toEqual([]);
  });

  it("a missing increment of Python's, when Python was killed after it and may have torn the file [G9]", () => {
    const killedAt = (fromAt: number): Fault[] => [{ kind: "kill", target: "p", fromAt, untilAt: fromAt }];
    const python: Journal = {
      process: "p",
      events: [{ kind: "started", pid: 2, runtime: "python", at: 0 }, ...acknowledged("i1")],
    };
    expect(broken([python], { faults: killedAt(3) })).toEqual([]);
    expect(broken([python], { faults: killedAt(1) })).toEqual(["G9"]);
    expect(broken([python])).toEqual(["G9"]);
  });

  it("a Python holder, which has no token, between two of ours [G3]", () => {
    const python: Journal = {
      process: "p",
      events: [
        { kind: "started", pid: 2, runtime: "python", at: 0 },
        ...life({ claim: "p#1", token: null, grantedAt: 2_500, heldUntil: 2_600, releaseAt: 2_700 }),
      ],
    };
    expect(broken([journal("a", life(A)), python, journal("b", life(B))])).toEqual([]);
  });
});

describe("the checker rejects", () => {
  it("one name that was given two ids [G1]", () => {
    const journals = [journal("a", life(A)), journal("b", life({ ...B, id: "another id" }))];
    expect(broken(journals)).toEqual(["G1"]);
  });

  it("two names that were given one id [G1]", () => {
    const leg: ForgedLife = { ...B, name: "leg", id: "id of arm" };
    const ids = { arm: "id of arm", leg: "id of arm" };
    expect(broken([journal("a", life(A)), journal("b", life(leg))], { ids })).toEqual(["G1"]);
  });

  it("a granted name that the final registry lacks, or knows by another id [G1]", () => {
    expect(broken([journal("a", life(A))], { ids: {} })).toEqual(["G1"]);
    expect(broken([journal("a", life(A))], { ids: { arm: "another id" } })).toEqual(["G1"]);
  });

  it("a granted name that was reported absent [G1]", () => {
    const lookedUp: JournalEvent = { kind: "looked-up", name: "arm", id: null, askedAt: 1_001, at: 1_002 };
    expect(broken([journal("a", life(A)), journal("b", lookedUp)])).toEqual(["G1"]);
  });

  it("two holders that believed at once, whatever their tokens say [G2]", () => {
    const overlapping: ForgedLife = { ...B, grantedAt: 1_500, heldUntil: 1_800, releaseAt: 1_800 };
    expect(broken([journal("a", life(A)), journal("b", life(overlapping))])).toContain("G2");
    const lower: ForgedLife = { ...overlapping, token: 5 };
    expect(broken([journal("a", life(A)), journal("b", life(lower))])).toContain("G2");
  });

  it("one process that was granted a name twice at once [G2]", () => {
    const second: ForgedLife = { ...B, claim: "a#2", grantedAt: 1_500, heldUntil: 1_600, releaseAt: 1_600 };
    expect(broken([journal("a", life(A), life(second))])).toContain("G2");
  });

  it("a third holder inside the long belief of the first, behind a short second [G2]", () => {
    const long: ForgedLife = { ...A, heldUntil: 5_000, releaseAt: 5_000 };
    const short: ForgedLife = { ...B, token: 9, grantedAt: 1_500, heldUntil: 1_600, releaseAt: 1_600 };
    const third: ForgedLife = { ...B, claim: "c#1", token: 30, grantedAt: 4_000, heldUntil: 4_100, releaseAt: 4_100 };
    const violations = judge(history([journal("a", life(long)), journal("b", life(short)), journal("c", life(third))]));
    expect(violations.filter((violation) => violation.guarantee === "G2")).toHaveLength(2);
  });

  it("a token that was given twice [G3]", () => {
    expect(broken([journal("a", life(A)), journal("b", life({ ...B, token: 10 }))])).toEqual(["G3"]);
  });

  it("a token that fell, by the order of asking and answering [G3]", () => {
    const first: ForgedLife = { claim: A.claim, token: 10, grantedAt: 1_000, releaseAt: 1_001 };
    const second: ForgedLife = { claim: B.claim, token: 9, grantedAt: 3_000, releaseAt: 3_001 };
    expect(broken([journal("a", life(first)), journal("b", life(second))])).toContain("G3");
  });

  it("a token that fell, by the order of belief, when the second had waited from before the first [G3]", () => {
    const waited: ForgedLife = { ...B, token: 9, askedAt: 500 };
    expect(broken([journal("a", life(A)), journal("b", life(waited))])).toContain("G3");
  });

  it("a grant without a token, or with one that is no safe integer [G3]", () => {
    expect(broken([journal("a", life({ ...A, token: null }))])).toEqual(["G3"]);
    expect(broken([journal("a", life({ ...A, token: 2 ** 60 }))])).toEqual(["G3"]);
  });

  it("a holder that says `held` after its successor was granted the name [G4]", () => {
    const stopped: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const paused = journal("a", life({ ...stopped, more: [held(stopped, 3_001)] }));
    expect(broken([paused, journal("b", life(B))], { faults: [stop("a", 2_010, 3_000)] })).toContain("G4");
  });

  it("a signal that is not aborted after the successor's grant, though `held` is false [G4]", () => {
    const stopped: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const silent = { ...notHeld(stopped, 3_001), signalAborted: false } as JournalEvent;
    const paused = journal("a", life({ ...stopped, more: [silent] }));
    expect(broken([paused, journal("b", life(B))], { faults: [stop("a", 2_010, 3_000)] })).toEqual(["G4"]);
  });

  it("a lost claim that comes back to life, and a released one [G4]", () => {
    const stopped: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const faults = [stop("a", 2_010, 2_990)];
    const revived = journal("a", life({ ...stopped, more: [notHeld(stopped, 3_000), held(stopped, 3_001)] }));
    expect(broken([revived], { faults })).toEqual(["G4"]);
    const told = journal("a", life({ ...stopped, more: [lost(stopped, 3_000), held(stopped, 3_001)] }));
    expect(broken([told], { faults })).toEqual(["G4"]);
    expect(broken([journal("a", life({ ...A, more: [held(A, 2_010)] }))])).toEqual(["G4"]);
  });

  it("an abort that is undone [G4]", () => {
    const undone = { ...notHeld(A, 2_020), signalAborted: false } as JournalEvent;
    expect(broken([journal("a", life({ ...A, more: [notHeld(A, 2_010), undone] }))])).toEqual(["G4"]);
  });

  it("a former holder's write that was accepted after its successor's [G5]", () => {
    const resource = [
      { name: "arm", process: "b", token: 20, accepted: true },
      { name: "arm", process: "a", token: 10, accepted: true },
    ];
    expect(broken([journal("a", life(A)), journal("b", life(B))], { resource })).toEqual(["G5"]);
  });

  it("a write without a token, with another's token, and a rightful one that was refused [G5]", () => {
    const journals = [journal("a", life(A)), journal("b", life(B))];
    const bare = [{ name: "arm", process: "a", token: null, accepted: true }];
    const stolen = [{ name: "arm", process: "a", token: 20, accepted: true }];
    const refusedWrite = [{ name: "arm", process: "a", token: 10, accepted: false }];
    for (const resource of [bare, stolen, refusedWrite]) expect(broken(journals, { resource })).toEqual(["G5"]);
  });

  it("a former holder's release that ended its successor's hold [G5]", () => {
    const former: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000, releaseAt: 9_400 };
    const robbed: ForgedLife = { claim: "b#1", token: 20, grantedAt: 3_000, heldUntil: 9_450 };
    const robber: ForgedLife = { claim: "c#1", token: 30, grantedAt: 9_500, heldUntil: 9_600, releaseAt: 9_600 };
    const journals = [journal("a", life(former)), journal("b", life(robbed)), journal("c", life(robber))];
    expect(broken(journals, { faults: [stop("a", 2_010, 4_000)] })).toEqual(["G5"]);
  });

  it("a name that was taken from a living holder, and a loss out of nothing, clock step or not [G7]", () => {
    const robbed: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const robber: ForgedLife = { ...B, grantedAt: 2_040, heldUntil: 2_100, releaseAt: 2_100 };
    const faults: Fault[] = [{ kind: "clock-step", target: "b", fromAt: 1_990, untilAt: 1_990 }];
    expect(broken([journal("a", life(robbed)), journal("b", life(robber))], { faults })).toEqual(["G7"]);
    expect(broken([journal("a", life({ ...robbed, more: [lost(A, 2_010)] }))], { faults })).toEqual(["G7"]);
  });

  it("a pause that is too old, or another process's kill, as the cause of a loss [G7]", () => {
    const robbed: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 10_000 };
    const loss = journal("a", life({ ...robbed, more: [lost(A, 10_010)] }));
    expect(broken([loss], { faults: [stop("b", 1_000, 10_010 - 3 * TTL_MS - 1)] })).toEqual(["G7"]);
    expect(broken([loss], { faults: [{ kind: "kill", target: "b", fromAt: 9_900, untilAt: 9_900 }] })).toEqual(["G7"]);
  });

  it("an acknowledged increment that is missing, and one that nobody made [G9]", () => {
    const two = journal("a", acknowledged("i1"), acknowledged("i2"));
    expect(broken([two], { counters: { jobs: 1 } })).toEqual(["G9"]);
    expect(broken([two], {})).toEqual(["G9"]);
    expect(broken([two], { counters: { jobs: 3 } })).toEqual(["G9"]);
  });

  it("a refused increment that was made all the same [G9]", () => {
    expect(broken([journal("a", refused("i1"))], { counters: { jobs: 1 } })).toEqual(["G9"]);
  });

  it("a name that nobody could claim after the last fault, or only too late [G6]", () => {
    const rest = { names: ["arm"], faultsEndedAt: 5_000 };
    expect(broken([journal("a", life(A))], rest)).toEqual(["G6"]);
    const late: ForgedLife = { ...B, askedAt: 5_000, grantedAt: 6_001, heldUntil: 6_100, releaseAt: 6_100 };
    expect(broken([journal("b", life(late))], rest)).toEqual(["G6"]);
    expect(broken([journal("b", life({ ...late, grantedAt: 5_999 }))], rest)).toEqual([]);
  });

  it("a waiter that waited in vain for a dead holder [G6]", () => {
    const killed: ForgedLife = { claim: "a#1", token: 10, grantedAt: 1_000, heldUntil: 2_000 };
    const faults: Fault[] = [{ kind: "kill", target: "a", fromAt: 2_010, untilAt: 2_010 }];
    const waiter = journal("b", waitInVain(2_000, 2_010 + 2 * TTL_MS + 1));
    expect(broken([journal("a", life(killed)), waiter], { faults })).toEqual(["G6"]);
    expect(broken([journal("a", life(killed)), waiter], { faults: [...faults, stop("c", 3_000, 3_100)] })).toEqual([]);
    const impatient = journal("b", waitInVain(2_000, 2_010 + 2 * TTL_MS - 1));
    expect(broken([journal("a", life(killed)), impatient], { faults })).toEqual([]);
  });

  it("journals that cannot be compared or contradict themselves [G2]", () => {
    const skewed: JournalEvent = { kind: "clock-checked", at: 1_000, uptimeMs: 5_000 };
    expect(broken([journal("a", skewed)])).toEqual(["journal"]);
    const ungranted = journal("a", held(A, 1_000));
    expect(broken([ungranted], { ids: {} })).toEqual(["journal"]);
    const backwards: Journal = { process: "a", events: [finished(2_000), finished(1_000)] };
    expect(broken([backwards])).toEqual(["journal"]);
    const unlogged = journal("a", life({ ...A, more: [write("write-accepted", A, 1_500)] }));
    expect(broken([unlogged])).toEqual(["journal"]);
  });
});

function waitInVain(askedAt: number, at: number): JournalEvent[] {
  const of = { claim: "b#1", name: "arm" };
  return [
    { kind: "claim-asked", ...of, at: askedAt },
    { kind: "claim-refused", ...of, code: "wait-timeout", askedAt, at },
  ];
}

function finished(at: number): JournalEvent {
  return { kind: "finished", at };
}

function askedOnly(increment: string): JournalEvent[] {
  return [{ kind: "increment-asked", counter: "jobs", increment, at: 1 }];
}

function acknowledged(increment: string): JournalEvent[] {
  return [...askedOnly(increment), { kind: "increment-acknowledged", counter: "jobs", increment, at: 2 }];
}

function unknown(increment: string): JournalEvent[] {
  return [
    ...askedOnly(increment),
    { kind: "increment-unknown", counter: "jobs", increment, code: "outcome-unknown", at: 2 },
  ];
}

function refused(increment: string): JournalEvent[] {
  return [...askedOnly(increment), { kind: "increment-refused", counter: "jobs", increment, code: "busy", at: 2 }];
}
