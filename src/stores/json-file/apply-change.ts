/** One change of the contract, on the work of one turn: first every precondition, then every write. */
import type { ComponentType, Holder, RegistryEntry } from "../../core/entry.js";
import { NameholdError, RegistryError } from "../../core/errors.js";
import type { Ending } from "../../core/history.js";
import { newLock } from "../../core/lock-rules.js";
import { quoteName } from "../../core/name.js";
import type { Loss, Version } from "../../core/record.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { editEntry, readEntry, writeEntry } from "../../core/text/entry-text.js";
import { importedEntry } from "../../core/text/imported-entry.js";
import { nextToken } from "../../core/token.js";
import type { Change, ChangePart, EntryWrite, LockWrite } from "../store.js";
import { endHold } from "./end-hold.js";
import { refuseKeptIds } from "./kept-id.js";
import { lookFor } from "./presence-look.js";
import { readableLock } from "./readable-lock.js";
import { mayBeTaken, refuseSharedId } from "./shared-id.js";
import type { WaiterNote } from "./sidecar.js";
import { digestOf, noteOf, placing, refuseUnknown, versionOf } from "./snapshot.js";
import type { Work } from "./work.js";

type Part<K extends ChangePart["kind"]> = ChangePart & { readonly kind: K };

export interface ChangeContext {
  readonly work: Work;
  readonly holder: Holder;
  readonly holdersDirectory: string;
}

/**
 * @returns false when a precondition fails; then nothing was changed
 * @throws NameholdError `invalid-input`, `damaged`, `held` for a name that shares the ID of a held one; then nothing was
 *   changed
 */
export function applyChange(context: ChangeContext, change: Change): boolean {
  const writes: (() => void)[] = [];
  for (const part of change.parts) {
    const write = placing({ name: part.name }, () => prepare(context, part));
    if (write === undefined) return false;
    writes.push(write);
  }
  checkGivenIds(context.work, change);
  refuseKeptIds(context.work, context.holdersDirectory, change);
  const { sidecar } = context.work;
  sidecar.lastToken = Math.max(sidecar.lastToken, change.tokenFloor ?? 0);
  for (const write of writes) write();
  return true;
}

/** @returns what writes the part, or undefined when its precondition fails */
function prepare(context: ChangeContext, part: ChangePart): (() => void) | undefined {
  switch (part.kind) {
    case "put":
      return preparePut(context, part);
    case "remove":
      return prepareRemove(context, part);
    case "rename":
      return prepareRename(context, part);
    case "give-up":
      return () => giveUp(context, part);
    case "enqueue":
      return prepareEnqueue(context, part);
    case "dequeue":
      return () => editQueue(context.work, part.name, (queue) => queue.filter(({ ticket }) => ticket !== part.ticket));
    case "offer":
      return () => offer(context.work, part);
    case "recall":
      return () => context.work.recalled.push(part.hold);
    default:
      return part satisfies never;
  }
}

function preparePut(context: ChangeContext, part: Part<"put">): (() => void) | undefined {
  const { work } = context;
  const { name, write } = part;
  const present = work.document.entryText(name);
  if (versionIn(work, name) !== part.expect) return undefined;
  if (present === undefined) refuseUnknown(work, name);
  const before = present === undefined ? null : readEntry(present, work.reading.wall);
  // Who grants a free name without naming a holder has seen nobody in the way, and it must still be so.
  const namesHolder = part.expectHolder !== undefined || (write.lock?.kind === "grant" && before?.lock == null);
  if (namesHolder && part.expectHolder !== holderVersion(context, name, before)) return undefined;
  if (present !== undefined && write.lock?.kind === "grant") refuseSharedId(work, context.holdersDirectory, name);
  const base = baseText(work, present, before, write);
  const text = editEntry(base, patchOf(context, write));
  return () => {
    if (present === undefined || entryIdOf(present) !== entryIdOf(text)) work.identityChanged = true;
    if (present !== undefined && entryIdOf(present) !== entryIdOf(text)) work.keepBackup = "import";
    work.document.setEntry(name, text);
    if (write.lock === undefined) return;
    if (before !== null && write.lock.kind !== "revoke") endHold(work, name, before, endingOf(write.lock));
    noteLock(context, name, before, write.lock);
  };
}

function versionIn(work: Work, name: string): Version | "absent" {
  const text = work.document.entryText(name);
  return text === undefined ? "absent" : versionOf(work, name, text);
}

/** The text to edit: the present entry, an imported one with the present lock, or a new one. */
function baseText(work: Work, present: string | undefined, before: RegistryEntry | null, write: EntryWrite): string {
  if (write.source !== undefined)
    return editEntry(importedEntry(write.source, work.reading.wall), { lock: before?.lock ?? null });
  return present ?? newEntryText(work, write.id, write.componentType);
}

function newEntryText(work: Work, id: string | undefined, componentType: ComponentType | undefined): string {
  if (id === undefined || componentType === undefined) {
    throw new NameholdError("invalid-input", "A new entry needs an id and a component type, or a source.");
  }
  const now = work.reading.wall;
  return writeEntry({ id, componentType, createdAt: now, lastSeen: now, metadata: {}, lock: null, workcellId: null });
}

function patchOf({ work, holder }: ChangeContext, write: EntryWrite): Parameters<typeof editEntry>[1] {
  const now = work.reading.wall;
  const isGrant = write.lock?.kind === "grant";
  return {
    ...(write.componentType === undefined ? {} : { componentType: write.componentType }),
    ...(write.metadata === undefined ? {} : { metadata: write.metadata }),
    ...(isGrant || write.touch === true ? { lastSeen: now } : {}),
    ...(isGrant ? { lock: newLock(holder, now) } : {}),
    ...(write.lock?.kind === "clear" ? { lock: null } : {}),
  };
}

function endingOf({ kind, ends }: LockWrite & { readonly kind: "grant" | "clear" }): Ending {
  return ends ?? { how: kind === "grant" ? "lost" : "released" };
}

/** What the format has no room for: token, mark of revocation, word for the former holder. */
function noteLock({ work, holder }: ChangeContext, name: string, before: RegistryEntry | null, write: LockWrite): void {
  const { document, sidecar, reading } = work;
  switch (write.kind) {
    case "grant": {
      const token = nextToken(sidecar.lastToken, reading.wall);
      sidecar.lastToken = token;
      const { instance } = holder;
      const lock = newLock(holder, reading.wall);
      sidecar.locks.set(name, {
        instance,
        id: entryIdOf(document.entryText(name) ?? ""),
        lock,
        token,
        grantedAt: reading.monotonic,
        lapsingSince: null,
        revocation: null,
      });
      // What was left for an earlier hold of this name is old news.
      sidecar.forgetWord(instance, name);
      return;
    }
    case "clear":
      forgetLock(work, name);
      leaveWord(work, name, before, write.word);
      return;
    case "revoke":
      markRevoked(work, { name, to: name, before }, write.reason);
      return;
    default:
      write satisfies never;
  }
}

function prepareRemove(context: ChangeContext, part: Part<"remove">): (() => void) | undefined {
  const { work } = context;
  const present = work.document.entryText(part.name);
  if (present === undefined || versionIn(work, part.name) !== part.expect) return undefined;
  const before = readEntry(present, work.reading.wall);
  if (!isHolderAs(context, part, before)) return undefined;
  return () => {
    endHold(work, part.name, before, part.ends ?? { how: "lost" });
    work.document.removeEntry(part.name);
    if (before.lock === null) work.sidecar.locks.delete(part.name);
    leaveWord(work, part.name, before, part.word);
    work.identityChanged = true;
    work.keepBackup = "remove";
  };
}

function prepareRename(context: ChangeContext, part: Part<"rename">): (() => void) | undefined {
  const { work } = context;
  const { name, to } = part;
  const present = work.document.entryText(name);
  if (present === undefined || versionIn(work, name) !== part.expect || work.document.has(to)) return undefined;
  const before = readEntry(present, work.reading.wall);
  if (!isHolderAs(context, part, before)) return undefined;
  return () => {
    endHold(work, name, before, { how: "renamed", detail: to });
    work.document.renameEntry(name, to);
    markRevoked(work, { name, to, before }, `renamed to ${JSON.stringify(to)}`);
    if (before.lock === null) work.sidecar.locks.delete(name);
    leaveWord(work, name, before, { reason: "renamed", renamedTo: to });
    work.identityChanged = true;
    work.keepBackup = "rename";
  };
}

/** The note of the lock, and the one that a renaming left under its old name. */
function forgetLock({ sidecar }: Work, name: string): void {
  const cleared = sidecar.locks.get(name);
  for (const [other, { token }] of sidecar.locks) if (token === cleared?.token) sidecar.locks.delete(other);
}

interface Revoked {
  readonly name: string;
  /** The name that the entry bears from now on. */
  readonly to: string;
  readonly before: RegistryEntry | null;
}

/** The lock stays and is not refreshed any more. One without a token (Python's) cannot be marked. */
function markRevoked(work: Work, { name, to, before }: Revoked, reason: string): void {
  const lock = before?.lock ?? null;
  if (lock === null) return;
  const note = noteOf(work, name, lock);
  if (note === undefined) return;
  work.sidecar.locks.set(to, { ...note, revocation: { reason, at: work.reading.wall } });
}

function leaveWord(work: Work, name: string, before: RegistryEntry | null, word: Loss | undefined): void {
  if (word !== undefined && before?.lock != null) work.sidecar.leaveWord(before.lock.holderInstance, name, word);
}

function giveUp({ work, holder }: ChangeContext, { name, token }: Part<"give-up">): void {
  const note = work.sidecar.locks.get(name);
  const isLocked = readableLock(work.document.entryText(name))?.holderInstance === holder.instance;
  if (note?.instance === holder.instance && note.token === token && !isLocked) work.sidecar.locks.delete(name);
}

function prepareEnqueue({ work, holder }: ChangeContext, part: Part<"enqueue">): (() => void) | undefined {
  if (!work.document.has(part.name)) return undefined;
  const waiter = { ticket: part.ticket, instance: holder.instance, since: work.reading.wall, offer: null };
  return () =>
    editQueue(work, part.name, (queue) =>
      queue.some(({ ticket }) => ticket === part.ticket) ? queue : [...queue, waiter],
    );
}

/** An offer that was made is not made again, or its time would never end. */
function offer(work: Work, part: Part<"offer">): void {
  const made = { at: work.reading.monotonic, digest: digestOf(work.document.entryText(part.name) ?? "") };
  editQueue(work, part.name, (queue) =>
    queue.map((waiter) => {
      const isDue = waiter.ticket === part.ticket && waiter.offer?.digest !== made.digest;
      return isDue ? { ...waiter, offer: made } : waiter;
    }),
  );
}

/** @throws RegistryError `already-exists`: two names never share an ID @see docs/SPEC.md#G2 */
function checkGivenIds(work: Work, { parts }: Change): void {
  const given = parts
    .filter((part) => part.kind === "put")
    .filter(({ expect, write }) => write.source !== undefined || expect === "absent")
    .map(({ name, write: { id = "", source } }) => ({ name, id: source === undefined ? id : entryIdOf(source) }));
  // A search for each ID is all that it costs: to read the IDs of all names takes much longer.
  if (!given.map(({ id }) => mayBeTaken(work, id)).includes(true)) return;
  const { document } = work;
  const replaced = new Set([...given, ...parts.filter(({ kind }) => kind === "remove")].map(({ name }) => name));
  const owners = new Map<string, string>();
  for (const name of document.names())
    if (!replaced.has(name)) owners.set(entryIdOf(document.entryText(name) ?? ""), name);
  for (const { name, id } of given) {
    const owner = owners.get(id);
    if (owner !== undefined) {
      throw new RegistryError(
        "already-exists",
        `${quoteName(name)} would have the ID ${id}, which belongs to ${quoteName(owner)}.`,
        { name },
      );
    }
    owners.set(id, name);
  }
}

type Queue = readonly WaiterNote[];

function editQueue(work: Work, name: string, edit: (queue: Queue) => Queue): void {
  const queue = edit(work.sidecar.waiters.get(name) ?? []);
  if (queue.length === 0) work.sidecar.waiters.delete(name);
  else work.sidecar.waiters.set(name, queue);
}

function isHolderAs(context: ChangeContext, part: Part<"remove" | "rename">, before: RegistryEntry): boolean {
  return part.expectHolder === undefined || part.expectHolder === holderVersion(context, part.name, before);
}

/** Of the lock's holder, or of the former one. */
function holderVersion(
  { work, holdersDirectory }: ChangeContext,
  name: string,
  before: RegistryEntry | null,
): string | undefined {
  const instance = before?.lock?.holderInstance ?? work.sidecar.locks.get(name)?.instance;
  if (instance === undefined) return undefined;
  return lookFor(work, holdersDirectory, instance).version;
}
