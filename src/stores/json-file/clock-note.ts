/**
 * Whether the wall clock can be trusted to say that a lock has expired: the distance between the wall clock and the
 * boot clock is noted beside the registry by whoever changes it, with the moment since when it has been so.
 *
 * @see docs/SPEC.md#G7
 * @see docs/adr/0004-expiry-without-a-trusted-clock.md
 */
import type { MonotonicMs, WallMs } from "../../core/timing.js";

export interface ClockNote {
  readonly bootId: string;
  /** Wall clock less boot clock. */
  readonly offsetMs: number;
  /** Since when, on the boot clock, the distance has been this. */
  readonly since: MonotonicMs;
}

export interface ClockReading {
  readonly bootId: string;
  readonly wall: WallMs;
  readonly monotonic: MonotonicMs;
}

/** A clock that is only being slewed (at most 0.5 ms a second) moves less than this while a lock lives. */
const STEP_MS = 250;
/** What was written in the very turn that began the note must not read as before it for the rounding of a sum. */
const ROUNDING_MS = 0.01;

/** @returns the note itself while the clock runs on as noted */
export function noteClock(note: ClockNote | null, reading: ClockReading): ClockNote {
  if (note !== null && runsAsNoted(note, reading)) return note;
  return restartedNote(reading);
}

/** From now on, nothing that was written earlier is judged by the wall clock. */
export function restartedNote(reading: ClockReading): ClockNote {
  return { bootId: reading.bootId, offsetMs: offsetOf(reading), since: reading.monotonic };
}

/** Whether the wall clock has run steadily from before `writtenAt` until now. */
export function isClockTrusted(note: ClockNote | null, reading: ClockReading, writtenAt: WallMs): boolean {
  if (note === null || !runsAsNoted(note, reading)) return false;
  const writtenOnBootClock = writtenAt - note.offsetMs;
  return writtenOnBootClock >= note.since - ROUNDING_MS && writtenAt <= reading.wall + STEP_MS;
}

function runsAsNoted(note: ClockNote, reading: ClockReading): boolean {
  return (
    note.bootId === reading.bootId && reading.bootId !== "" && Math.abs(offsetOf(reading) - note.offsetMs) <= STEP_MS
  );
}

function offsetOf(reading: ClockReading): number {
  return reading.wall - reading.monotonic;
}
