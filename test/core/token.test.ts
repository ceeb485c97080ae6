import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isNameholdError } from "../../src/core/errors.js";
import { wallMs } from "../../src/core/timing.js";
import { Fence, nextToken } from "../../src/core/token.js";

const YEAR_2255_MS = Date.UTC(2255, 0, 1);

describe("a fencing token", () => {
  it("is above the last one and a safe integer, whatever the wall clock does [G3]", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: YEAR_2255_MS, noNaN: true }), { minLength: 1 }), (times) => {
        let last = 0;
        for (const time of times) {
          const token = nextToken(last, wallMs(time));
          expect(token).toBeGreaterThan(last);
          expect(token).toBeGreaterThanOrEqual(Math.floor(time * 1000));
          expect(Number.isSafeInteger(token)).toBe(true);
          last = token;
        }
      }),
    );
  });

  it("is the wall clock in microseconds, so that it rises when the last one is not known [G3]", () => {
    expect(nextToken(0, wallMs(1_767_225_600_000.125))).toBe(1_767_225_600_000_125);
    expect(nextToken(0, wallMs(1_767_225_600_001))).toBeGreaterThan(nextToken(0, wallMs(1_767_225_600_000)));
  });

  it("is refused when it would not be a safe integer [G3]", () => {
    expect(() => nextToken(Number.MAX_SAFE_INTEGER, wallMs(0))).toThrow(/safe integer/);
    expect(() => nextToken(0, wallMs(Date.UTC(2300, 0, 1)))).toThrow(/clock/);
    expect(() => nextToken(0, wallMs(Number.NaN))).toThrow(/safe integer/);
  });
});

describe("a fence", () => {
  it("lets the same holder pass again, a later one pass, and an earlier one no more [G3, G5]", () => {
    const fence = new Fence();
    fence.assertFence("arm", 5);
    fence.assertFence("arm", 5);
    fence.assertFence("arm", 7);
    expect(codeOf(() => fence.assertFence("arm", 5))).toBe("fenced");
    fence.assertFence("arm", 7);
  });

  it("keeps names apart [G3]", () => {
    const fence = new Fence();
    fence.assertFence("arm", 7);
    fence.assertFence("__proto__", 1);
    expect(codeOf(() => fence.assertFence("__proto__", 0))).toBe("fenced");
  });

  it.each([Number.NaN, -1, 1.5, 2 ** 53, "7", undefined])(
    "does not take %s for a token, and does not remember it [G3]",
    (token) => {
      const fence = new Fence();
      expect(codeOf(() => fence.assertFence("arm", token as number))).toBe("invalid-input");
      fence.assertFence("arm", 0);
    },
  );

  it("agrees with the order of tokens for any sequence [G3]", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 50 })), (tokens) => {
        const fence = new Fence();
        let highest = -1;
        for (const token of tokens) {
          expect(codeOf(() => fence.assertFence("arm", token))).toBe(token < highest ? "fenced" : null);
          highest = Math.max(highest, token);
        }
      }),
    );
  });
});

function codeOf(act: () => void): string | null {
  try {
    act();
    return null;
  } catch (error) {
    if (isNameholdError(error)) return error.code;
    throw error;
  }
}
