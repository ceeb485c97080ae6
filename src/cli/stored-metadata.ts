import { findMember, scanObject } from "../core/text/json-scan.js";

/** An entry's metadata as they are stored, number forms included: JavaScript would make `1` of `1.0`. */
export interface StoredMetadata {
  /** On one line. Empty for no metadata. */
  readonly text: string;
  /**
   * `metadata`, every number in its own spelling. Where they hold what JSON has no word for (`NaN`, `Infinity`: Python
   * writes them), that is null, and `metadata_text` is the text.
   */
  readonly json: { readonly metadata: unknown; readonly metadata_text?: string };
}

declare global {
  interface JSON {
    /** A number that `JSON.stringify` writes as this text. */
    rawJSON(text: string): object;
  }
}

/** @param source the entry's JSON text */
export function storedMetadata(source: string): StoredMetadata {
  const member = findMember(scanObject(source), "metadata");
  const value = member === undefined ? "{}" : source.slice(member.valueStart, member.valueEnd);
  const text = value.replace(TOKENS, (token) => {
    if (token.startsWith('"')) return JSON.stringify(JSON.parse(token));
    return token.trim();
  });
  const valid = text.replace(TOKENS, (token) => (token.startsWith('"') ? token : "null"));
  const metadata: unknown = JSON.parse(valid, keepNumber);
  return { text: text === "{}" ? "" : text, json: { metadata, ...(valid === text ? {} : { metadata_text: text }) } };
}

/** Strings, so that nothing is found inside them, and what is not as JSON has it. */
const TOKENS = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN|\s+/g;

function keepNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === "number" && context?.source !== undefined ? JSON.rawJSON(context.source) : value;
}
