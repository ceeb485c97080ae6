/** What the last good copy lacks of a registry. */
import { entryIdOf } from "../../core/text/entry-id.js";
import { findMember, scanObject } from "../../core/text/json-scan.js";
import type { RegistryDocument } from "../../core/text/registry-document.js";

/** Whether the copy knows each name by its ID. What it knows beyond that does not matter here. */
export function knowsAllIds(copy: RegistryDocument, document: RegistryDocument): boolean {
  for (const name of document.names()) {
    const text = document.entryText(name) ?? "";
    const known = copy.entryText(name);
    if (known === undefined || (known !== text && entryIdOf(known) !== entryIdOf(text))) return false;
  }
  return true;
}

/** Whether the two differ in nothing but the times of heartbeats. */
export function isSameButTimes(document: RegistryDocument, other: RegistryDocument): boolean {
  return isSameBut(document, other, isSameEntryButTimes);
}

/** Whether the two differ in nothing but locks and when entries were last seen. */
export function isSameButLocks(document: RegistryDocument, other: RegistryDocument): boolean {
  return isSameBut(document, other, (ours, theirs) => ours === theirs || withoutLock(ours) === withoutLock(theirs));
}

/** As {@link isSameButTimes}, of one entry's two texts. */
export function isSameEntryButTimes(ours: string, theirs: string): boolean {
  return ours === theirs || withoutTimes(ours) === withoutTimes(theirs);
}

function isSameBut(
  document: RegistryDocument,
  other: RegistryDocument,
  isSameEntry: (ours: string, theirs: string) => boolean,
): boolean {
  if (document === other) return true;
  if (document.size !== other.size || document.createdAt !== other.createdAt) return false;
  for (const name of document.names()) {
    const ours = document.entryText(name) ?? "";
    const theirs = other.entryText(name);
    if (theirs === undefined || !isSameEntry(ours, theirs)) return false;
  }
  return true;
}

function withoutTimes(entryText: string): string {
  const lock = findMember(scanObject(entryText), "lock");
  const isLocked = lock !== undefined && entryText[lock.valueStart] === "{";
  const kept = isLocked ? `{${membersBut(LOCK_TIMES, entryText, lock.valueStart)}` : "";
  return `${membersBut(isLocked ? SEEN_AND_LOCK : SEEN, entryText)}\n${kept}`;
}

function withoutLock(entryText: string): string {
  return membersBut(SEEN_AND_LOCK, entryText);
}

const SEEN: ReadonlySet<string> = new Set(["last_seen"]);
const SEEN_AND_LOCK: ReadonlySet<string> = new Set(["last_seen", "lock"]);
const LOCK_TIMES: ReadonlySet<string> = new Set(["heartbeat_at", "expires_at"]);

/** The members of an object to the letter, but for some. */
function membersBut(left: ReadonlySet<string>, text: string, start = 0): string {
  let kept = "";
  for (const member of scanObject(text, start).members) {
    if (!left.has(member.key)) kept += text.slice(member.keyStart, member.valueEnd);
  }
  return kept;
}
