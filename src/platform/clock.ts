import { readFileSync } from "node:fs";
import { NameholdError } from "../core/errors.js";
import { type Clock, type MonotonicMs, monotonicMs, type Timer, wallMs } from "../core/timing.js";
import { libc } from "./libc.js";

/**
 * The machine's clocks.
 *
 * `monotonicMs` counts suspended time and is one scale for all processes of one boot: CLOCK_BOOTTIME on Linux,
 * CLOCK_MONOTONIC_RAW (`mach_continuous_time`) on macOS. A Linux time namespace shifts it: compare readings of
 * different processes only within one (see presence-record.ts).
 *
 * Timers do not count suspended time. They wake the process up; what is true then is for `monotonicMs` to say.
 *
 * @throws NameholdError `unsupported` from `monotonicMs` where there is no such clock.
 * @see docs/SPEC.md#G4
 */
export const systemClock: Clock = {
  wallMs: () => wallMs(Date.now()),
  monotonicMs: readBootClock,
  setTimer,
};

/**
 * What tells one boot of the machine from another.
 *
 * @returns the kernel's random id of this boot; `""` where the platform tells none: never equal to another's
 */
export function bootId(): string {
  cachedBootId ??= readBootId();
  return cachedBootId;
}

const CLOCK_BOOTTIME_LINUX = 7;
const CLOCK_MONOTONIC_RAW_DARWIN = 4;
const BOOT_CLOCK = process.platform === "darwin" ? CLOCK_MONOTONIC_RAW_DARWIN : CLOCK_BOOTTIME_LINUX;
/** setTimeout takes more for 1 ms. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;

let cachedBootId: string | undefined;
/** Seconds and nanoseconds, reused by every reading. */
let timespec: BigInt64Array | Int32Array | undefined;

function readBootClock(): MonotonicMs {
  const c = libc();
  timespec ??= c.longBytes === 8 ? new BigInt64Array(2) : new Int32Array(2);
  if (c.clockGettime(BOOT_CLOCK, timespec) !== 0) {
    throw new NameholdError("unsupported", `The clock that counts suspended time cannot be read: ${c.errnoName()}.`);
  }
  return monotonicMs(Number(timespec[0]) * 1e3 + Number(timespec[1]) / 1e6);
}

function readBootId(): string {
  if (process.platform !== "linux") return "";
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

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
