import type { RegistryEntry } from "../../../core/entry.js";
import { isNameholdError } from "../../../core/errors.js";
import type { Check, FixableFinding } from "../../../core/finding.js";
import { quoteName } from "../../../core/name.js";
import { readEntry } from "../../../core/text/entry-text.js";
import type { WallMs } from "../../../core/timing.js";
import { isClockTrusted } from "../clock-note.js";
import { type Examination, soundDocument } from "./examination.js";

/** Whether the wall clock can be believed, by which Python judges locks. */
export const clockCheck: Check<Examination> = {
  check: "clock",
  title: "Clock",
  examine: (examination) => ({
    looked: steadiness(examination),
    findings: [...stepped(examination), ...future(examination)],
  }),
};

function noteOf({ sidecar, reading }: Examination) {
  const note = sidecar.kind === "read" ? sidecar.it?.clock : undefined;
  return note?.bootId === reading.bootId ? note : undefined;
}

function steadiness(examination: Examination): string {
  const { reading } = examination;
  const note = noteOf(examination);
  if (note === undefined) return "not noted yet since the machine started";
  if (!isClockTrusted(note, reading, reading.wall)) return "was stepped";
  return `steady for ${durationText(reading.monotonic - note.since)}`;
}

function stepped(examination: Examination): readonly FixableFinding[] {
  const { reading } = examination;
  const note = noteOf(examination);
  if (note === undefined || isClockTrusted(note, reading, reading.wall)) return [];
  const byMs = reading.wall - reading.monotonic - note.offsetMs;
  return [
    {
      code: "clock.stepped",
      severity: "warning",
      what: `The wall clock was set ${byMs > 0 ? "forward" : "back"} by ${durationText(Math.abs(byMs))} since the registry was last changed.`,
      means: `${byMs > 0 ? "Python may have taken names from living holders, whose locks seemed over." : "To Python, the locks of dead holders last longer by that."} namehold judges by other clocks; it watches a Python lock for its TTL (30 s) before it takes it.`,
      remedy: "See why, and have the time kept by a service that slews it: timedatectl; chronyc tracking",
    },
  ];
}

/** Clocks of one machine and of well-kept ones differ by less. */
const AHEAD_MS = 5_000;
const SHOWN_MAX = 5;

function future(examination: Examination): readonly FixableFinding[] {
  const { wall } = examination.reading;
  const ahead = entriesOf(examination).flatMap(({ name, entry }) => {
    const latest = Math.max(entry.lastSeen, entry.lock?.heartbeatAt ?? 0);
    return latest > wall + AHEAD_MS ? [{ name, aheadMs: latest - wall, isLocked: entry.lock !== null }] : [];
  });
  if (ahead.length === 0) return [];
  const shown = ahead.slice(0, SHOWN_MAX).map(({ name, aheadMs }) => `${quoteName(name)} by ${durationText(aheadMs)}`);
  return [
    {
      code: "clock.future",
      severity: "warning",
      what: `Last signs of life lie in the future: ${shown.join(", ")}${ahead.length > SHOWN_MAX ? ` and ${ahead.length - SHOWN_MAX} more` : ""}.`,
      means: `This machine's clock was set back, or another machine with a clock ahead has written.${ahead.some(({ isLocked }) => isLocked) ? " Until then, Python holds these locks for live ones, whether their holders live or not." : ""}`,
      remedy: `Compare the clocks of the machines that use this registry: date -u; timedatectl. A lock whose holder is gone: namehold release NAME ${examination.option}`,
    },
  ];
}

function entriesOf(examination: Examination): readonly { readonly name: string; readonly entry: RegistryEntry }[] {
  const document = soundDocument(examination);
  if (document === undefined) return [];
  return [...document.names()].flatMap((name) => {
    const entry = readableEntry(document.entryText(name) ?? "", examination.reading.wall);
    return entry === undefined ? [] : [{ name, entry }];
  });
}

/** One that is no entry is a finding of another check. */
function readableEntry(text: string, now: WallMs): RegistryEntry | undefined {
  try {
    return readEntry(text, now);
  } catch (error) {
    if (isNameholdError(error, "damaged")) return undefined;
    throw error;
  }
}

export function durationText(ms: number): string {
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 2 * HOUR_MS) return `${Math.round(ms / 60_000)} min`;
  return ms < 48 * HOUR_MS ? `${Math.round(ms / HOUR_MS)} h` : `${Math.round(ms / (24 * HOUR_MS))} days`;
}

const HOUR_MS = 3_600_000;
