import type { JsonValue } from "../entry.js";
import { NameholdError } from "../errors.js";

/** How deep a value that we write may nest. */
export const JSON_WRITE_DEPTH_MAX = 100;

/**
 * The text that Python's `json.dumps(value, indent=2)` makes: non-ASCII escaped, `{}` and `[]` when empty.
 *
 * @param indentSpaces how far the line is indented on which the value begins; the lines after it continue from there.
 * @param path what the value is called in an error, `""` for nothing.
 * @throws {NameholdError} `invalid-input`, naming the offending value's path, for what JSON cannot carry: undefined,
 * functions, NaN, infinities, bigints, class instances, cycles, more than {@link JSON_WRITE_DEPTH_MAX} levels.
 */
export function formatJson(value: JsonValue, indentSpaces = 0, path = ""): string {
  return new Formatter(path).format(value, "\n".padEnd(indentSpaces + 1));
}

/** A string as Python writes it, quotes included: ASCII only, each half of a surrogate pair escaped by itself. */
export function formatString(value: string): string {
  return `"${value.replace(ESCAPED, escapeUnit)}"`;
}

/** How a member is named after the path of its object, in errors. */
export function pathStep(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

const ESCAPED = /[^ -~]|["\\]/g;
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

function escapeUnit(unit: string): string {
  return SHORT_ESCAPES[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

class Formatter {
  readonly #path: string[];
  /** The objects and lists around the current value. */
  readonly #ancestors: object[] = [];

  constructor(path: string) {
    this.#path = path === "" ? [] : [path];
  }

  format(value: unknown, newline: string): string {
    switch (typeof value) {
      case "string":
        return formatString(value);
      case "boolean":
        return String(value);
      case "number":
        if (!Number.isFinite(value)) this.#refuse(`${value} is not a JSON number`);
        return JSON.stringify(value);
      case "object":
        return value === null ? "null" : this.#container(value, newline);
      default:
        return this.#refuse(`a value of type ${typeof value} cannot be written as JSON`);
    }
  }

  #container(value: object, newline: string): string {
    if (this.#ancestors.includes(value)) this.#refuse("the value contains itself");
    if (this.#ancestors.length === JSON_WRITE_DEPTH_MAX) {
      this.#refuse(`values nest deeper than ${JSON_WRITE_DEPTH_MAX} levels`);
    }
    this.#ancestors.push(value);
    const text = Array.isArray(value) ? this.#list(value, newline) : this.#object(value, newline);
    this.#ancestors.pop();
    return text;
  }

  #list(list: readonly unknown[], newline: string): string {
    if (list.length === 0) return "[]";
    const inner = `${newline}  `;
    // Not map(), which passes over holes.
    const items = Array.from(list, (item, index) => this.#at(`[${index}]`, item, inner));
    return `[${inner}${items.join(`,${inner}`)}${newline}]`;
  }

  #object(object: object, newline: string): string {
    if (!isPlain(object)) this.#refuse("only plain objects and lists can be written as JSON");
    const members = Object.entries(object);
    if (members.length === 0) return "{}";
    const inner = `${newline}  `;
    const items = members.map(([key, item]) => `${formatString(key)}: ${this.#at(pathStep(key), item, inner)}`);
    return `{${inner}${items.join(`,${inner}`)}${newline}}`;
  }

  #at(step: string, value: unknown, newline: string): string {
    this.#path.push(step);
    const text = this.format(value, newline);
    this.#path.pop();
    return text;
  }

  #refuse(reason: string): never {
    const path = this.#path.join("").replace(/^\./, "");
    throw new NameholdError("invalid-input", path === "" ? reason : `${path}: ${reason}`);
  }
}

/** Literals and `Object.create(null)`, of any realm; not dates, maps or class instances, which would lose their content. */
function isPlain(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
