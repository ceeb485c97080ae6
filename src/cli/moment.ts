/** Moments as people at a bench write them, and as they read them. */
import { InvalidArgumentError } from "commander";
import { type WallMs, wallMs } from "../core/timing.js";
import { parseDuration } from "./duration.js";
import { displayTime } from "./output.js";

/**
 * The moment meant by `02:13` or `02:13:20` (the last such local time), `2026-11-23T02:13Z` (without a zone: local), `-15m`
 * or `15m ago`.
 *
 * @throws InvalidArgumentError for anything else, and for a moment that is still to come
 */
export function parseMoment(text: string, now: WallMs): WallMs {
  const at = timeAgo(text, now) ?? clockTime(text, now) ?? dateAndTime(text);
  if (at === undefined) {
    throw new InvalidArgumentError(
      "Write a local time (02:13, 02:13:20), a date and time (2026-11-23T02:13Z; local without the zone), or how long ago (-15m).",
    );
  }
  if (at > now) throw new InvalidArgumentError(`That is ${describeMoment(at)}: still to come.`);
  return at;
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
  return duration === undefined ? undefined : wallMs(now - parseDuration(duration));
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
