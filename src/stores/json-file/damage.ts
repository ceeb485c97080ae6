/** What is damage, and what goes on in spite of it. Pure. @see docs/SPEC.md#G8 */
import { parseDatetime } from "../../core/text/datetime-text.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { editEntry } from "../../core/text/entry-text.js";
import { parseJson } from "../../core/text/json-scan.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import { RegistryDamage } from "../../core/text/registry-scan.js";
import type { WallMs } from "../../core/timing.js";
import { knowsAllIds } from "./copy-comparison.js";
import { readableLock } from "./readable-lock.js";

/** The last good copy as it was found. */
export type Copy =
  | { readonly kind: "absent" }
  | { readonly kind: "good"; readonly document: RegistryDocument }
  | { readonly kind: "damaged"; readonly text: string };

export type Assessment = { readonly kind: "sound"; readonly document: RegistryDocument } | Damaged;

export interface Damaged {
  readonly kind: "damaged";
  readonly what: string;
  /** What can go on: the copy with the newer entries of the file, or without a copy what can be read of the file. */
  readonly document: RegistryDocument;
  /** Names whose entries come from the copy alone: a lock that was taken since then has not been read. */
  readonly unread: readonly string[];
  /** Names that have another ID in the file. */
  readonly conflicts: readonly string[];
  /** Whether there was a good copy: without one nothing goes on before an operator has confirmed it. */
  readonly hasCopy: boolean;
}

/**
 * @param file the registry file's bytes, undefined when it is missing
 * @throws RegistryDamage `damaged` for a registry of an unknown version, which is not to be mended but to be left alone
 */
export function assess(file: Uint8Array | undefined, copy: Copy, now: WallMs): Assessment {
  if (file === undefined) {
    if (copy.kind === "absent") return { kind: "sound", document: RegistryDocument.empty(now) };
    return recover("the registry file is missing", "", { copy, now });
  }
  const text = decode(file);
  try {
    if (text === undefined) throw new RegistryDamage("not-json", "the registry is not valid UTF-8");
    const document = RegistryDocument.parse(text);
    const contradiction = copy.kind === "good" ? contradictionOf(document, copy.document) : undefined;
    if (contradiction === undefined) return { kind: "sound", document };
    return recover(CONTRADICTIONS[contradiction], text, { copy, now, isOlder: contradiction === "older" });
  } catch (error) {
    if (!(error instanceof RegistryDamage) || error.reason === "unknown-version") throw error;
    return recover(error.message, text ?? new TextDecoder().decode(file), { copy, now });
  }
}

export function readCopy(file: Uint8Array | undefined): Copy {
  if (file === undefined) return { kind: "absent" };
  const text = decode(file);
  try {
    if (text !== undefined) return { kind: "good", document: RegistryDocument.parse(text) };
  } catch (error) {
    if (!(error instanceof RegistryDamage)) throw error;
  }
  return { kind: "damaged", text: text ?? new TextDecoder().decode(file) };
}

const CONTRADICTIONS = {
  foreign: "the registry file is another registry than before: known names are gone or have other IDs",
  older: "the registry file is older than what was known of it: known names are gone or have other IDs",
} as const;

/**
 * Every writer keeps the moment at which the registry was made, in its own spelling, and gives one to a registry without.
 * A file with another moment has been begun anew; if it lacks names that we know, it is not ours. Every writer also notes
 * when it writes: a file that lacks names which were known later than that is an older one that was put back.
 *
 * @returns undefined for a whole registry that goes on from the copy, or from which names were removed
 */
export function contradictionOf(
  document: RegistryDocument,
  copy: RegistryDocument,
): keyof typeof CONTRADICTIONS | undefined {
  if (document === copy) return undefined;
  const madeAt = momentOf(document.createdAt);
  const knownMadeAt = momentOf(copy.createdAt);
  const isForeign = madeAt === undefined || (knownMadeAt !== undefined && madeAt !== knownMadeAt);
  const isOlder = writtenAt(document) < writtenAt(copy);
  if ((!isForeign && !isOlder) || knowsAllIds(document, copy)) return undefined;
  return isForeign ? "foreign" : "older";
}

function writtenAt(document: RegistryDocument): number {
  return momentOf(document.updatedAt) ?? Number.NEGATIVE_INFINITY;
}

function momentOf(createdAt: string | undefined): WallMs | undefined {
  const value = createdAt === undefined ? undefined : parseJson(createdAt);
  return typeof value === "string" || typeof value === "number" ? parseDatetime(value) : undefined;
}

interface Known {
  readonly copy: Copy;
  readonly now: WallMs;
  /** The text is older than the copy: of names in the copy it tells nothing, but that a lock has stayed. */
  readonly isOlder?: boolean;
}

/** The copy, with the newer entries of the torn text where they do not contradict it: the copy's IDs go on. */
function recover(what: string, text: string, { copy, now, isOlder = false }: Known): Damaged {
  const document =
    copy.kind === "good" ? copy.document.clone() : salvaged(copy.kind === "damaged" ? copy.text : "", now);
  const unread = new Set(document.names());
  const owners = new Set([...document.names()].map((name) => entryIdOf(document.entryText(name) ?? "")));
  const conflicts: string[] = [];
  for (const [name, entryText] of RegistryDocument.salvage(text)) {
    const id = entryIdOf(entryText);
    const known = document.entryText(name);
    if (known === undefined && owners.has(id)) {
      conflicts.push(name);
    } else if (known !== undefined && isOlder) {
      if (entryIdOf(known) !== id) conflicts.push(name);
      if (isSameHolder(known, entryText)) unread.delete(name);
    } else if (known === undefined || entryIdOf(known) === id) {
      document.setEntry(name, entryText);
      unread.delete(name);
    } else {
      // Whoever made the name anew under another ID may be alive: its lock counts, its ID does not.
      conflicts.push(name);
      document.setEntry(name, withLockOf(known, entryText));
      unread.delete(name);
    }
  }
  return { kind: "damaged", what, document, unread: [...unread], conflicts, hasCopy: copy.kind === "good" };
}

/** Its holder has not lost the lock by what happened, and goes on refreshing it. */
function isSameHolder(known: string, entryText: string): boolean {
  const lock = readableLock(known);
  return lock !== null && readableLock(entryText)?.holderInstance === lock.holderInstance;
}

function withLockOf(known: string, entryText: string): string {
  const lock = readableLock(entryText);
  return lock === null ? known : editEntry(known, { lock });
}

function salvaged(text: string, now: WallMs): RegistryDocument {
  const document = RegistryDocument.empty(now);
  for (const [name, entryText] of RegistryDocument.salvage(text)) document.setEntry(name, entryText);
  return document;
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    // A byte-order mark must be seen, for it makes Python refuse the file.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
