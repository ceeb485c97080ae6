import koffi from "koffi";

const CLOCK_BOOTTIME = 7;

const clockGetTime = koffi.load("libc.so.6").func("int clock_gettime(int clock, _Out_ int64_t *time)");
/** Seconds and nanoseconds, reused by every reading. */
const time = new BigInt64Array(2);

/**
 * CLOCK_BOOTTIME in milliseconds: one scale for all processes, untouched by clock steps. Read here anew, since journals
 * on the library's own clock could not convict it. Loaded by name, so that libfaketime does not come between.
 */
export function bootClockMs(): number {
  if (clockGetTime(CLOCK_BOOTTIME, time) !== 0) throw new Error("CLOCK_BOOTTIME cannot be read");
  return Number(time[0]) * 1e3 + Number(time[1]) / 1e6;
}
