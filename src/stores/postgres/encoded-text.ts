/**
 * Any JavaScript string as PostgreSQL can keep it. Its text has no NUL, and UTF-8 has no lone surrogates: they are
 * written as JSON's escapes, and so is the backslash, so that no two strings become the same.
 *
 * @see docs/SPEC.md#G10
 */
import { createHash } from "node:crypto";

/** A B-tree takes keys of up to 2,700 bytes, and a notification 8,000. Longer names go by their hash. */
const KEY_BYTES_MAX = 500;

/** A name as it is looked up: `key` is unique to it, `full` is the name itself where the key is its hash. */
export interface NameKey {
  readonly key: string;
  readonly full: string | null;
}

export function encodeText(text: string): string {
  return NEEDS_NONE.test(text) && text.isWellFormed() ? text : text.replace(ESCAPED, escapeOf);
}

export function decodeText(kept: string): string {
  if (!kept.includes("\\")) return kept;
  return kept.replace(/\\(?:\\|u([0-9A-F]{4}))/g, (_, unit?: string) =>
    unit === undefined ? "\\" : String.fromCharCode(Number.parseInt(unit, 16)),
  );
}

export function keyOf(name: string): NameKey {
  const full = encodeText(name);
  if (full.length * 3 <= KEY_BYTES_MAX || Buffer.byteLength(full) <= KEY_BYTES_MAX) return { key: full, full: null };
  // No encoded name begins so.
  return { key: `\\#${createHash("sha256").update(full).digest("hex")}`, full };
}

export function nameOf(key: string, full: string | null): string {
  return decodeText(full ?? key);
}

const NEEDS_NONE = /^[^\\\0]*$/;
/** With the flag u, pairs of surrogates are one character, and only lone ones match. */
const ESCAPED = /[\\\0\p{Surrogate}]/gu;

function escapeOf(character: string): string {
  return character === "\\" ? "\\\\" : `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
