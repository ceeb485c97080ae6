import { isatty } from "node:tty";
import { systemClock } from "../platform/clock.js";
import { fitToWidth } from "./display-width.js";
import { widthOf } from "./terminal.js";

/** What is over by then needs none. */
const PATIENCE_MS = 1_000;
const INTERVAL_MS = 100;

/** What is done, and of what. */
type Step = readonly [what: string, unit: string];

/**
 * Shows on a terminal, by one line of standard error, how far `work` is when it takes long. The line is gone before
 * anything else is written.
 *
 * @param what the start of the line: "Reading"
 * @param work is given what it calls with the number of entries that are done, and where it has several steps, which
 */
export async function withProgress<T>(
  what: string,
  work: (onProgress: (done: number, step?: Step) => void) => Promise<T>,
): Promise<T> {
  if (!isatty(2) || process.env["TERM"] === "dumb") return work(() => {});
  let isShown = false;
  let nextAt = systemClock.monotonicMs() + PATIENCE_MS;
  try {
    return await work((done, step = [what, "names"]) => {
      const now = systemClock.monotonicMs();
      if (now < nextAt) return;
      nextAt = now + INTERVAL_MS;
      isShown = true;
      // The last cell stays free: a cursor behind it may stand in the next line.
      const line = fitToWidth(`${step[0]}: ${done} ${step[1]}`, widthOf(process.stderr) - 1);
      process.stderr.write(`\r${line}${ERASE_TO_END}`);
    });
  } finally {
    if (isShown) process.stderr.write(`\r${ERASE_TO_END}`);
  }
}

const ERASE_TO_END = "\u001b[K";
