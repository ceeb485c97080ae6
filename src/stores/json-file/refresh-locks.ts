/** The heartbeat of one holder, on the work of one turn. */
import type { Holder, RegistryLock } from "../../core/entry.js";
import { type Ending, revokedBy } from "../../core/history.js";
import { heldBy, refreshedLock } from "../../core/lock-rules.js";
import type { Loss } from "../../core/record.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { editEntry } from "../../core/text/entry-text.js";
import type { MonotonicMs } from "../../core/timing.js";
import { endHold } from "./end-hold.js";
import { readableLock } from "./readable-lock.js";
import { noteOf } from "./snapshot.js";
import type { Work } from "./work.js";

/**
 * Refreshes what is still the holder's, and tells what is not.
 *
 * @param names name → fencing token
 * @param lastBeat the holder's beat before this one: locks that are not refreshed now have lapsed since then
 * @see docs/SPEC.md#G5
 */
export function refreshLocks(
  work: Work,
  holder: Holder,
  names: ReadonlyMap<string, number>,
  lastBeat: MonotonicMs,
): ReadonlyMap<string, Loss> {
  const lost = new Map<string, Loss>();
  for (const [name, token] of names) {
    const loss = refreshOne(work, holder, name, token);
    if (loss !== undefined) lost.set(name, loss);
  }
  for (const [name, note] of work.sidecar.locks) {
    const isRefreshed = names.has(name) && !lost.has(name);
    const isLapsing = note.instance === holder.instance && !isRefreshed && note.lapsingSince === null;
    if (isLapsing) work.sidecar.locks.set(name, { ...note, lapsingSince: lastBeat });
  }
  return lost;
}

function refreshOne(work: Work, holder: Holder, name: string, token: number): Loss | undefined {
  const { sidecar, reading } = work;
  const text = work.document.entryText(name);
  const lock = readableLock(text);
  const note = noteOf(work, name, lock);
  const isOurs = lock?.holderInstance === holder.instance && (note === undefined || note.token === token);
  if (text === undefined || lock === null || !isOurs) return tellLoss(work, holder, name, lock);
  if (note?.revocation != null) return { reason: "revoked", detail: note.revocation.reason };
  const { heartbeatAt, expiresAt } = refreshedLock(lock, holder.ttlMs, reading.wall);
  // A note that was lost with the sidecar is made anew: the holder knows its token.
  const { instance } = holder;
  const healed = note ?? { instance, id: entryIdOf(text), lock, token, grantedAt: reading.monotonic, revocation: null };
  sidecar.locks.set(name, { ...healed, lapsingSince: null });
  sidecar.lastToken = Math.max(sidecar.lastToken, token);
  work.document.setEntry(name, editEntry(text, { lastSeen: reading.wall, lockTimes: { heartbeatAt, expiresAt } }));
  return undefined;
}

/** It is told as often as it asks: the telling may get lost. */
function tellLoss({ sidecar }: Work, { instance }: Holder, name: string, lock: RegistryLock | null): Loss {
  const word = sidecar.words.get(instance)?.get(name);
  if (word !== undefined) return word;
  return lock === null ? { reason: "removed" } : { reason: "taken", by: heldBy(lock) };
}

/**
 * Takes all locks of the holder away and all its places in queues.
 *
 * @param ends how its holds end, but for those that an operator has ended already
 */
export function releaseAll(work: Work, { instance }: Pick<Holder, "instance">, ends: Ending): void {
  const { document, sidecar, reading } = work;
  for (const name of document.names()) {
    const text = document.entryText(name) ?? "";
    const lock = text.includes(instance) ? readableLock(text) : null;
    if (lock?.holderInstance !== instance) continue;
    const revocation = noteOf(work, name, lock)?.revocation;
    endHold(work, name, { id: entryIdOf(text), lock }, revocation == null ? ends : revokedBy(revocation));
    document.setEntry(name, editEntry(text, { lock: null, lastSeen: reading.wall }));
  }
  sidecar.forgetHolder(instance);
}
