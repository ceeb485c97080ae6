/**
 * How holds ended that somebody else has ended: a Python process, which leaves no record, or a namehold process that was
 * killed before it could write one. Inferred from the difference between what the last turn has left and the file. What began and
 * ended between two turns of namehold is not seen.
 */
import type { RegistryLock } from "../../core/entry.js";
import type { Ending, PastHold } from "../../core/history.js";
import { heldBy, lockTtlMs, RECOVERY_INSTANCE } from "../../core/lock-rules.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { EntryDamage, readEntry } from "../../core/text/entry-text.js";
import type { RegistryDocument } from "../../core/text/registry-document.js";
import { later, type WallMs, wallMs } from "../../core/timing.js";
import { lastBeatAgeMs } from "../../platform/presence-beat.js";
import { probePresence } from "../../platform/presence-probe.js";
import type { ClockReading } from "./clock-note.js";
import { readableLock } from "./readable-lock.js";
import type { LockNote } from "./sidecar.js";
import type { Found } from "./work.js";

export interface Observation {
  /** The registry as the last turn has left it, but for the times of later heartbeats. */
  readonly left: RegistryDocument;
  /** The same with later heartbeats, when this process has seen some. */
  readonly seen: RegistryDocument | undefined;
  readonly found: Found;
  readonly reading: ClockReading;
  readonly holdersDirectory: string;
}

/** @throws NameholdError when the presences of holders cannot be looked at */
export function observedEndings(observation: Observation): readonly PastHold[] {
  const { left, found } = observation;
  const ended: PastHold[] = [];
  let newNames: ReadonlyMap<string, string> | undefined;
  for (const name of left.names()) {
    const before = left.entryText(name) ?? "";
    const after = found.document.entryText(name);
    if (before === after) continue;
    const lock = readableLock(before);
    if (lock === null || lock.holderInstance === RECOVERY_INSTANCE || isSameLock(lock, readableLock(after))) continue;
    const id = entryIdOf(before);
    const isItsEntry = after !== undefined && entryIdOf(after) === id;
    if (!isItsEntry) newNames ??= newNamesIn(observation);
    const nameNow = isItsEntry ? name : newNames?.get(id);
    ended.push(observe(observation, { name, id, lock, after, nameNow }));
  }
  return ended;
}

interface EndedLock {
  readonly name: string;
  readonly id: string;
  /** As the last turn has left it. */
  readonly lock: RegistryLock;
  /** The entry that has its name now. */
  readonly after: string | undefined;
  /** Its entry's name now; undefined for one that is gone. */
  readonly nameNow: string | undefined;
}

function observe(observation: Observation, { name, id, lock, after, nameNow }: EndedLock): PastHold {
  const { found, reading } = observation;
  const text = nameNow === undefined ? undefined : found.document.entryText(nameNow);
  const known = knownLock(observation, name, lock);
  const note = found.notes.get(name);
  const evidence: EvidenceOfEnd = {
    known,
    next: readableLock(after),
    note,
    isNoted: note?.instance === lock.holderInstance,
    isDead: probePresence(observation.holdersDirectory, lock.holderInstance, reading.monotonic).kind === "dead",
    isEntryGone: after === undefined,
    isEntryReplaced: after !== undefined && nameNow !== name,
    movedTo: nameNow === name ? undefined : nameNow,
    lastHeartbeat: lastSignOfLife(observation, known, { note, text }),
    now: reading.wall,
  };
  const { ending, until } = judge(evidence);
  return {
    name,
    id,
    holder: heldBy(lock),
    token: evidence.isNoted ? (note?.token ?? null) : null,
    since: lock.acquiredAt,
    lastHeartbeat: evidence.lastHeartbeat,
    until: wallMs(Math.max(until, evidence.lastHeartbeat)),
    ending,
    observed: true,
  };
}

interface EvidenceOfEnd {
  /** The lock that has ended, as it was last seen. */
  readonly known: RegistryLock;
  /** The lock on the name now. */
  readonly next: RegistryLock | null;
  readonly note: LockNote | undefined;
  /** Whether what is noted of the name is about the ended lock: then no namehold process has taken it away. */
  readonly isNoted: boolean;
  readonly isDead: boolean;
  readonly isEntryGone: boolean;
  /** Its name has the entry of another ID. */
  readonly isEntryReplaced: boolean;
  /** Its entry's name now, when it has another. */
  readonly movedTo: string | undefined;
  readonly lastHeartbeat: WallMs;
  readonly now: WallMs;
}

interface ObservedEnd {
  readonly ending: Ending;
  readonly until: WallMs;
}

function judge(evidence: EvidenceOfEnd): ObservedEnd {
  const { known, next, isNoted, isDead, isEntryGone, isEntryReplaced, movedTo, lastHeartbeat, now } = evidence;
  // The holder would have shown itself, had it gone on for longer.
  const nextBeatDue = earlier(now, later(lastHeartbeat, lockTtlMs(known)));
  if (movedTo !== undefined) return { ending: { how: "renamed", detail: movedTo }, until: nextBeatDue };
  if (isEntryGone) return { ending: { how: "lost", detail: "its entry was removed" }, until: now };
  if (isEntryReplaced) {
    return { ending: { how: "lost", detail: "its entry was replaced" }, until: earlier(next?.acquiredAt ?? now, now) };
  }
  if (next === null && !isNoted) return { ending: { how: "released" }, until: nextBeatDue };
  if (next === null) return { ending: { how: "lost", detail: "its lock was removed" }, until: nextBeatDue };
  if (next.holderInstance !== RECOVERY_INSTANCE) return judgeTaken(evidence, next);
  if (isDead) return { ending: { how: "crashed" }, until: now };
  return { ending: { how: "lost", detail: "its lock was lost in damage" }, until: now };
}

/** By the taker's clock, which may be ahead, and by ours. */
function judgeTaken(evidence: EvidenceOfEnd, next: RegistryLock): ObservedEnd {
  const { known, note, isNoted, isDead, lastHeartbeat, now } = evidence;
  const until = earlier(next.acquiredAt, now);
  const expiredAt = later(lastHeartbeat, lockTtlMs(known));
  const isSilent = expiredAt <= until;
  const isTakenByUs = note?.instance === next.holderInstance;
  if (next.holderInstance === known.holderInstance) return { ending: { how: "released" }, until };
  if (isDead && (isSilent || isTakenByUs)) return { ending: { how: "crashed" }, until };
  if (isSilent) return { ending: { how: "silent" }, until };
  if (isNoted || expiredAt <= next.acquiredAt) {
    return { ending: { how: "lost", detail: `taken by ${next.holderHost} (PID ${next.holderPid})` }, until };
  }
  // Nobody takes an unexpired lock: its holder must have released it before.
  return { ending: { how: "released" }, until };
}

/** The lock with the latest heartbeat that this process has seen of it. */
function knownLock({ seen }: Observation, name: string, lock: RegistryLock): RegistryLock {
  const newer = readableLock(seen?.entryText(name));
  return newer !== null && isSameLock(lock, newer) ? newer : lock;
}

/**
 * The latest sign of life that is known: a heartbeat in the file, or that of the holder's presence. Where the lock was
 * taken off its entry, what was last seen of the entry is its holder's last heartbeat.
 */
function lastSignOfLife(
  { reading, holdersDirectory }: Observation,
  { holderInstance, heartbeatAt }: RegistryLock,
  { note, text }: { readonly note: LockNote | undefined; readonly text: string | undefined },
): WallMs {
  const signs: number[] = [heartbeatAt];
  if (text !== undefined && readableLock(text) === null) signs.push(lastSeenOf(text, heartbeatAt));
  if (note?.instance === holderInstance && note.lapsingSince === null) {
    const ageMs = lastBeatAgeMs(holdersDirectory, holderInstance, reading.monotonic);
    if (ageMs !== undefined) signs.push(reading.wall - ageMs);
  }
  return wallMs(Math.max(...signs));
}

function lastSeenOf(entryText: string, otherwise: WallMs): WallMs {
  try {
    return readEntry(entryText, otherwise).lastSeen;
  } catch (error) {
    if (!(error instanceof EntryDamage)) throw error;
    return otherwise;
  }
}

/** The names of IDs that they had not before, by ID. */
function newNamesIn({ left, found }: Observation): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const name of found.document.names()) {
    const before = left.entryText(name);
    const now = found.document.entryText(name) ?? "";
    if (now === before) continue;
    const id = entryIdOf(now);
    if ((before === undefined || entryIdOf(before) !== id) && !names.has(id)) names.set(id, name);
  }
  return names;
}

function earlier(a: WallMs, b: WallMs): WallMs {
  return wallMs(Math.min(a, b));
}

function isSameLock(a: RegistryLock, b: RegistryLock | null): boolean {
  return b !== null && a.holderInstance === b.holderInstance && a.acquiredAt === b.acquiredAt;
}
