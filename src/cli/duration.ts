import { InvalidArgumentError } from "commander";

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** Longer delays than this overflow the timers of JavaScript. */
const DURATION_MS_MAX = 2 ** 31 - 1;

/**
 * Milliseconds of `500ms`, `60s`, `1.5m`, `1h`, `2d`, as long as a timer can wait. A number without a unit is refused: half of the world means seconds by
 * it, the other half milliseconds.
 *
 * @throws InvalidArgumentError
 */
export function parseDuration(text: string): number {
  const ms = parseTimeSpan(text);
  if (ms > DURATION_MS_MAX) throw new InvalidArgumentError("At most 596h.");
  return ms;
}

/** As `parseDuration`, of any length. @throws InvalidArgumentError */
export function parseTimeSpan(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Write a number and a unit: 500ms, 60s, 5m, 1h or 2d.");
  const [, number, unit] = match;
  if (unit === undefined)
    throw new InvalidArgumentError(`Add a unit: ${number}s for seconds, ${number}ms for milliseconds.`);
  return Math.round(Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS]);
}
