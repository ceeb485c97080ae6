/** Moments as people at a bench write them, and as they read them. */
import { InvalidArgumentError } from "commander";
import { type WallMs, wallMs } from "../core/timing.js";
import { parseTimeSpan } from "./duration.js";
import { displayTime } from "./output.js";

/**
 * A moment as exact as it was given: `02:13` is a whole minute. `from` is its first millisecond and `to` its last, which
 * is no later than now.
 */
export interface Moment {
  readonly from: WallMs;
  readonly to: WallMs;
}

/**
 * The moment meant by `02:13` or `02:13:20` (the last such local time), `2026-11-23T02:13Z` (without a zone: local), `-15m`
 * or `15m ago`.
 *
 * @throws InvalidArgumentError for anything else, and for a moment that is still to come, or before 1970
 */
export function parseMoment(text: string, now: WallMs): Moment {
  const ago = timeAgo(text, now);
  const from = ago ?? clockTime(text, now) ?? dateAndTime(text);
  if (from === undefined) {
    throw new InvalidArgumentError(
      "Write a local time (02:13, 02:13:20), a date and time (2026-11-23T02:13Z; local without the zone), or how long ago (-15m, -30d).",
    );
  }
  if (from < 0) throw new InvalidArgumentError("That is before 1970.");
  if (from > now) throw new InvalidArgumentError(`That is ${describeMoment(from)}: still to come.`);
  return { from, to: wallMs(Math.min(from + (ago === undefined ? unsaidMs(text) : 0), now)) };
}

/** Local time with its zone, and the same in UTC, in which all other times are shown. */
export function describeMoment(at: WallMs): string {
  const date = new Date(at);
  const offsetMinutes = -date.getTimezoneOffset();
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  if (offsetMinutes === 0) return displayTime(at);
  const local = new Date(at + offsetMinutes * 60_000).toISOString();
  const offset = new Date(Math.abs(offsetMinutes) * 60_000).toISOString().slice(11, 16);
  const zone = `${timeZone}, UTC${offsetMinutes < 0 ? "-" : "+"}${offset}`;
  return `${local.slice(0, 10)} ${local.slice(11, 19)} (${zone}), ${displayTime(at)}`;
}

function timeAgo(text: string, now: WallMs): WallMs | undefined {
  const [, minus, ago] = /^(?:-(\S+)|(\S+) ago)$/.exec(text) ?? [];
  const duration = minus ?? ago;
  return duration === undefined ? undefined : wallMs(now - parseTimeSpan(duration));
}

/** What a time of the clock leaves open: `02:13` is no moment but a minute, whose last millisecond is so much later. */
function unsaidMs(text: string): number {
  const [, seconds, fraction = ""] = /:\d{2}(?::(\d{2})(?:\.(\d+))?)?(?:Z|[+-]\d{2}:?\d{2})?$/.exec(text) ?? [];
  return (seconds === undefined ? 60_000 : 1_000 / 10 ** fraction.length) - 1;
}

function clockTime(text: string, now: WallMs): WallMs | undefined {
  const [, hours, minutes, seconds = "0"] = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text) ?? [];
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59 || minutes === undefined) return undefined;
  const at = new Date(now);
  at.setHours(Number(hours), Number(minutes), Number(seconds), 0);
  if (at.getTime() > now) at.setDate(at.getDate() - 1);
  return wallMs(at.getTime());
}

const DATE_AND_TIME = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2}(?:\.\d{1,3})?))?(Z|[+-]\d{2}:?\d{2})?$/;

function dateAndTime(text: string): WallMs | undefined {
  const [, date = "", time = "", seconds = "00", zone = ""] = DATE_AND_TIME.exec(text) ?? [];
  const utcMs = Date.parse(`${date}T${time}:${seconds}Z`);
  // What is no date at all, and what JavaScript takes for one of the next month.
  if (Number.isNaN(utcMs) || !new Date(utcMs).toISOString().startsWith(`${date}T${time}`)) return undefined;
  const zoned = zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
  const ms = Date.parse(`${date}T${time}:${seconds}${zoned}`);
  return Number.isNaN(ms) ? undefined : wallMs(ms);
}
