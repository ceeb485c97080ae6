import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeText, encodeText, keyOf, nameOf } from "../../../src/stores/postgres/encoded-text.js";

const ODD = [
  "",
  "\\",
  "\\\\",
  "\\u0000",
  "\0",
  "\ud800",
  "\udc00\ud800",
  "🤖",
  "a\\\0b\ud83e",
  "caf\u00e9",
  "cafe\u0301",
  "x".repeat(1024),
];
const anyString = fc.oneof(
  fc.constantFrom(...ODD),
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
);

test("any string comes back as it was, and what is kept has no NUL and is well-formed [G10]", () => {
  fc.assert(
    fc.property(anyString, (text) => {
      const kept = encodeText(text);
      expect(decodeText(kept)).toBe(text);
      expect(kept.isWellFormed() && !kept.includes("\0")).toBe(true);
    }),
  );
});

test("two names have one key only when they are one name, and no key is too long for an index [G10]", () => {
  const long = (end: string): string => "\u4e2d".repeat(1000) + end;
  fc.assert(
    fc.property(fc.oneof(anyString, anyString.map(long)), fc.oneof(anyString, anyString.map(long)), (a, b) => {
      expect(keyOf(a).key === keyOf(b).key).toBe(a === b);
      for (const name of [a, b]) {
        const { key, full } = keyOf(name);
        expect(Buffer.byteLength(key)).toBeLessThanOrEqual(500);
        expect(nameOf(key, full)).toBe(name);
      }
    }),
  );
  const hash = keyOf(long("")).key;
  expect(keyOf(hash).key).not.toBe(hash);
});
