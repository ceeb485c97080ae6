/**
 * Two clocks, never mixed (docs/glossary.md).
 *
 * Wall time is for people and for the file that Python reads; it may step at any moment. Monotonic time is for
 * decisions: it counts suspended time (CLOCK_BOOTTIME and its kin), never steps, and on one machine is the same number
 * in every process since boot.
 */
declare const wall: unique symbol;
declare const monotonic: unique symbol;

/** Milliseconds since the Unix epoch. May carry a fraction: Python writes microseconds. */
export type WallMs = number & { readonly [wall]: true };

/** Milliseconds since an arbitrary origin that all processes of one boot share. */
export type MonotonicMs = number & { readonly [monotonic]: true };

/** A timer that was set. Cancelling twice is fine. */
export interface Timer {
  cancel(): void;
}

/** Time is passed in, so that rules are pure and tests advance it instead of sleeping. */
export interface Clock {
  wallMs(): WallMs;
  monotonicMs(): MonotonicMs;
  /**
   * Calls `callback` once, `delayMs` from now. A `background` timer never keeps the process alive by itself.
   */
  setTimer(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): Timer;
}

export function wallMs(value: number): WallMs {
  return value as WallMs;
}

export function monotonicMs(value: number): MonotonicMs {
  return value as MonotonicMs;
}

/** `at + ms` on the same clock. */
export function later<T extends WallMs | MonotonicMs>(at: T, ms: number): T {
  return (at + ms) as T;
}

/** A moment as messages tell it: UTC, to the millisecond. */
export function isoTime(at: WallMs): string {
  return new Date(at).toISOString();
}
