/** What is damage, and what goes on in spite of it. Pure. @see docs/SPEC.md#G8 */
import { entryIdOf } from "../../core/text/entry-id.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import { RegistryDamage } from "../../core/text/registry-scan.js";
import type { WallMs } from "../../core/timing.js";

export type Assessment =
  | { readonly kind: "sound"; readonly document: RegistryDocument }
  | Damaged;

export interface Damaged {
  readonly kind: "damaged";
  readonly what: string;
  /** What can go on: the copy with the newer entries of the file, or without a copy what can be read of the file. */
  readonly document: RegistryDocument;
  readonly conflicts: readonly string[];
  /** Whether there was a copy: without one nothing goes on before an operator has confirmed it. */
  readonly hasCopy: boolean;
}

/**
 * @param file the registry file's bytes, undefined when it is missing
 * @param copy the last good copy, null when there is none
 */
export function assess(file: Uint8Array | undefined, copy: RegistryDocument | null, now: WallMs): Assessment {
  if (file === undefined) {
    if (copy === null) return { kind: "sound", document: RegistryDocument.empty(now) };
    return { kind: "damaged", what: "the registry file is missing", document: copy.clone(), conflicts: [], hasCopy: true };
  }
  const text = decode(file);
  try {
    if (text === undefined) throw new RegistryDamage("not-json", "the registry is not valid UTF-8");
    const document = RegistryDocument.parse(text);
    if (copy === null || !isForeign(document, copy)) return { kind: "sound", document };
    return recover("the registry file is another registry than before: known names are gone or have other IDs", text, copy, now);
  } catch (error) {
    if (!(error instanceof RegistryDamage)) throw error;
    return recover(error.message, text ?? new TextDecoder().decode(file), copy, now);
  }
}

/** The last good copy, or null where it is missing or damaged itself. */
export function readCopy(file: Uint8Array | undefined): RegistryDocument | null {
  const text = file === undefined ? undefined : decode(file);
  if (text === undefined) return null;
  try {
    return RegistryDocument.parse(text);
  } catch (error) {
    if (!(error instanceof RegistryDamage)) throw error;
    return null;
  }
}

/** Every writer keeps `created_at`; one that does not has begun a registry of its own. `{}` may be any registry. */
function isForeign(document: RegistryDocument, copy: RegistryDocument): boolean {
  if (document.createdAt !== undefined && document.createdAt === copy.createdAt) return false;
  for (const name of copy.names()) {
    const text = document.entryText(name);
    if (text === undefined || entryIdOf(text) !== entryIdOf(copy.entryText(name) ?? "")) return true;
  }
  return false;
}

/** The copy, with the newer entries of the torn text where they do not contradict it: the copy's IDs go on. */
function recover(what: string, text: string, copy: RegistryDocument | null, now: WallMs): Damaged {
  const document = copy?.clone() ?? RegistryDocument.empty(now);
  const owners = new Set([...document.names()].map((name) => entryIdOf(document.entryText(name) ?? "")));
  const conflicts: string[] = [];
  for (const [name, entryText] of RegistryDocument.salvage(text)) {
    const id = entryIdOf(entryText);
    const known = document.entryText(name);
    const isConflict = known === undefined ? owners.has(id) : entryIdOf(known) !== id;
    if (isConflict) conflicts.push(name);
    else document.setEntry(name, entryText);
  }
  return { kind: "damaged", what, document, conflicts, hasCopy: copy !== null };
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    // A byte-order mark must be seen, for it makes Python refuse the file.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
