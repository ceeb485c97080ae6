import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkName, NAME_LENGTH_MAX, quoteName } from "../../src/core/name.js";

describe("a name", () => {
  it("is any string up to the longest one [G10]", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 512 }), (name) => checkName(name)));
    for (const name of ["", "__proto__", "a\nb", "../x", "x".repeat(NAME_LENGTH_MAX)])
      expect(() => checkName(name)).not.toThrow();
  });

  it("is refused when it is longer, in a message that is not [G12]", () => {
    const name = "x".repeat(NAME_LENGTH_MAX + 1);
    expect(() => checkName(name)).toThrow(expect.objectContaining({ code: "invalid-input" }));
    expect(() => checkName(name)).toThrow(/1025 characters/);
    expect(() => checkName(name)).not.toThrow(name);
  });

  it.each([undefined, null, 7, {}, ["a"], Symbol("a")])("is no other value: %s [G11]", (value) => {
    expect(() => checkName(value)).toThrow(expect.objectContaining({ code: "invalid-input" }));
  });

  it("is quoted so that it can neither forge a line nor steer a terminal [G11]", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (name) => {
        const quoted = quoteName(name);
        expect(/[\p{C}\u2028\u2029]/u.test(quoted)).toBe(false);
        expect(JSON.parse(quoted)).toBe(name);
      }),
    );
  });
});
