import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NameholdError } from "../../../src/core/errors.js";
import { formatDatetime, parseDatetime } from "../../../src/core/text/datetime-text.js";
import { wallMs } from "../../../src/core/timing.js";
import { fixture } from "./fixtures/fixture.js";

describe("datetimes in the registry file", () => {
  const samples = JSON.parse(fixture("python-datetimes")) as { value: string | number; micros: number | null }[];

  it.each(samples)("reads $value as pydantic does [G10]", ({ value, micros }) => {
    const time = parseDatetime(value);
    if (micros === null) {
      expect(time).toBeUndefined();
    } else {
      // Far from 1970 a double has no microseconds left.
      const tolerance = Math.max(0.25, Math.abs(micros) * Number.EPSILON);
      expect(Math.abs((time ?? Number.NaN) * 1000 - micros)).toBeLessThanOrEqual(tolerance);
    }
  });

  it("writes UTC with Z and always six digits [G10]", () => {
    const at = Date.UTC(2026, 10, 23, 12);
    expect([at, at + 123, at + 0.001, at + 0.0007, at - 0.001].map((time) => formatDatetime(wallMs(time)))).toEqual([
      "2026-11-23T12:00:00.000000Z",
      "2026-11-23T12:00:00.123000Z",
      "2026-11-23T12:00:00.000001Z",
      "2026-11-23T12:00:00.000001Z",
      "2026-11-23T11:59:59.999999Z",
    ]);
    expect(formatDatetime(wallMs(-0.001))).toBe("1969-12-31T23:59:59.999999Z");
    expect(formatDatetime(wallMs(Date.parse("0001-01-01")))).toBe("0001-01-01T00:00:00.000000Z");
  });

  it("keeps every microsecond of our times through writing and reading [G10]", () => {
    const micros = fc.integer({ min: 0, max: Date.UTC(2100, 0) * 1000 });
    fc.assert(
      fc.property(micros, (value) => {
        const text = formatDatetime(wallMs(value / 1000));
        expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
        expect(parseDatetime(text)).toBe(value / 1000);
      }),
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Date.parse("+010000-01-01"), Date.parse("0001-01-01") - 1])(
    "refuses to write %d, which Python could not read [G9]",
    (time) => {
      expect(() => formatDatetime(wallMs(time))).toThrow(NameholdError);
    },
  );
});
