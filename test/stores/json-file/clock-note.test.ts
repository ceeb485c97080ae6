import { describe, expect, it } from "vitest";
import { later, monotonicMs, wallMs } from "../../../src/core/timing.js";
import {
  type ClockReading,
  isClockTrusted,
  noteClock,
  restartedNote,
} from "../../../src/stores/json-file/clock-note.js";

const BOOT: ClockReading = { bootId: "this boot", wall: wallMs(1_800_000_000_000), monotonic: monotonicMs(50_000) };
const NOTE = restartedNote(BOOT);

describe("the note about the clock", () => {
  it("stays as it is while the wall clock runs with the boot clock, or is slewed a little", () => {
    expect(noteClock(NOTE, after(3_600_000))).toBe(NOTE);
    expect(noteClock(NOTE, after(3_600_000, 249))).toBe(NOTE);
    expect(noteClock(NOTE, after(3_600_000, -249))).toBe(NOTE);
  });

  it.each([
    ["a step forward", after(1_000, 3_600_000)],
    ["a step back", after(1_000, -3_600_000)],
    ["a small step", after(1_000, 300)],
    ["another boot", { ...after(1_000), bootId: "another boot" }],
  ])("begins anew after %s", (_, reading) => {
    const note = noteClock(NOTE, reading);
    expect(note).toEqual({
      bootId: reading.bootId,
      offsetMs: reading.wall - reading.monotonic,
      since: reading.monotonic,
    });
  });

  it("begins with the first reading", () => {
    expect(noteClock(null, BOOT)).toEqual(NOTE);
  });
});

describe("the wall clock is trusted about a lock", () => {
  it("that was written while the clock has run as noted [G6]", () => {
    expect(isClockTrusted(NOTE, after(60_000), wallAfter(0))).toBe(true);
    expect(isClockTrusted(NOTE, after(60_000), wallAfter(59_999))).toBe(true);
  });

  it.each([
    ["there is no note", null, after(60_000), wallAfter(30_000)],
    ["the note is of another boot", { ...NOTE, bootId: "another boot" }, after(60_000), wallAfter(30_000)],
    ["the lock was written before the note", NOTE, after(60_000), wallAfter(-1)],
    ["the clock was stepped forward since", NOTE, after(60_000, 3_600_000), wallAfter(30_000)],
    ["the clock was stepped back since", NOTE, after(60_000, -3_600_000), wallAfter(30_000)],
    ["the lock is dated after now", NOTE, after(60_000), wallAfter(61_000)],
    [
      "this platform tells no boots apart",
      { ...NOTE, bootId: "" },
      { ...after(60_000), bootId: "" },
      wallAfter(30_000),
    ],
  ])("but not when %s [G7]", (_, note, reading, writtenAt) => {
    expect(isClockTrusted(note, reading, writtenAt)).toBe(false);
  });
});

it("a lock that is written in the very turn that began the note can be judged by the clock later, whatever the rounding [G6]", () => {
  for (let index = 1; index <= 200; index += 1) {
    const reading = { ...BOOT, monotonic: later(BOOT.monotonic, index * 0.137) };
    const note = restartedNote(reading);
    expect(isClockTrusted(note, { ...reading, wall: later(reading.wall, 5) }, reading.wall)).toBe(true);
  }
});

/** A reading so long after the first, with the wall clock stepped in between. */
function after(ms: number, steppedMs = 0): ClockReading {
  return { ...BOOT, wall: later(BOOT.wall, ms + steppedMs), monotonic: later(BOOT.monotonic, ms) };
}

function wallAfter(ms: number) {
  return later(BOOT.wall, ms);
}
