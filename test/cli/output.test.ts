import { expect, test } from "vitest";
import { displayName, printable } from "../../src/cli/output.js";

test("text from a registry cannot steer a terminal or forge a line", () => {
  expect(printable("a\u001b[31m\nnamehold: b\u202e\u0085")).toBe("a\\u001b[31m\\u000anamehold: b\\u202e\\u0085");
});

test.each([
  ["liquidhandler_1", "liquidhandler_1"],
  ["größe 2", "größe 2"],
  ["", '""'],
  [" a", '" a"'],
  ['say "x"', '"say \\"x\\""'],
  ["a\nb", '"a\\nb"'],
  ["\ud800", '"\\ud800"'],
])("the name %j is shown as %s", (name, shown) => {
  expect(displayName(name)).toBe(shown);
});
