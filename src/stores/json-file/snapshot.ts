/** From the files' texts to the records of the contract. */

import { createHash } from "node:crypto";
import type { RegistryLock } from "../../core/entry.js";
import { RegistryError } from "../../core/errors.js";
import { quoteName } from "../../core/name.js";
import type { EntryRecord, Evidence, FormerLock, HolderRecord, Snapshot, Version, Waiter } from "../../core/record.js";
import { EntryDamage, readEntry } from "../../core/text/entry-text.js";
import { isClockTrusted } from "./clock-note.js";
import { lookFor } from "./presence-look.js";
import { readableLock } from "./readable-lock.js";
import type { LockNote } from "./sidecar.js";
import type { View } from "./work.js";

/** @throws EntryDamage with the name, for an entry that is none */
export function snapshotFrom(view: View, holdersDirectory: string, name: string): Snapshot {
  const text = view.document.entryText(name);
  const record = text === undefined ? null : recordFrom(view, holdersDirectory, name, text);
  const former = record?.entry.lock == null ? formerFrom(view, holdersDirectory, name) : null;
  return { name, record, former, now: view.reading.wall };
}

/** What is damaged in an entry is told with its place. */
export function placing<T>(place: EntryDamage["place"], read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof EntryDamage ? error.withPlace(place) : error;
  }
}

/** The note about an entry's lock, if it is about this very lock. */
export function noteOf(view: View, name: string, lock: RegistryLock | null): LockNote | undefined {
  const note = view.sidecar.locks.get(name);
  return lock !== null && note?.instance === lock.holderInstance ? note : undefined;
}

/**
 * What a change of the entry is conditional on: its text, and what is noted of its lock. Two locks that a process was
 * given in the same moment have one text, and a revoked lock has that of before.
 */
export function versionOf(view: View, name: string, text: string): Version {
  const note = noteOf(view, name, readableLock(text));
  return (note === undefined ? text : `${note.token} ${note.revocation?.at ?? ""} ${text}`) as Version;
}

/** Whose the lock was that somebody took away, until its holder gives it up. */
export function formerFrom(view: View, holdersDirectory: string, name: string): FormerLock | null {
  const note = view.sidecar.locks.get(name);
  return note === undefined ? null : { lock: note.lock, holder: holderFrom(view, holdersDirectory, note.lock, note) };
}

/**
 * An unknown name may be one that was lost in damage that waits for an operator, or in a file that is just being written.
 *
 * @throws RegistryError `damaged`, `busy`
 * @see docs/SPEC.md#G8
 */
export function refuseUnknown(view: View, name: string): void {
  if (view.document.has(name)) return;
  if (view.obstacle !== null) throw view.obstacle;
  const damage = view.sidecar.damage;
  if (damage === null) return;
  throw new RegistryError(
    "damaged",
    `${quoteName(name)} is not known, and the registry was damaged (${damage.what}), so it may have been lost. ` +
      "Known names go on. See what was recovered with 'namehold recover', and confirm it with 'namehold recover --accept'.",
    { name },
  );
}

function recordFrom(view: View, holdersDirectory: string, name: string, text: string): EntryRecord {
  const entry = placing({ name }, () => readEntry(text, view.reading.wall));
  const note = noteOf(view, name, entry.lock);
  return {
    name,
    version: versionOf(view, name, text),
    entry,
    source: text,
    token: note?.token ?? null,
    revocation: note?.revocation ?? null,
    holder: entry.lock === null ? null : holderFrom(view, holdersDirectory, entry.lock, note),
    waiters: waitersFrom(view, holdersDirectory, name, text),
  };
}

function holderFrom(
  view: View,
  holdersDirectory: string,
  lock: RegistryLock,
  note: LockNote | undefined,
): HolderRecord {
  const { reading } = view;
  const presence = lookFor(view, holdersDirectory, lock.holderInstance);
  const version = presence.version as Version;
  if (presence.kind === "dead") return { version, evidence: { kind: "dead" } };
  // Without the note of a lost sidecar, it is not known which locks the beat is for.
  if (
    note !== undefined &&
    presence.kind !== "none" &&
    presence.beatAgeMs !== undefined &&
    presence.ttlMs !== undefined
  ) {
    const ageMs = refreshAgeMs(presence.beatAgeMs, note, reading.monotonic);
    return { version, evidence: { kind: "beat", ageMs, ttlMs: presence.ttlMs } };
  }
  return { version, evidence: writtenEvidence(view, lock) };
}

/** How long ago this lock was refreshed, which may be longer than its holder's last beat, or shorter. */
function refreshAgeMs(beatAgeMs: number, note: LockNote, now: number): number {
  const refreshedAgeMs = note.lapsingSince === null ? beatAgeMs : now - note.lapsingSince;
  return Math.max(0, Math.min(refreshedAgeMs, now - note.grantedAt));
}

/** On another machine's file system, another machine's clock may have written the lock. */
function writtenEvidence({ sidecar, reading, isLocal }: View, lock: RegistryLock): Evidence {
  return { kind: "written", clockTrusted: isLocal && isClockTrusted(sidecar.clock, reading, lock.heartbeatAt) };
}

/** Those whose processes are proved dead wait no more. Many may wait in one process, which is asked about once. */
function waitersFrom(view: View, holdersDirectory: string, name: string, text: string): readonly Waiter[] {
  const { sidecar, reading } = view;
  const queue = sidecar.waiters.get(name) ?? [];
  const instances = new Set(queue.map(({ instance }) => instance));
  const dead = new Set([...instances].filter((instance) => lookFor(view, holdersDirectory, instance).kind === "dead"));
  return queue
    .filter(({ instance }) => !dead.has(instance))
    .map(({ ticket, instance, since, offer }) => ({
      ticket,
      instance,
      since,
      offeredAgeMs: offer?.digest === digestOf(text) ? Math.max(0, reading.monotonic - offer.at) : null,
    }));
}

/** What an offer is for: the entry as it stands. Whoever takes and leaves the name, Python too, ends the offer. */
export function digestOf(entryText: string): string {
  return createHash("sha256").update(entryText).digest("base64").slice(0, 16);
}
