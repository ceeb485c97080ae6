/**
 * Any JavaScript string as SQLite can keep it. SQLite keeps text as UTF-8, in which a lone surrogate has no form: two
 * names that differ in one would become the same. A string with one is kept as its UTF-16 bytes instead.
 *
 * @see docs/SPEC.md#G10
 */
export type SqlText = string | Buffer;

export function toSqlText(text: string): SqlText {
  return text.isWellFormed() ? text : Buffer.from(text, "utf16le");
}

export function fromSqlText(kept: SqlText): string {
  return typeof kept === "string" ? kept : kept.toString("utf16le");
}
