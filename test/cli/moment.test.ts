import { describe, expect, it } from "vitest";
import { describeMoment, parseMoment } from "../../src/cli/moment.js";
import { wallMs } from "../../src/core/timing.js";

const NOW = wallMs(new Date(2026, 10, 23, 14, 30, 15, 500).getTime());

describe("a moment on the command line", () => {
  it.each([
    ["02:13", new Date(2026, 10, 23, 2, 13)],
    ["2:13", new Date(2026, 10, 23, 2, 13)],
    ["02:13:20", new Date(2026, 10, 23, 2, 13, 20)],
    ["14:30:15", new Date(2026, 10, 23, 14, 30, 15)],
    ["14:30:16", new Date(2026, 10, 22, 14, 30, 16)],
    ["23:59", new Date(2026, 10, 22, 23, 59)],
    ["00:00", new Date(2026, 10, 23)],
    ["2026-11-22 02:13", new Date(2026, 10, 22, 2, 13)],
    ["2026-11-22T02:13:20.25", new Date(2026, 10, 22, 2, 13, 20, 250)],
    ["2026-11-22T02:13Z", new Date("2026-11-22T02:13:00Z")],
    ["2026-11-22T02:13:20+01:00", new Date("2026-11-22T01:13:20Z")],
    ["2026-11-22 02:13-0530", new Date("2026-11-22T07:43:00Z")],
    ["-15m", new Date(NOW - 900_000)],
    ["-30d", new Date(NOW - 2_592_000_000)],
    ["1.5h ago", new Date(NOW - 5_400_000)],
  ] as const)("%s is understood", (text, wanted) => {
    expect(parseMoment(text, NOW).from).toBe(wanted.getTime());
  });

  it.each([
    ["02:13", 59_999],
    ["02:13:20", 999],
    ["2026-11-22T02:13:20.2", 99],
    ["2026-11-22T02:13:20.250Z", 0],
    ["2026-11-22T02:13Z", 59_999],
    ["-15m", 0],
  ] as const)("%s means all of what it does not say: %d ms more", (text, moreMs) => {
    const { from, to } = parseMoment(text, NOW);
    expect(to - from).toBe(moreMs);
  });

  it("ends now where it is not over", () => {
    expect(parseMoment("14:30", NOW)).toEqual({ from: NOW - 15_500, to: NOW });
  });

  it.each([
    "",
    "yesterday",
    "24:00",
    "02:60",
    "2",
    "2026-11-22",
    "2026-02-31T02:13",
    "2026-11-22T25:00Z",
    "2026-11-22T02:13+99:99",
  ])("%j is refused with what can be written [G11]", (text) => {
    expect(() => parseMoment(text, NOW)).toThrow("Write a local time (02:13, 02:13:20), a date and time");
  });

  it("that is still to come, or too long ago, is refused by what it was taken for [G11]", () => {
    expect(() => parseMoment("2026-11-24T02:13Z", NOW)).toThrow(/^That is .*2026-11-24T02:13:00Z: still to come\.$/);
    expect(() => parseMoment("-99999999999d", NOW)).toThrow("before 1970");
    expect(() => parseMoment("-15", NOW)).toThrow("Add a unit");
  });

  it("is described in UTC, and where that is not the local time in both", () => {
    const text = describeMoment(wallMs(Date.parse("2026-11-23T02:13:00.900Z")));
    if (new Date(NOW).getTimezoneOffset() === 0) expect(text).toBe("2026-11-23T02:13:00Z");
    else expect(text).toMatch(/^2026-11-2\d \d\d:\d\d:00 \(.*, UTC[+-]\d\d:\d\d\), 2026-11-23T02:13:00Z$/);
  });
});
