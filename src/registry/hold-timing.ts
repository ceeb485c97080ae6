import { NameholdError } from "../core/errors.js";

/** Longer delays than this overflow the timers of JavaScript. */
const MS_MAX = 24 * 60 * 60 * 1000;
const HEARTBEATS_PER_TTL_MIN = 2;
/** The part of the TTL that the holder gives up, so that it has ended before anybody can take over. */
const MARGIN_PER_TTL = 1 / 20;
const RETRIES_PER_TTL = 15;

/** The times of a holder, in milliseconds, with their relations checked. */
export interface HoldTiming {
  readonly lockTtlMs: number;
  readonly heartbeatIntervalMs: number;
  /** How long a holder believes in its lock, from before the last successful refresh was sent: the TTL less a margin. */
  readonly holdMs: number;
  /** How soon a failed refresh is tried again. */
  readonly retryMs: number;
}

/**
 * @throws NameholdError `invalid-input` when a time is no positive whole number of milliseconds, or too large, or a
 *   heartbeat does not fit at least twice into the TTL
 */
export function holdTiming(lockTtlMs: number, heartbeatIntervalMs: number): HoldTiming {
  checkMs("lockTtlMs", lockTtlMs);
  checkMs("heartbeatIntervalMs", heartbeatIntervalMs);
  if (heartbeatIntervalMs * HEARTBEATS_PER_TTL_MIN > lockTtlMs) {
    throw new NameholdError(
      "invalid-input",
      `heartbeatIntervalMs (${heartbeatIntervalMs}) must fit at least ${HEARTBEATS_PER_TTL_MIN} times into lockTtlMs (${lockTtlMs}), ` +
        "so that one failed refresh does not lose the lock. A third of it is usual.",
    );
  }
  return {
    lockTtlMs,
    heartbeatIntervalMs,
    holdMs: lockTtlMs * (1 - MARGIN_PER_TTL),
    retryMs: Math.min(heartbeatIntervalMs, Math.max(1, lockTtlMs / RETRIES_PER_TTL)),
  };
}

/** @throws NameholdError `invalid-input` when `value` is no whole number of milliseconds from 1 to a day */
export function checkMs(what: string, value: unknown): void {
  if (typeof value === "number" && Number.isInteger(value) && value > 0 && value <= MS_MAX) return;
  throw new NameholdError(
    "invalid-input",
    `${what} must be a whole number of milliseconds from 1 to ${MS_MAX} (one day), not ${String(value)}.`,
  );
}
