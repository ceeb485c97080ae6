/** What is wrong with a registry's entries, whatever store keeps them. Pure. */
import { isNameholdError } from "./errors.js";
import type { FixableFinding } from "./finding.js";
import { quoteName } from "./name.js";
import { shellWord } from "./shell-word.js";
import { entryIdOf } from "./text/entry-id.js";
import { readEntry } from "./text/entry-text.js";
import { parseJson } from "./text/json-scan.js";
import { wallMs } from "./timing.js";

export interface EntryText {
  readonly name: string;
  /** Its JSON text as it is kept. */
  readonly text: string;
}

/** What an operator is told to do. */
export interface EntryRemedies {
  /** How an entry is corrected by hand: a sentence. */
  readonly byHand: string;
  /** The option by which a command finds this registry. */
  readonly option: string;
}

/** Two names with one ID, names that look alike, entries that Python refuses. */
export function findInEntries(entries: readonly EntryText[], remedies: EntryRemedies): readonly FixableFinding[] {
  return [
    ...entries.flatMap((entry) => unreadable(entry, remedies)),
    ...entries.flatMap((entry) => naiveTimes(entry, remedies)),
    ...sharedIds(entries, remedies),
    ...lookalikes(entries, remedies),
  ];
}

function unreadable({ name, text }: EntryText, { byHand }: EntryRemedies): readonly FixableFinding[] {
  try {
    readEntry(text, wallMs(0));
    return [];
  } catch (error) {
    if (!isNameholdError(error, "damaged")) throw error;
    return [
      {
        code: "names.unreadable-entry",
        severity: "problem",
        what: `${quoteName(name)} is no valid entry: ${error.message}.`,
        means: "Python fails on every call, for all names of this registry; namehold refuses this name alone.",
        remedy: byHand,
      },
    ];
  }
}

/** Python compares these two with the time of now, and cannot when they have no time zone. */
function naiveTimes({ name, text }: EntryText, { option }: EntryRemedies): readonly FixableFinding[] {
  const entry = asObject(parseJson(text));
  const lock = asObject(entry["lock"]);
  const naive = [
    ...(isNaive(entry["last_seen"]) ? ["last_seen"] : []),
    ...(isNaive(lock["expires_at"]) ? ["lock.expires_at"] : []),
  ];
  if (naive.length === 0) return [];
  const type = typeof entry["component_type"] === "string" ? entry["component_type"] : "node";
  return [
    {
      code: "names.naive-time",
      severity: "problem",
      what: `${quoteName(name)} has a time without a time zone: ${naive.join(", ")}.`,
      means:
        "Python's list and clean fail for the whole registry, and its claim of this name too; namehold reads the time as UTC.",
      remedy: `Claim the name once, which writes its times anew: namehold run ${shellWord(name)} --type ${type} ${option} -- true`,
    },
  ];
}

function sharedIds(entries: readonly EntryText[], { byHand }: EntryRemedies): readonly FixableFinding[] {
  return groups(entries, ({ text }) => entryIdOf(text)).map(([id, sharing]) => ({
    code: "names.shared-id",
    severity: "problem",
    what: `${listNames(sharing)} have one ID: ${id === "" ? "an empty one" : id}. Last seen: ${sharing.map(lastSeen).join("; ")}.`,
    means:
      "Two processes can act as one component at the same time, and samples, logs and workflows cannot tell the names apart.",
    remedy: `Find out which name is in use, and remove the others. ${byHand}`,
  }));
}

/** A typo in a settings file starts a second identity without a word. */
function lookalikes(entries: readonly EntryText[], { option }: EntryRemedies): readonly FixableFinding[] {
  return groups(entries, ({ name }) => name.normalize("NFC").toLowerCase().trim()).map(([, alike]) => ({
    code: "names.lookalike",
    severity: "warning",
    what: `${listNames(alike)} differ by ${difference(alike.map(({ name }) => name))} only.`,
    means:
      "They are different components with IDs of their own. If one thing is meant, it has two identities, and two processes may act for it.",
    remedy: `If one is a slip, correct the settings of the component that uses it, and remove the name when it is stale: namehold clean --dry-run ${option}`,
  }));
}

function difference(names: readonly string[]): string {
  const same = (change: (name: string) => string): boolean => new Set(names.map(change)).size === 1;
  if (same((name) => name.toLowerCase())) return "case";
  if (same((name) => name.normalize("NFC"))) return "the normal form of their Unicode characters";
  if (same((name) => name.trim())) return "space at an end";
  return "case, space at an end or the normal form of their Unicode characters";
}

/** Those that share a key, where more than one does. */
function groups(
  entries: readonly EntryText[],
  keyOf: (entry: EntryText) => string,
): readonly (readonly [string, readonly EntryText[]])[] {
  const byKey = Map.groupBy(entries, keyOf);
  return [...byKey].filter(([, sharing]) => sharing.length > 1);
}

/** Beyond ASCII by code, so that what looks the same is seen to differ. */
function listNames(entries: readonly EntryText[]): string {
  const quoted = entries.map(({ name }) =>
    quoteName(name).replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  );
  return `${quoted.slice(0, -1).join(", ")} and ${quoted.at(-1)}`;
}

function lastSeen({ name, text }: EntryText): string {
  const time = asObject(parseJson(text))["last_seen"];
  return `${quoteName(name)} ${typeof time === "string" ? time : "never"}`;
}

function isNaive(time: unknown): boolean {
  return typeof time === "string" && NAIVE.test(time);
}

const NAIVE = /^\d{4}-\d\d-\d\d(?:[Tt _]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?$/;

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
