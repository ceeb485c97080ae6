import { later, type MonotonicMs } from "../../core/timing.js";

/** When a command must be told to end, and when it must be ended, so that it is gone before its name can be taken. */
export interface StopTimes {
  /** The renew deadline: SIGTERM. */
  readonly termAt: MonotonicMs;
  /** SIGKILL: what is left of the hold is enough to see the processes gone. */
  readonly killAt: MonotonicMs;
}

/** What the command has between SIGTERM and SIGKILL: long enough that two heartbeats may fail before it is told. */
const NOTICE_PER_TTL = 1 / 4;
const KILL_PER_TTL = 1 / 20;
const KILL_MS_MAX = 1_000;
const TICK_MS_MAX = 1_000;

/**
 * @param deadline the holder's own, which comes before anybody could take over
 * @see docs/SPEC.md#G4
 */
export function stopTimes(deadline: MonotonicMs, ttlMs: number): StopTimes {
  return {
    termAt: later(deadline, -ttlMs * NOTICE_PER_TTL),
    killAt: later(deadline, -Math.min(ttlMs * KILL_PER_TTL, KILL_MS_MAX)),
  };
}

/** How often clocks are compared: timers stand still while the machine sleeps, deadlines do not. */
export function tickMs(ttlMs: number): number {
  return Math.min(TICK_MS_MAX, ttlMs / 20);
}
