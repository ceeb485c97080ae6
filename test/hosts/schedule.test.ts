import { describe, expect, it } from "vitest";
import { SeededRandom } from "../chaos/seeded-random.ts";
import { type OutageScheduleOptions, type PlannedOutage, planOutages } from "./schedule.ts";

const OPTIONS: OutageScheduleOptions = {
  hosts: ["a", "b", "c", "d"],
  forMs: 600_000,
  ttlMs: 3_000,
  stepsClocks: true,
  failOversAtMs: [180_000, 240_000],
};

describe("the schedule of outages", () => {
  it("is the same for the same seed, and another for another", () => {
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  it("leaves the store whole in the first part, and has one outage at a time", () => {
    let freeAt = 0.2 * OPTIONS.forMs;
    for (const { atMs, forMs } of plan(1)) {
      expect(atMs).toBeGreaterThanOrEqual(freeAt);
      freeAt = atMs + forMs;
    }
  });

  it("has every kind of outage in a long run, and a failover for each that was asked for", () => {
    const kinds = Map.groupBy(plan(2), (outage) => outage.kind);
    expect([...kinds.keys()].toSorted()).toEqual(
      [
        ...["all-killed", "cut", "fail-over", "isolate", "lose", "relay"],
        ...["reset", "server-clock", "server-kill", "server-stop", "slow", "split", "unplug"],
      ].toSorted(),
    );
    expect(kinds.get("fail-over")).toHaveLength(OPTIONS.failOversAtMs.length);
  });

  it("leaves out failovers and clock steps where none are asked for", () => {
    const outages = planOutages(new SeededRandom(3), { ...OPTIONS, failOversAtMs: [], stepsClocks: false });
    expect(outages.filter(({ kind }) => kind === "fail-over" || kind === "server-clock")).toEqual([]);
  });
});

function plan(seed: number): PlannedOutage[] {
  return planOutages(new SeededRandom(seed), OPTIONS);
}
