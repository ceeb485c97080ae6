import { RegistryError } from "../errors.js";
import type { WallMs } from "../timing.js";
import { formatDatetime } from "./datetime-text.js";
import { applySplices, layoutOf, memberSplices, type ObjectLayout } from "./json-edit.js";
import { formatJson, formatString } from "./json-format.js";
import { findMember, scanObject } from "./json-scan.js";
import { refuseEntry, type ScannedRegistry, salvageEntries, scanRegistry } from "./registry-scan.js";

/**
 * The registry file as text that can be changed entry by entry: what was not changed is written back to the letter,
 * whatever its white space, number forms, unknown members and order. Entries are known here by name and text only;
 * `entry-text.ts` reads and edits them. Of equal names the last counts, as in Python.
 *
 * `toString` is linear in the text, `clone` in the number of entries; the rest costs what it touches.
 *
 * @see docs/SPEC.md#G10
 */
export class RegistryDocument {
  /** The root object with its entries taken out: the `{}` of its `entries` member stands for them. */
  #shell: string;
  /** The entries in the order of the file. A symbol is the key of one that a later entry of the same name overrides. */
  readonly #slots: Map<string | symbol, Slot>;
  #overridden: number;
  /** The white space before the closing brace of the entries. */
  #closing: string;
  readonly #layout: ObjectLayout;

  private constructor(state: DocumentState) {
    this.#shell = state.shell;
    this.#slots = state.slots;
    this.#overridden = state.overridden;
    this.#closing = state.closing;
    this.#layout = state.layout;
  }

  /**
   * @throws {RegistryDamage} `damaged`, with the reason, for a text that Python refuses, too: no JSON, no object, no object
   * of entries in it, or an entry that is no object with a string `id`. Other oddities are each entry's own. Also for
   * what Python reads as it can: an object without entries that has members of another kind of file, and an unknown
   * `version`.
   */
  static parse(text: string): RegistryDocument {
    return new RegistryDocument(takeApart(text, scanRegistry(text)));
  }

  /** A new registry without entries, as Python would begin it. */
  static empty(now: WallMs): RegistryDocument {
    const time = formatDatetime(now);
    return RegistryDocument.parse(formatJson({ version: 1, created_at: time, updated_at: time, entries: {} }));
  }

  /**
   * The entries that are whole in a torn text: a prefix of a registry, perhaps with foreign bytes after it. Nothing is
   * completed or guessed; what is not an object with a string `id` is left out. Empty for a text that holds none. Only
   * the last entry can be other than it was written: where foreign bytes happen to close it.
   *
   * @see docs/SPEC.md#G8
   */
  static salvage(text: string): ReadonlyMap<string, string> {
    return salvageEntries(text);
  }

  get size(): number {
    return this.#slots.size - this.#overridden;
  }

  /** The JSON text of `created_at`, quotes included. */
  get createdAt(): string | undefined {
    return this.#rootText("created_at");
  }

  /** The JSON text of `updated_at`, which every writer sets anew, quotes included. */
  get updatedAt(): string | undefined {
    return this.#rootText("updated_at");
  }

  *names(): IterableIterator<string> {
    for (const key of this.#slots.keys()) if (typeof key === "string") yield key;
  }

  has(name: string): boolean {
    return this.#slots.has(name);
  }

  /** The entry's object as it stands in the file. */
  entryText(name: string): string | undefined {
    const slot = this.#slots.get(name);
    return slot?.source.slice(slot.valueStart, slot.valueEnd);
  }

  /**
   * Replaces the entry in its place, or adds it at the end.
   *
   * @throws {RegistryDamage} when `text` is not an object with a string `id`.
   */
  setEntry(name: string, text: string): void {
    refuseEntry(name, text);
    const slot = this.#slots.get(name);
    if (slot === undefined) {
      this.#append(name, text);
    } else if (this.entryText(name) !== text) {
      const before = slot.source.slice(slot.start, slot.valueStart);
      const after = slot.source.slice(slot.valueEnd, slot.end);
      this.#slots.set(name, newSlot(before, text, after));
    }
  }

  /** Answers whether there was such an entry. */
  removeEntry(name: string): boolean {
    const removed = this.#slots.delete(name);
    if (removed && this.#overridden > 0) this.#removeOverridden(name);
    if (this.#slots.size === 0) this.#closing = "";
    return removed;
  }

  /**
   * Moves the entry to the end under its new name, as Python's dict does; its text stays as it is.
   *
   * @throws {RegistryError} `not-found` without `from`, `already-exists` with `to`.
   */
  renameEntry(from: string, to: string): void {
    const text = this.entryText(from);
    if (text === undefined) throw new RegistryError("not-found", `there is no entry '${from}'`, { name: from });
    if (this.has(to)) throw new RegistryError("already-exists", `there is already an entry '${to}'`, { name: to });
    this.removeEntry(from);
    this.#append(to, text);
  }

  setUpdatedAt(now: WallMs): void {
    this.#shell = setRootMember(this.#shell, "updated_at", formatDatetime(now));
  }

  /** A copy that can be changed, and thrown away, without a trace in this one. */
  clone(): RegistryDocument {
    return new RegistryDocument({
      shell: this.#shell,
      slots: new Map(this.#slots),
      overridden: this.#overridden,
      closing: this.#closing,
      layout: this.#layout,
    });
  }

  toString(): string {
    const entries = findMember(scanObject(this.#shell), "entries");
    if (entries === undefined) return this.#shell;
    const at = entries.valueStart + 1;
    return this.#shell.slice(0, at) + joinSlots(this.#slots.values()) + this.#closing + this.#shell.slice(at);
  }

  #rootText(key: string): string | undefined {
    const member = findMember(scanObject(this.#shell), key);
    return member && this.#shell.slice(member.valueStart, member.valueEnd);
  }

  #append(name: string, text: string): void {
    if (this.#slots.size === 0) {
      this.#closing = this.#layout.closing;
      if (!findMember(scanObject(this.#shell), "entries")) this.#shell = setRootMember(this.#shell, "entries", {});
    }
    this.#slots.set(name, newSlot(this.#layout.lead + formatString(name) + this.#layout.colon, text, ""));
  }

  #removeOverridden(name: string): void {
    for (const key of this.#slots.keys()) {
      if (typeof key !== "symbol" || key.description !== name) continue;
      this.#slots.delete(key);
      this.#overridden--;
    }
  }
}

interface DocumentState {
  readonly shell: string;
  readonly slots: Map<string | symbol, Slot>;
  readonly overridden: number;
  readonly closing: string;
  readonly layout: ObjectLayout;
}

/** The part of a text between two commas that holds one entry, with its name and the white space around. */
interface Slot {
  readonly source: string;
  readonly start: number;
  readonly end: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const ROOT_ORDER = ["version", "created_at", "updated_at", "entries"] as const;

function takeApart(text: string, { span, object }: ScannedRegistry): DocumentState {
  const shell = span ? `${text.slice(0, span.valueStart)}{}${text.slice(span.valueEnd)}` : text;
  const layout = layoutOf(text, object, layoutOf(shell, scanObject(shell), undefined));
  const { members } = object;
  if (members.length === 0) {
    const closing = span ? text.slice(span.valueStart + 1, span.valueEnd - 1) : "";
    return { shell, slots: new Map(), overridden: 0, closing, layout };
  }
  const lastOf = new Map(members.map((member, index) => [member.key, index]));
  const slots = new Map<string | symbol, Slot>();
  for (const [index, { key, start, end, valueStart, valueEnd }] of members.entries()) {
    // The white space after the last entry belongs to the closing brace, and stays when the entry goes.
    const slotEnd = index === members.length - 1 ? valueEnd : end;
    const slotKey = lastOf.get(key) === index ? key : Symbol(key);
    slots.set(slotKey, { source: text, start, end: slotEnd, valueStart, valueEnd });
  }
  return { shell, slots, overridden: members.length - lastOf.size, closing: layout.closing, layout };
}

function newSlot(before: string, value: string, after: string): Slot {
  const source = before + value + after;
  const valueEnd = before.length + value.length;
  return { source, start: 0, end: source.length, valueStart: before.length, valueEnd };
}

/** Neighbours in one source, most of a file, are copied as one piece. */
function joinSlots(slots: Iterable<Slot>): string {
  const pieces: string[] = [];
  let source = "";
  let start = 0;
  let end = -1;
  for (const slot of slots) {
    if (end !== -1 && slot.start === end + 1 && slot.source === source) {
      end = slot.end;
      continue;
    }
    if (end !== -1) pieces.push(source.slice(start, end));
    ({ source, start, end } = slot);
  }
  if (end !== -1) pieces.push(source.slice(start, end));
  return pieces.join(",");
}

function setRootMember(shell: string, key: string, value: string | Record<string, never>): string {
  const object = scanObject(shell);
  const layout = layoutOf(shell, object, undefined);
  return applySplices(shell, memberSplices({ object, layout, order: ROOT_ORDER, path: "" }, [[key, value]]));
}
