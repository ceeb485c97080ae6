/**
 * Ended holds, one JSON line each, in `PATH.holders/history.jsonl`, written under the file lock when all else is. At a
 * bound the file becomes `history.1.jsonl`, in place of the one before. Nothing here is synced, and nothing may fail for
 * it: what cannot be recorded is lost, and `historyFault` tells why.
 *
 * @see docs/adr/0010-history-and-moving.md
 */
import { accessSync, constants, lstatSync, renameSync } from "node:fs";
import { join } from "node:path";
import { isNameholdError, RegistryError } from "../../core/errors.js";
import { type HistoryQuery, isAskedFor, isSameHold, type PastHold } from "../../core/history.js";
import { appendLines } from "../../platform/append-file.js";
import { readFileOrAbsent, replaceFile } from "../../platform/atomic-file.js";
import { parsePastHold } from "./past-hold-text.js";

/** Of each of the two files: some seven thousand holds. */
export const HISTORY_BYTES_MAX = 2 * 2 ** 20;

/** @param find the holds, in the order in which they ended; called here, so that not even the looking fails anything */
export function recordHolds(holdersDirectory: string, find: () => readonly PastHold[]): void {
  unlessItFails(() => {
    const ended = find();
    if (ended.length > 0) append(filesIn(holdersDirectory), ended);
  });
}

/** Adds holds that ended in another store, but for those that are recorded already. */
export function recallHolds(holdersDirectory: string, recalled: readonly PastHold[]): void {
  unlessItFails(() => {
    if (recalled.length > 0) merge(filesIn(holdersDirectory), recalled);
  });
}

/**
 * Ended holds, the last to end first.
 *
 * @throws NameholdError `storage-failed`, `read-only`: not to be able to look is not 'none'
 */
export function readHistory(holdersDirectory: string, query: HistoryQuery): readonly PastHold[] {
  return readAll(filesIn(holdersDirectory)).filter((hold) => isAskedFor(hold, query));
}

/** Why ended holds cannot be recorded or told of, in a sentence without its full stop; null when they can. */
export function historyFault(holdersDirectory: string): string | null {
  for (const path of Object.values(filesIn(holdersDirectory))) {
    try {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) continue;
      if (!stats.isFile()) return `${path} is not a file`;
      accessSync(path, constants.R_OK | constants.W_OK);
    } catch {
      return `${path} cannot be read and written by this user`;
    }
    const torn = linesIn(path).filter((line) => parsePastHold(line) === undefined).length;
    if (torn > 0) return `${path} has ${torn} ${torn === 1 ? "line that is" : "lines that are"} no ended hold`;
  }
  return null;
}

/** The claim, the release, the heartbeat that came here has been written. Nobody may be stopped by a full log. */
function unlessItFails(record: () => void): void {
  try {
    record();
  } catch {
    // Lost, then.
  }
}

interface HistoryFiles {
  readonly current: string;
  readonly previous: string;
}

function filesIn(holdersDirectory: string): HistoryFiles {
  return { current: join(holdersDirectory, "history.jsonl"), previous: join(holdersDirectory, "history.1.jsonl") };
}

function append({ current, previous }: HistoryFiles, ended: readonly PastHold[]): void {
  const { text } = newestThatFit(ended);
  const size = lstatSync(current, { throwIfNoEntry: false })?.size ?? 0;
  if (size > 0 && size + Buffer.byteLength(text) > HISTORY_BYTES_MAX) renameSync(current, previous);
  appendLines(current, text);
}

/**
 * In their place by time, so that the oldest go first when the bound is reached. Holds move from the current file to the
 * previous one only, which is written first: whatever fails in between, a hold is in both, and never in neither.
 */
function merge(files: HistoryFiles, recalled: readonly PastHold[]): void {
  const current = holdsIn(files.current);
  const previous = holdsIn(files.previous);
  const missing = notIn([...previous, ...current], recalled);
  if (missing.length === 0) return;
  const previousEnd = previous.reduce((end, { until }) => Math.max(end, until), Number.NEGATIVE_INFINITY);
  const { text, left } = newestThatFit(byEnd([...missing.filter(({ until }) => until > previousEnd), ...current]));
  const older = byEnd([...missing.filter(({ until }) => until <= previousEnd), ...previous, ...left]);
  replaceFile(files.previous, newestThatFit(older).text, { durable: false, keepLink: false });
  replaceFile(files.current, text, { durable: false, keepLink: false });
}

/** @param recalled the last to end comes first, as histories tell. @returns the last to end last */
function notIn(known: readonly PastHold[], recalled: readonly PastHold[]): readonly PastHold[] {
  const sameMoment = Map.groupBy(known, ({ since }) => since);
  const missing: PastHold[] = [];
  for (const hold of recalled) {
    const others = sameMoment.get(hold.since) ?? [];
    if (others.some((other) => isSameHold(other, hold))) continue;
    missing.push(hold);
    sameMoment.set(hold.since, [...others, hold]);
  }
  return missing.toReversed();
}

/** The last to end comes last; of those that ended in the same moment, the last given. */
function byEnd(holds: readonly PastHold[]): readonly PastHold[] {
  return holds.toSorted((a, b) => a.until - b.until);
}

/** @param holds the last to end comes last */
function newestThatFit(holds: readonly PastHold[]): { readonly text: string; readonly left: readonly PastHold[] } {
  const lines: string[] = [];
  let bytes = 0;
  for (const hold of holds.toReversed()) {
    const line = `${JSON.stringify(hold)}\n`;
    bytes += Buffer.byteLength(line);
    if (bytes > HISTORY_BYTES_MAX) break;
    lines.push(line);
  }
  return { text: lines.toReversed().join(""), left: holds.slice(0, holds.length - lines.length) };
}

/**
 * The last to end first; of those that ended in the same moment, the last recorded first. The current file is read first:
 * what a writer moves meanwhile is then found twice, and told once.
 */
function readAll(files: HistoryFiles): readonly PastHold[] {
  const current = holdsIn(files.current);
  const found = new Map<string, PastHold>();
  for (const hold of [...holdsIn(files.previous), ...current]) found.set(JSON.stringify(hold), hold);
  return byEnd([...found.values()]).toReversed();
}

/** In the order in which they were recorded. */
function holdsIn(path: string): readonly PastHold[] {
  return linesIn(path).flatMap((line) => parsePastHold(line) ?? []);
}

function linesIn(path: string): readonly string[] {
  const text = read(path)?.toString("utf8") ?? "";
  return text.split("\n").filter((line) => line !== "");
}

function read(path: string): Buffer | undefined {
  try {
    return readFileOrAbsent(path);
  } catch (error) {
    if (!isNameholdError(error, "invalid-input")) throw error;
    throw new RegistryError("storage-failed", `The history cannot be read. ${error.message} Remove what is there.`);
  }
}
