import type { JsonValue } from "../entry.js";
import { formatJson, formatString, pathStep } from "./json-format.js";
import { findMember, type JsonObjectSpan } from "./json-scan.js";

/** A replacement of `[start, end)` of a text. An insertion is one with `start === end`. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The white space of an object's members, taken from the text so that what we add looks like what is there. */
export interface ObjectLayout {
  /** Before a member's name. */
  readonly lead: string;
  /** Between a member's name and its value. */
  readonly colon: string;
  /** Before the closing brace. */
  readonly closing: string;
}

/** The layout of the outermost object of a file that Python writes. */
const PYTHON_ROOT_LAYOUT: ObjectLayout = { lead: "\n  ", colon: ": ", closing: "\n" };

/** The layout of `object`; an empty one has none, so it gets what fits inside `outer`. */
export function layoutOf(text: string, object: JsonObjectSpan, outer: ObjectLayout | undefined): ObjectLayout {
  const first = object.members[0];
  const last = object.members.at(-1);
  if (first === undefined || last === undefined) return outer ? insideLayout(outer) : PYTHON_ROOT_LAYOUT;
  return {
    lead: text.slice(first.start, first.keyStart),
    colon: text.slice(first.keyEnd, first.valueStart),
    closing: text.slice(last.valueEnd, last.end),
  };
}

/** The layout of an object that is a value inside an object of layout `outer`. */
function insideLayout(outer: ObjectLayout): ObjectLayout {
  if (!outer.lead.includes("\n")) return { lead: "", colon: outer.colon, closing: "" };
  const step = outer.lead.endsWith("\t") ? "\t" : "  ";
  return { lead: outer.lead + step, colon: outer.colon, closing: outer.lead };
}

/** How far the line of a member is indented. */
function indentOf(layout: ObjectLayout): number {
  const newline = layout.lead.lastIndexOf("\n");
  return newline === -1 ? 0 : layout.lead.length - newline - 1;
}

/** What {@link memberSplices} needs to know of the object that it changes. */
export interface MemberTarget {
  readonly object: JsonObjectSpan;
  readonly layout: ObjectLayout;
  /** The usual order of members: a missing one goes after those that usually precede it. Others go to the end. */
  readonly order: readonly string[];
  /** The object's name in errors about values, `""` for none. */
  readonly path: string;
}

/**
 * The splices that give members of one object new values. All other bytes stay. Of equal names the last, which counts,
 * is changed.
 *
 * @throws {NameholdError} `invalid-input` for a value that JSON cannot carry.
 */
export function memberSplices(target: MemberTarget, changes: readonly (readonly [string, JsonValue])[]): Splice[] {
  const { object, layout, path } = target;
  const indent = indentOf(layout);
  const splices: Splice[] = [];
  const added: [key: string, text: string][] = [];
  for (const [key, value] of changes) {
    const member = findMember(object, key);
    const text = formatJson(value, indent, path + pathStep(key));
    if (member) splices.push({ start: member.valueStart, end: member.valueEnd, text });
    else added.push([key, `${layout.lead}${formatString(key)}${layout.colon}${text}`]);
  }
  if (added.length === 0) return splices;
  if (object.members.length > 0) return [...splices, ...added.map(([key, text]) => insertion(target, key, text))];
  const inner = added.map(([, text]) => text).join(",");
  return [{ start: object.start + 1, end: object.end - 1, text: inner + layout.closing }];
}

/** `text` with the splices, which must not overlap; insertions at one place keep their order. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  let result = "";
  let copied = 0;
  for (const splice of splices.toSorted((a, b) => a.start - b.start)) {
    result += text.slice(copied, splice.start) + splice.text;
    copied = splice.end;
  }
  return result + text.slice(copied);
}

/** Puts a member after the last of those that usually precede it, or at the front when there is none. */
function insertion({ object, order }: MemberTarget, key: string, text: string): Splice {
  const rank = order.indexOf(key);
  const before = object.members.findLast((member) => {
    const memberRank = order.indexOf(member.key);
    return rank === -1 || (memberRank !== -1 && memberRank < rank);
  });
  const at = before?.valueEnd ?? object.start + 1;
  return { start: at, end: at, text: before ? `,${text}` : `${text},` };
}
