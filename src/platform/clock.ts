import { type Clock, monotonicMs, type Timer, wallMs } from "../core/timing.js";
import { host } from "./host.js";

/**
 * The machine's clocks.
 *
 * `monotonicMs` counts suspended time and is one scale for all processes of one boot: CLOCK_BOOTTIME on Linux,
 * CLOCK_MONOTONIC_RAW (`mach_continuous_time`) on macOS, the interrupt time on Windows. A Linux time namespace shifts it:
 * compare readings of different processes only within one (see presence-record.ts).
 *
 * Timers do not count suspended time. They wake the process up; what is true then is for `monotonicMs` to say.
 *
 * @throws NameholdError `unsupported` from `monotonicMs` where there is no such clock.
 * @see docs/SPEC.md#G4
 */
export const systemClock: Clock = {
  wallMs: () => wallMs(Date.now()),
  monotonicMs: () => monotonicMs(host().clock.bootMs()),
  setTimer,
};

/**
 * What tells one boot of the machine from another.
 *
 * @returns `""` where the platform tells none: never equal to another's
 */
export function bootId(): string {
  cachedBootId ??= host().clock.bootId();
  return cachedBootId;
}

/** setTimeout takes more for 1 ms. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

let cachedBootId: string | undefined;

function setTimer(delayMs: number, callback: () => void, options: { readonly background?: boolean } = {}): Timer {
  let timeout: NodeJS.Timeout;
  function arm(remainingMs: number): void {
    timeout =
      remainingMs > TIMEOUT_MAX_MS
        ? setTimeout(() => arm(remainingMs - TIMEOUT_MAX_MS), TIMEOUT_MAX_MS)
        : setTimeout(callback, remainingMs);
    if (options.background === true) timeout.unref();
  }
  arm(Math.max(0, delayMs));
  return { cancel: () => clearTimeout(timeout) };
}
