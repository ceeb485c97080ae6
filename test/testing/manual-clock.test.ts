import { describe, expect, it } from "vitest";
import { ManualClock } from "../../src/testing/manual-clock.js";

describe("a manual clock", () => {
  it("stands still until it is advanced, and then runs both of its clocks", async () => {
    const clock = new ManualClock({ wallMs: 1_000, monotonicMs: 5 });
    await clock.settle();
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([1_000, 5]);
    await clock.advance(10);
    expect([clock.wallMs(), clock.monotonicMs()]).toEqual([1_010, 15]);
  });

  it("steps the wall clock alone, and fires nothing by that", async () => {
    const clock = new ManualClock({ wallMs: 1_000, monotonicMs: 5 });
    const fired: string[] = [];
    clock.setTimer(10, () => fired.push("timer"));
    clock.stepWall(-3_600_000);
    clock.stepWall(60_000);
    await clock.settle();
    expect([clock.wallMs(), clock.monotonicMs(), fired]).toEqual([1_000 - 3_540_000, 5, []]);
  });

  it("fires timers in the order in which they are due, each at its moment, then in the order of setting", async () => {
    const clock = new ManualClock({ monotonicMs: 0 });
    const fired: [string, number][] = [];
    const set = (name: string, delayMs: number) =>
      clock.setTimer(delayMs, () => fired.push([name, clock.monotonicMs()]));
    set("late", 30);
    set("early", 10);
    set("same, first", 20);
    set("same, second", 20);
    set("never", 31);
    await clock.advance(30);
    expect(fired).toEqual([
      ["early", 10],
      ["same, first", 20],
      ["same, second", 20],
      ["late", 30],
    ]);
    expect(clock.timersPending).toBe(1);
  });

  it("fires timers that were set on the way, and lets promises settle between them", async () => {
    const clock = new ManualClock({ monotonicMs: 0 });
    const beats: number[] = [];
    const beat = async (): Promise<void> => {
      await Promise.resolve();
      beats.push(clock.monotonicMs());
      clock.setTimer(10, () => void beat());
    };
    clock.setTimer(10, () => void beat());
    await clock.advance(35);
    expect(beats).toEqual([10, 20, 30]);
  });

  it("does not fire a timer that was cancelled, twice or at the last moment", async () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const victim = clock.setTimer(20, () => fired.push("victim"));
    clock.setTimer(10, () => victim.cancel());
    await clock.advance(30);
    victim.cancel();
    expect([fired, clock.timersPending]).toEqual([[], 0]);
  });
});
