import { type Clock, later, type MonotonicMs, type WallMs } from "../../../src/core/timing.js";
import { systemClock } from "../../../src/platform/clock.js";

/** The machine's clocks, moved by a test. Timers run by the machine's: what really waits, waits. */
export class ShiftedClock implements Clock {
  readonly setTimer = systemClock.setTimer;
  #wallShiftMs = 0;
  #monotonicShiftMs = 0;

  wallMs(): WallMs {
    return later(systemClock.wallMs(), this.#wallShiftMs);
  }

  monotonicMs(): MonotonicMs {
    return later(systemClock.monotonicMs(), this.#monotonicShiftMs);
  }

  /** So much time passes, on both clocks. */
  pass(ms: number): void {
    this.#wallShiftMs += ms;
    this.#monotonicShiftMs += ms;
  }

  /** The wall clock is set, as by an operator. */
  stepWall(ms: number): void {
    this.#wallShiftMs += ms;
  }
}
