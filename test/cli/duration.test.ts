import { expect, test } from "vitest";
import { parseDuration } from "../../src/cli/duration.js";

test.each([
  ["500ms", 500],
  ["60s", 60_000],
  ["1.5m", 90_000],
  ["1h", 3_600_000],
  ["2d", 172_800_000],
  ["0s", 0],
])("the duration %s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test("a number without a unit is refused with the two things that it may mean", () => {
  expect(() => parseDuration("60")).toThrow("Add a unit: 60s for seconds, 60ms for milliseconds.");
});

test.each(["", "s", "-1s", "1w", "1e3s", "1s 2s", "∞"])("%j is no duration", (text) => {
  expect(() => parseDuration(text)).toThrow("Write a number and a unit");
});

test("a duration that overflows a timer is refused [G12]", () => {
  expect(() => parseDuration("597h")).toThrow("At most 596h.");
});
