import { describe, expect, it } from "vitest";
import type { History } from "../chaos/history.ts";
import type { JournalEvent } from "../chaos/journal.ts";
import { checkIsolation } from "./check-isolation.ts";

const ISOLATIONS = [{ hosts: ["d"], fromAt: 1_000, untilAt: 5_000 }];

describe("the checker of what is told to those who are cut off", () => {
  it("convicts a grant that was asked for and answered while cut off [G2]", () => {
    expect(found([granted(1_100, 1_200)])).toEqual(["G2"]);
  });

  it("convicts a name that is told to be held while cut off [G11]", () => {
    expect(found([refused("held", 1_100, 1_200)])).toEqual(["G11"]);
  });

  it("convicts a claim that takes long, unless its process was stopped [G12]", () => {
    const late = [refused("unreachable", 1_100, 30_000)];
    expect(found(late)).toEqual(["G12"]);
    expect(found(late, [{ kind: "stop", target: "3.1", fromAt: 2_000, untilAt: 8_000 }])).toEqual([]);
  });

  it("lets pass what was asked before, or answered after, or on another host", () => {
    expect(found([granted(900, 1_200), refused("held", 900, 1_300), refused("held", 4_900, 5_001)])).toEqual([]);
    expect(found([granted(1_100, 1_200)], [], "a")).toEqual([]);
  });

  it("lets pass a failure to ask, and a name that the process holds itself", () => {
    expect(found([refused("unreachable", 1_100, 1_200)])).toEqual([]);
    expect(found([granted(800, 900), refused("held", 1_100, 1_200)])).toEqual([]);
  });
});

function found(events: readonly JournalEvent[], faults: History["faults"] = [], host = "d"): string[] {
  const history: History = {
    journals: [{ process: "3.1", events }],
    faults,
    resource: [],
    final: { ids: new Map(), counters: new Map() },
    names: ["arm"],
    ttlMs: 3_000,
    faultsEndedAt: 0,
    livenessBoundMs: 0,
  };
  return checkIsolation(history, ISOLATIONS, () => host).map(({ guarantee }) => guarantee);
}

function granted(askedAt: number, at: number): JournalEvent {
  return { kind: "claim-granted", claim: `3.1/0#${askedAt}`, name: "arm", id: "01J", token: askedAt, askedAt, at };
}

function refused(code: string, askedAt: number, at: number): JournalEvent {
  return { kind: "claim-refused", claim: `3.1/0#${askedAt}`, name: "arm", code, askedAt, at };
}
