import { NameholdError } from "../errors.js";
import { type WallMs, wallMs } from "../timing.js";

/**
 * A datetime as the registry file has it: UTC with `Z` and six digits, `2026-11-23T12:00:00.123000Z`. Never naive: one
 * naive datetime makes Python fail for the whole registry.
 *
 * @throws {NameholdError} `invalid-input` for a time outside the years 1 to 9999, which Python cannot read.
 */
export function formatDatetime(time: WallMs): string {
  const micros = Math.round(time * 1000);
  if (!isInRange(micros / 1000)) {
    throw new NameholdError("invalid-input", `${time} ms is not a time between the years 1 and 9999`);
  }
  const wholeMs = Math.floor(micros / 1000);
  const fraction = String(micros - wholeMs * 1000).padStart(3, "0");
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${fraction}Z`;
}

/**
 * What pydantic reads as a datetime, to the microsecond: ISO 8601 with any offset, with or without a fraction; without
 * an offset it counts as UTC; a date alone is its midnight. Numbers, also as text, are seconds since the epoch, or
 * milliseconds above 2e10. Undefined for everything else.
 */
export function parseDatetime(value: string | number): WallMs | undefined {
  if (typeof value === "number") return parseTimestamp(value);
  if (TIMESTAMP.test(value)) return parseTimestamp(Number(value));
  const match = DATETIME.exec(value);
  return match ? parseParts(match) : undefined;
}

/** Pydantic's watershed between timestamps in seconds and in milliseconds. */
const SECONDS_MAX = 2e10;
const YEAR_1_MS = Date.parse("0001-01-01T00:00:00Z");
const YEAR_10000_MS = Date.parse("+010000-01-01T00:00:00Z");
const MINUTE_MS = 60_000;

const TIMESTAMP = /^[+-]?(?:\d+\.?\d*|\.\d+)$/;
const DATETIME =
  /^(\d{4}-\d\d-\d\d)(?:[Tt _](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?([Zz]|([+\u2212-])([01]\d|2[0-3]):?([0-5]\d))?)?$/;

function parseTimestamp(value: number): WallMs | undefined {
  const microsPerUnit = Math.abs(value) > SECONDS_MAX ? 1000 : 1_000_000;
  const time = Math.round(value * microsPerUnit) / 1000;
  return isInRange(time) ? wallMs(time) : undefined;
}

function parseParts(match: RegExpExecArray): WallMs | undefined {
  const [, date = "", hourMinute = "00:00", second = "00", fraction = "", , sign, offsetHours, offsetMinutes] = match;
  const second0 = `${date}T${hourMinute}:${second}`;
  const wholeMs = Date.parse(`${second0}Z`);
  // Date.parse turns the 30th of February into March and hour 24 into the next day.
  if (!isInRange(wholeMs) || !new Date(wholeMs).toISOString().startsWith(second0)) return undefined;
  const micros = Number(fraction.slice(0, 6).padEnd(6, "0"));
  const offsetMs = (Number(offsetHours ?? 0) * 60 + Number(offsetMinutes ?? 0)) * MINUTE_MS;
  return wallMs(wholeMs - (sign === "+" ? offsetMs : -offsetMs) + micros / 1000);
}

function isInRange(time: number): boolean {
  return time >= YEAR_1_MS && time < YEAR_10000_MS;
}
