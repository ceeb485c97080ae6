import { describe, expect, it } from "vitest";
import { type Check, type FixableFinding, runChecks, worstOf } from "../../src/core/finding.js";

const finding: FixableFinding = { code: "one.two", severity: "warning", what: "w", means: "m", remedy: "r" };

describe("checks", () => {
  it("go on after one that fails, which is a finding itself", async () => {
    const failing = check("failing", () => {
      throw new Error("no such thing");
    });
    const [first, second] = await run([failing, check("well", () => [])]);
    expect(first?.findings).toMatchObject([
      { code: "failing.not-checked", severity: "warning", what: expect.stringContaining("no such thing") },
    ]);
    expect(second).toMatchObject({ check: "well", findings: [] });
  });

  it("settle nothing unless they are asked to, and tell what they did or why not", async () => {
    let fixes = 0;
    const fixable = check("fixable", () => [
      { ...finding, fix: async () => `did it ${++fixes} times` },
      { ...finding, fix: () => Promise.reject(new Error("not mine")) },
    ]);
    const [looked] = await run([fixable]);
    expect([fixes, looked?.findings]).toEqual([0, [finding, finding]]);
    const [settled] = await run([fixable], true);
    expect(settled?.findings).toEqual([
      { ...finding, fixed: "did it 1 times" },
      { ...finding, fixFailed: "not mine" },
    ]);
  });
});

it("the worst of findings is the worst that is not fixed", () => {
  const problem = { ...finding, severity: "problem" } as const;
  expect(worstOf([])).toBe("ok");
  expect(worstOf([{ ...finding, severity: "note" }])).toBe("note");
  expect(worstOf([finding, problem, finding])).toBe("problem");
  expect(worstOf([finding, { ...problem, fixed: "done" }])).toBe("warning");
});

function check(name: string, find: () => readonly FixableFinding[]): Check<null> {
  return { check: name, title: name, examine: () => ({ looked: "it", findings: find() }) };
}

function run(checks: readonly Check<null>[], fix = false) {
  return Array.fromAsync(runChecks(checks, null, { fix }));
}
