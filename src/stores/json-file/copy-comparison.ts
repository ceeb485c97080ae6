/** What the last good copy lacks of a registry. */
import { isNameholdError } from "../../core/errors.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { editEntry } from "../../core/text/entry-text.js";
import type { RegistryDocument } from "../../core/text/registry-document.js";
import { wallMs } from "../../core/timing.js";

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
export function isSameButTimes(document: RegistryDocument, copy: RegistryDocument): boolean {
  if (document.size !== copy.size || document.createdAt !== copy.createdAt) return false;
  for (const name of document.names()) {
    const ours = document.entryText(name) ?? "";
    const theirs = copy.entryText(name);
    if (theirs === undefined || !isSameEntryButTimes(ours, theirs)) return false;
  }
  return true;
}

/** The same of one entry's two texts. */
export function isSameEntryButTimes(ours: string, theirs: string): boolean {
  return ours === theirs || withoutTimes(ours) === withoutTimes(theirs);
}

function withoutTimes(entryText: string): string {
  const untouched = editEntry(entryText, { lastSeen: NO_TIME });
  try {
    return editEntry(untouched, { lockTimes: { heartbeatAt: NO_TIME, expiresAt: NO_TIME } });
  } catch (error) {
    if (!isNameholdError(error, "invalid-input")) throw error;
    return untouched;
  }
}

const NO_TIME = wallMs(0);
