import type { JsonValue } from "../entry.js";
import { NameholdError } from "../errors.js";

/** How deep objects and lists may nest. Python's own limit lies near 1,000; a bound keeps the stack safe here too. */
export const JSON_DEPTH_MAX = 500;

/** The text is not JSON as Python's `json.load` accepts it. `offset` counts UTF-16 units from the start of the text. */
export class JsonTextError extends NameholdError {
  readonly offset: number;
  readonly reason: string;

  constructor(reason: string, offset: number) {
    super("damaged", `${reason} at offset ${offset}`);
    this.reason = reason;
    this.offset = offset;
  }
}

/** One member of an object: its name, and where its parts lie in the text. */
export interface JsonMember {
  /** Decoded. */
  readonly key: string;
  /** Just after the `{` or `,` before the member. */
  readonly start: number;
  /** The opening quote of the name. */
  readonly keyStart: number;
  /** Just after the closing quote of the name. */
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Where the `,` or `}` after the member is expected. */
  readonly end: number;
}

/** An object inside a text. Members are in the order of the text; of equal names the last one counts, as in Python. */
export interface JsonObjectSpan {
  /** The opening brace. */
  readonly start: number;
  /** Just after the closing brace. */
  readonly end: number;
  readonly members: readonly JsonMember[];
}

/** Sees the members of one object while the text is scanned, and chooses which of their values to look into. */
export interface JsonVisitor {
  /** Called before a member's value; a visitor that it returns sees the members of that value if it is an object. */
  enter?(key: string): JsonVisitor | undefined;
  /** Called once the member's value is known to be whole, before what follows it has been looked at. */
  member(member: JsonMember): void;
}

/**
 * Validates a whole text as Python's `json.load` does (JSON plus `NaN`, `Infinity`, `-Infinity`; a byte-order mark is
 * refused), in one pass. Values that no visitor looks into are validated and skipped without building anything.
 *
 * @throws {JsonTextError} `damaged`, where the text stops being JSON or nests deeper than {@link JSON_DEPTH_MAX}.
 */
export function scanText(text: string, visitor?: JsonVisitor): void {
  const scanner = new Scanner(text);
  scanner.space();
  scanner.value(1, visitor);
  scanner.finish();
}

/** The object at `start`, its members as spans. What follows the object is not looked at. @throws {JsonTextError} */
export function scanObject(text: string, start = 0): JsonObjectSpan {
  const scanner = new Scanner(text, start);
  if (scanner.space() !== OPEN_BRACE) throw new JsonTextError("an object was expected", scanner.pos);
  const opening = scanner.pos;
  const members: JsonMember[] = [];
  scanner.value(1, { member: (member) => members.push(member) });
  return { start: opening, end: scanner.pos, members };
}

/** The member that counts for `key`: of equal names the last, as in Python. */
export function findMember(object: JsonObjectSpan, key: string): JsonMember | undefined {
  return object.members.findLast((member) => member.key === key);
}

/**
 * The whole text as JavaScript values. Numbers become JavaScript numbers, so big integers are rounded: to keep a
 * value, keep its text. Objects are ordinary ones; a member named `__proto__` is an own data property like any other.
 *
 * @throws {JsonTextError} as {@link scanText}.
 */
export function parseJson(text: string): JsonValue {
  const scanner = new Scanner(text);
  scanner.space();
  const value = scanner.build(1);
  scanner.finish();
  return value;
}

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const SPACE = 0x20;
const LETTER_U = 0x75;
/** What may follow a backslash, `u` aside. */
const ESCAPES: ReadonlySet<number> = new Set([...'"\\/bfnrt'].map((letter) => letter.charCodeAt(0)));

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const FOUR_HEX_DIGITS = /[0-9A-Fa-f]{4}/y;
const CONSTANTS: ReadonlyMap<string, JsonScalar> = new Map<string, JsonScalar>([
  ["null", null],
  ["true", true],
  ["false", false],
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

type JsonScalar = null | boolean | number;
type KeySpan = Pick<JsonMember, "start" | "keyStart" | "keyEnd">;

/** A cursor over the text. Each method expects the cursor on the first character of what it passes. */
class Scanner {
  pos: number;
  readonly #text: string;

  constructor(text: string, pos = 0) {
    this.#text = text;
    this.pos = pos;
  }

  /** Passes white space; answers the character code that follows, NaN at the end. */
  space(): number {
    const text = this.#text;
    let pos = this.pos;
    let code = text.charCodeAt(pos);
    while (code === SPACE || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++pos);
    this.pos = pos;
    return code;
  }

  finish(): void {
    this.space();
    if (this.pos < this.#text.length) throw new JsonTextError("unexpected text after the end", this.pos);
  }

  /** Passes a value; `visitor` sees its members if it is an object. */
  value(depth: number, visitor?: JsonVisitor): void {
    switch (this.#text.charCodeAt(this.pos)) {
      case QUOTE:
        this.#string();
        return;
      case OPEN_BRACE:
        this.#members(depth, visitor && ((spans) => this.#visit(visitor, spans, depth + 1)));
        return;
      case OPEN_BRACKET:
        this.#elements(depth, undefined);
        return;
      default:
        this.#scalar();
    }
  }

  /** Passes a value and answers it. */
  build(depth: number): JsonValue {
    const start = this.pos;
    switch (this.#text.charCodeAt(start)) {
      case QUOTE:
        this.#string();
        return this.#decode(start, this.pos);
      case OPEN_BRACE: {
        const object: Record<string, JsonValue> = {};
        this.#members(depth, ({ keyStart, keyEnd }) => {
          setOwn(object, this.#decode(keyStart, keyEnd), this.build(depth + 1));
        });
        return object;
      }
      case OPEN_BRACKET: {
        const list: JsonValue[] = [];
        this.#elements(depth, () => list.push(this.build(depth + 1)));
        return list;
      }
      default:
        return this.#scalar();
    }
  }

  #visit(visitor: JsonVisitor, { start, keyStart, keyEnd }: KeySpan, depth: number): void {
    const key = this.#decode(keyStart, keyEnd);
    const valueStart = this.pos;
    this.value(depth, visitor.enter?.(key));
    const valueEnd = this.pos;
    this.space();
    visitor.member({ key, start, keyStart, keyEnd, valueStart, valueEnd, end: this.pos });
  }

  /** Passes an object. `each` is called with the cursor on a member's value, and has to pass it. */
  #members(depth: number, each: ((spans: KeySpan) => void) | undefined): void {
    let start = this.#open(depth);
    if (this.space() === CLOSE_BRACE) {
      this.pos++;
      return;
    }
    for (;;) {
      const keyStart = this.pos;
      if (this.#text.charCodeAt(keyStart) !== QUOTE) this.#fail("a member's name was expected");
      this.#string();
      const keyEnd = this.pos;
      if (this.space() !== COLON) this.#fail("a colon was expected");
      this.pos++;
      this.space();
      if (each === undefined) this.value(depth + 1);
      else each({ start, keyStart, keyEnd });
      if (this.#closed(CLOSE_BRACE)) return;
      start = this.pos;
      this.space();
    }
  }

  /** Passes a list. `each` is called with the cursor on an element, and has to pass it. */
  #elements(depth: number, each: (() => void) | undefined): void {
    this.#open(depth);
    if (this.space() === CLOSE_BRACKET) {
      this.pos++;
      return;
    }
    for (;;) {
      if (each === undefined) this.value(depth + 1);
      else each();
      if (this.#closed(CLOSE_BRACKET)) return;
      this.space();
    }
  }

  #open(depth: number): number {
    if (depth > JSON_DEPTH_MAX) this.#fail(`values nest deeper than ${JSON_DEPTH_MAX} levels`);
    this.pos++;
    return this.pos;
  }

  /** Passes the comma or the closing bracket after a member or an element; answers whether it was the bracket. */
  #closed(bracket: number): boolean {
    const code = this.space();
    if (code !== bracket && code !== COMMA) this.#fail(`a comma or ${String.fromCharCode(bracket)} was expected`);
    this.pos++;
    return code === bracket;
  }

  #string(): void {
    const text = this.#text;
    let pos = this.pos + 1;
    for (;;) {
      const code = text.charCodeAt(pos);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        this.pos = pos;
        pos += this.#escapeLength();
      } else if (code >= SPACE) {
        pos++;
      } else {
        this.pos = pos;
        this.#fail("a control character stands inside a string");
      }
    }
    this.pos = pos + 1;
  }

  #escapeLength(): number {
    const code = this.#text.charCodeAt(this.pos + 1);
    if (ESCAPES.has(code)) return 2;
    FOUR_HEX_DIGITS.lastIndex = this.pos + 2;
    if (code === LETTER_U && FOUR_HEX_DIGITS.test(this.#text)) return 6;
    return this.#fail("an escape sequence is not valid");
  }

  #scalar(): JsonScalar {
    const start = this.pos;
    NUMBER.lastIndex = start;
    if (NUMBER.test(this.#text)) {
      this.pos = NUMBER.lastIndex;
      return Number(this.#text.slice(start, this.pos));
    }
    for (const [word, value] of CONSTANTS) {
      if (!this.#text.startsWith(word, start)) continue;
      this.pos += word.length;
      return value;
    }
    return this.#fail("a value was expected");
  }

  #decode(start: number, end: number): string {
    const inner = this.#text.slice(start + 1, end - 1);
    return inner.includes("\\") ? (JSON.parse(`"${inner}"`) as string) : inner;
  }

  #fail(reason: string): never {
    throw new JsonTextError(this.pos < this.#text.length ? reason : "the text ends early", this.pos);
  }
}

function setOwn(object: Record<string, JsonValue>, key: string, value: JsonValue): void {
  // Assignment would set the prototype instead.
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}
