import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JSON_DEPTH_MAX, JsonTextError, parseJson, scanObject, scanText } from "../../../src/core/text/json-scan.js";
import { fixture } from "./fixtures/fixture.js";
import { jsonText, metadataText } from "./json-texts.js";

describe("scanning JSON text", () => {
  const samples = JSON.parse(fixture("python-accepts")) as { text: string; accepted: boolean }[];

  it.each(samples)("accepts what Python's json.load accepts, and nothing else: $text [G8]", ({ text, accepted }) => {
    const attempts = [() => scanText(text), () => parseJson(text), () => scanText(`[{"a": ${text}}]`)];
    for (const attempt of attempts) {
      if (accepted) expect(attempt).not.toThrow();
      else expect(attempt).toThrow(JsonTextError);
    }
  });

  it("accepts odd texts that Python accepts [G10]", () => {
    fc.assert(fc.property(jsonText, (text) => scanText(text)));
  });

  it("reads the values that JSON.parse reads [G10]", () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        fc.pre(!/NaN|Infinity/.test(text));
        expect(parseJson(text)).toStrictEqual(JSON.parse(text));
      }),
    );
  });

  it("reads the numbers that JSON has not, but Python writes [G10]", () => {
    expect(parseJson("[NaN, Infinity, -Infinity, 1e400, -1e400]")).toEqual([
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ]);
  });

  it("reads __proto__ as a member like any other [G10]", () => {
    const value = parseJson('{"__proto__": {"a": 1}, "b": NaN}') as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.entries(value)).toEqual([
      ["__proto__", { a: 1 }],
      ["b", Number.NaN],
    ]);
  });

  it("says where the text stops being JSON, and why [G8]", () => {
    const failures = ['{"a": 1,}', '{"a": "x', '["\u0001"]', '"\\q"', "[1 2]", "{} {}", '{"a" 1}', ""].map((text) => {
      try {
        scanText(text);
      } catch (error) {
        return error instanceof JsonTextError && [error.offset, error.reason];
      }
      return undefined;
    });
    expect(failures).toEqual([
      [8, "a member's name was expected"],
      [8, "the text ends early"],
      [2, "a control character stands inside a string"],
      [1, "an escape sequence is not valid"],
      [3, "a comma or ] was expected"],
      [3, "unexpected text after the end"],
      [5, "a colon was expected"],
      [0, "the text ends early"],
    ]);
  });

  it("bounds how deep a text may nest [G12]", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(() => scanText(nested(JSON_DEPTH_MAX))).not.toThrow();
    expect(() => scanText(nested(JSON_DEPTH_MAX + 1))).toThrow("deeper than 500 levels");
    expect(() => parseJson('{"a":'.repeat(1_000_000))).toThrow("deeper than 500 levels");
  });

  it("tells where the members of an object lie [G10]", () => {
    fc.assert(
      fc.property(metadataText, fc.nat({ max: 3 }), (text, offset) => {
        const before = " ".repeat(offset);
        const whole = `${before}${text}, "rest"`;
        const object = scanObject(whole, 0);
        expect(whole.slice(object.start, object.end)).toBe(text);
        const { members } = object;
        const rebuilt = members.map((member) => {
          expect(parseJson(whole.slice(member.keyStart, member.keyEnd))).toBe(member.key);
          expect(() => scanText(whole.slice(member.valueStart, member.valueEnd))).not.toThrow();
          expect(whole.slice(member.valueStart, member.valueEnd).trim()).toHaveLength(
            member.valueEnd - member.valueStart,
          );
          expect(whole.slice(member.keyEnd, member.valueStart).trim()).toBe(":");
          return whole.slice(member.start, member.end);
        });
        if (members.length > 0) expect(`{${rebuilt.join(",")}}`).toBe(text);
      }),
    );
  });
});
