import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonValue } from "../../../src/core/entry.js";
import { NameholdError } from "../../../src/core/errors.js";
import { formatJson, formatString, JSON_WRITE_DEPTH_MAX } from "../../../src/core/text/json-format.js";
import { fixture } from "./fixtures/fixture.js";

function refusal(value: unknown, path?: string): string {
  try {
    return `written: ${formatJson(value as JsonValue, 0, path)}`;
  } catch (error) {
    if (error instanceof NameholdError && error.code === "invalid-input") return error.message;
    throw error;
  }
}

describe("writing JSON", () => {
  const samples = JSON.parse(fixture("python-dumps")) as { value: JsonValue; text: string }[];

  it.each(samples)("writes what Python's json.dumps writes: $text [G10]", ({ value, text }) => {
    expect(formatJson(value)).toBe(text);
  });

  it("continues at the indentation of the line on which it begins [G10]", () => {
    const value = { a: [1], b: { c: "x\ny" } };
    const whole = formatJson({ outer: value });
    expect(`{\n  "outer": ${formatJson(value, 2)}\n}`).toBe(whole);
  });

  it("writes what reads back as the same value [G10]", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
        // JSON has one zero.
        const expected = JSON.parse(JSON.stringify(value)) as unknown;
        expect(JSON.parse(formatJson(value as JsonValue, 3))).toEqual(expected);
      }),
    );
  });

  it("escapes all that is not ASCII, halves of surrogate pairs too [G10]", () => {
    expect(formatString('é\u2028\u{1f916}\ud800"\\/\u007f')).toBe(
      '"\\u00e9\\u2028\\ud83e\\udd16\\ud800\\"\\\\/\\u007f"',
    );
  });

  it("names the path of a value that JSON cannot carry, before anything is written [G11]", () => {
    class Point {
      readonly x = 1;
    }
    const cycle: Record<string, unknown> = {};
    cycle["a"] = [cycle];
    expect([
      refusal({ a: undefined }),
      refusal({ a: [1, Number.NaN] }, "metadata"),
      refusal({ "odd key": { b: Number.POSITIVE_INFINITY } }, "metadata"),
      refusal([() => 1]),
      refusal({ a: 1n }),
      refusal({ a: Symbol("s") }),
      refusal({ when: new Date(0) }),
      refusal({ map: new Map([[1, 2]]) }),
      refusal({ p: new Point() }),
      refusal(Object.assign([], { length: 1 })),
      refusal(cycle),
      refusal(undefined),
    ]).toEqual([
      "a: a value of type undefined cannot be written as JSON",
      "metadata.a[1]: NaN is not a JSON number",
      'metadata["odd key"].b: Infinity is not a JSON number',
      "[0]: a value of type function cannot be written as JSON",
      "a: a value of type bigint cannot be written as JSON",
      "a: a value of type symbol cannot be written as JSON",
      "when: only plain objects and lists can be written as JSON",
      "map: only plain objects and lists can be written as JSON",
      "p: only plain objects and lists can be written as JSON",
      "[0]: a value of type undefined cannot be written as JSON",
      "a[0]: the value contains itself",
      "a value of type undefined cannot be written as JSON",
    ]);
  });

  it("writes one value in two places, and objects without a prototype", () => {
    const shared = Object.assign(Object.create(null) as object, { x: 1 });
    expect(JSON.parse(formatJson([shared, shared]))).toEqual([{ x: 1 }, { x: 1 }]);
  });

  it("bounds how deep a value may nest [G12]", () => {
    const nested = (depth: number): JsonValue => (depth === 0 ? 1 : [nested(depth - 1)]);
    expect(() => formatJson(nested(JSON_WRITE_DEPTH_MAX))).not.toThrow();
    expect(() => formatJson(nested(JSON_WRITE_DEPTH_MAX + 1))).toThrow("deeper than 100 levels");
  });
});
