import { RegistryError } from "../errors.js";
import {
  type JsonMember,
  type JsonObjectSpan,
  JsonTextError,
  type JsonVisitor,
  parseJson,
  scanText,
} from "./json-scan.js";

/** In what way a text is not a registry. */
export type DamageReason =
  | "empty"
  | "byte-order-mark"
  | "not-json"
  | "null"
  | "not-an-object"
  | "no-registry"
  | "unknown-version"
  | "entries-not-an-object"
  | "entry-not-an-object"
  | "entry-without-id";

/** The text is no registry; it must not be read as an empty one. @see docs/SPEC.md#G8 */
export class RegistryDamage extends RegistryError {
  readonly reason: DamageReason;

  constructor(reason: DamageReason, message: string, details: { name?: string; cause?: unknown } = {}) {
    super("damaged", message, details);
    this.reason = reason;
  }
}

/** Where the entries lie in a registry's text. */
export interface ScannedRegistry {
  /** The member of the root that holds the entries. */
  readonly span: JsonMember | undefined;
  /** The entries; empty when there is no such member. */
  readonly object: JsonObjectSpan;
}

/** @throws {RegistryDamage} for a text that is not a registry. */
export function scanRegistry(text: string): ScannedRegistry {
  if (text.startsWith("\ufeff"))
    throw new RegistryDamage("byte-order-mark", "the registry begins with a byte-order mark");
  if (text.trim() === "") throw new RegistryDamage("empty", "the registry is empty");
  const entries = new EntryCollector(text);
  try {
    scanText(text, entries.root);
  } catch (error) {
    throw asDamage(error, "the registry is not valid JSON");
  }
  if (text.trim() === "null") throw new RegistryDamage("null", "the registry is null");
  if (!text.trimStart().startsWith("{")) throw new RegistryDamage("not-an-object", "the registry is not an object");
  return entries.finish();
}

/** The entries that are whole in a torn text, by name. */
export function salvageEntries(text: string): ReadonlyMap<string, string> {
  const bare = text.startsWith("\ufeff") ? text.slice(1) : text;
  const entries = new EntryCollector(bare);
  try {
    scanText(bare, entries.root);
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
  }
  return entries.whole();
}

/** @throws {RegistryDamage} when `text` is not one object with a string `id`. */
export function refuseEntry(name: string, text: string): void {
  const check = new EntryCheck(text);
  try {
    scanText(text, check);
  } catch (error) {
    throw asDamage(error, `the text of entry '${name}' is not valid JSON`);
  }
  const flaw = check.flawOf(0);
  if (flaw) throw flawError(flaw, name);
}

type EntryFlaw = "entry-not-an-object" | "entry-without-id";

/** What a registry has beside its entries. */
const ROOT_MEMBERS: ReadonlySet<string> = new Set(["version", "created_at", "updated_at", "entries"]);
const VERSION = 1;
const OPEN_BRACE = 0x7b;
const QUOTE = 0x22;

/** Sees the members of one entry after the other, and tells whether the last one seen has a string `id`. */
class EntryCheck implements JsonVisitor {
  readonly #text: string;
  #hasId = false;

  constructor(text: string) {
    this.#text = text;
  }

  restart(): this {
    this.#hasId = false;
    return this;
  }

  member({ key, valueStart }: JsonMember): void {
    if (key === "id") this.#hasId = this.#text.charCodeAt(valueStart) === QUOTE;
  }

  flawOf(valueStart: number): EntryFlaw | undefined {
    if (this.#text.charCodeAt(valueStart) !== OPEN_BRACE) return "entry-not-an-object";
    return this.#hasId ? undefined : "entry-without-id";
  }
}

/** Collects the entries while a text is scanned. */
class EntryCollector {
  readonly #text: string;
  readonly #check: EntryCheck;
  #members: JsonMember[] = [];
  #flaws = new Map<string, EntryFlaw>();
  #span: JsonMember | undefined;
  #version: JsonMember | undefined;
  /** A member that registries have not. */
  #foreign: string | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#check = new EntryCheck(text);
  }

  readonly root: JsonVisitor = {
    enter: (key) => {
      if (key !== "entries") return undefined;
      // A second member of this name overrides the first.
      this.#members = [];
      this.#flaws = new Map();
      return this.#entries;
    },
    member: (member) => {
      if (member.key === "entries") this.#span = member;
      if (member.key === "version") this.#version = member;
      if (!ROOT_MEMBERS.has(member.key)) this.#foreign ??= member.key;
    },
  };

  readonly #entries: JsonVisitor = {
    enter: () => this.#check.restart(),
    member: (member) => {
      this.#members.push(member);
      const flaw = this.#check.flawOf(member.valueStart);
      if (flaw) this.#flaws.set(member.key, flaw);
      else this.#flaws.delete(member.key);
    },
  };

  finish(): ScannedRegistry {
    const span = this.#span;
    if (span === undefined && this.#foreign !== undefined) {
      const what = `the file has no entries, but the member ${JSON.stringify(this.#foreign)}: it belongs to another program`;
      throw new RegistryDamage("no-registry", what);
    }
    this.#checkVersion();
    if (span === undefined) return { span, object: { start: 0, end: 0, members: [] } };
    if (this.#text.charCodeAt(span.valueStart) !== OPEN_BRACE) {
      throw new RegistryDamage("entries-not-an-object", "the registry's entries are not an object");
    }
    for (const [name, flaw] of this.#flaws) throw flawError(flaw, name);
    return { span, object: { start: span.valueStart, end: span.valueEnd, members: this.#members } };
  }

  #checkVersion(): void {
    if (this.#version === undefined) return;
    const text = this.#text.slice(this.#version.valueStart, this.#version.valueEnd);
    const version = parseJson(text);
    // Pydantic takes `1`, `1.0` and `"1"`.
    if (version === VERSION || version === String(VERSION)) return;
    throw new RegistryDamage("unknown-version", `the registry is of version ${text}, which is not known here`);
  }

  whole(): ReadonlyMap<string, string> {
    const texts = new Map(
      this.#members.map((entry) => [entry.key, this.#text.slice(entry.valueStart, entry.valueEnd)]),
    );
    for (const name of this.#flaws.keys()) texts.delete(name);
    return texts;
  }
}

function flawError(flaw: EntryFlaw, name: string): RegistryDamage {
  const what = flaw === "entry-not-an-object" ? "is not an object" : "has no id that is a string";
  return new RegistryDamage(flaw, `entry '${name}' ${what}`, { name });
}

function asDamage(error: unknown, what: string): RegistryDamage {
  if (!(error instanceof JsonTextError)) throw error;
  return new RegistryDamage("not-json", `${what}: ${error.message}`, { cause: error });
}
