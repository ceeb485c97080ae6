import { findMember, parseJson, scanObject } from "./json-scan.js";

/** The ID in an entry's text, without reading the rest; "" when there is none. */
export function entryIdOf(entryText: string): string {
  const member = findMember(scanObject(entryText), "id");
  const id = member === undefined ? "" : parseJson(entryText.slice(member.valueStart, member.valueEnd));
  return typeof id === "string" ? id : "";
}
