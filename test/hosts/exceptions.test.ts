import { describe, expect, it } from "vitest";
import type { History, Violation } from "../chaos/history.ts";
import type { JournalEvent } from "../chaos/journal.ts";
import { HOLD_BACK_MS, isExcepted, withLostAcknowledgements } from "./exceptions.ts";

const FAIL_OVERS = [{ lostSinceAt: 1_000, doneAt: 2_000 }];

describe("what a failover excepts", () => {
  it("excepts an identity that was first told while the replica was behind, and none that was told before", () => {
    expect(isExcepted(violation("G1", 1_500), history([]), FAIL_OVERS)).toBe(true);
    expect(isExcepted(violation("G1", 999), history([]), FAIL_OVERS)).toBe(false);
    expect(isExcepted(violation("G1", 2_001), history([]), FAIL_OVERS)).toBe(false);
  });

  it("excepts a wait in vain only while names are held back", () => {
    const heldBackUntil = 2_000 + HOLD_BACK_MS + 2 * history([]).ttlMs;
    expect(isExcepted(violation("G6", heldBackUntil), history([]), FAIL_OVERS)).toBe(true);
    expect(isExcepted(violation("G6", heldBackUntil + 1), history([]), FAIL_OVERS)).toBe(false);
  });

  it.each(["G2", "G3", "G4", "G5", "G7", "G9", "journal"] as const)("excepts nothing of %s", (guarantee) => {
    expect(isExcepted(violation(guarantee, 1_500), history([]), FAIL_OVERS)).toBe(false);
  });

  it("excepts nothing where there was no failover", () => {
    expect(isExcepted(violation("G1", 1_500), history([]), [])).toBe(false);
    expect(isExcepted(violation("G6", 1_500), history([]), [])).toBe(false);
  });

  it("counts an acknowledged increment as unknown while the replica was behind", () => {
    const acknowledged = (at: number): JournalEvent => ({
      ...{ kind: "increment-acknowledged", counter: "arm 0.1/0", increment: `0.1/0#${at}`, at },
    });
    const events = [acknowledged(999), acknowledged(1_500), acknowledged(2_001)];
    const kinds = withLostAcknowledgements(history(events), FAIL_OVERS).journals.flatMap((journal) =>
      journal.events.map((event) => event.kind),
    );
    expect(kinds).toEqual(["increment-acknowledged", "increment-unknown", "increment-acknowledged"]);
  });
});

function violation(guarantee: Violation["guarantee"], at: number): Violation {
  return { guarantee, message: "for this test", evidence: [undefined, { kind: "claim-granted", at }] };
}

function history(events: readonly JournalEvent[]): History {
  return {
    journals: [{ process: "0.1", events }],
    faults: [],
    resource: [],
    final: { ids: new Map(), counters: new Map() },
    names: [],
    ttlMs: 3_000,
    faultsEndedAt: 0,
    livenessBoundMs: 0,
  };
}
