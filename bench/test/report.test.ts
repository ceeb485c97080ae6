import { expect, test } from "vitest";
import type { Outcome, ScenarioResult } from "../harness/row.ts";
import { FULL } from "../harness/settings.ts";
import { judgeTargets, type TargetResult } from "../harness/targets.ts";
import { format } from "../report/format.ts";
import { makePage } from "../report/page.ts";
import { reasons, scenarioTable, textTable } from "../report/tables.ts";

function measured(median: number, roundMedians: readonly number[] = [median]): Outcome {
  return { kind: "measured", roundMedians, values: { median, p99: 2 * median, names: 100 } };
}

function scenario(outcomes: Readonly<Record<string, Outcome>>): ScenarioResult {
  const rows = Object.entries(outcomes).map(([id, outcome]) => ({ id, title: id, outcome }));
  const columns = [
    { key: "median", title: "median", unit: "us" as const },
    { key: "p99", title: "p99", unit: "us" as const },
    { key: "lost", title: "lost", unit: "count" as const },
  ];
  return { id: "some", title: "Some", text: "What was done.", columns, rows, tookS: 1 };
}

function verdictOf(targets: readonly TargetResult[], title: RegExp): string | undefined {
  return targets.find((target) => title.test(target.title))?.verdict;
}

test("numbers have three figures and the unit that fits", () => {
  const texts = [0.439, 12.84, 999.6, 1_500, 2_345_678].map((us) => format(us, "us"));
  expect(texts).toEqual(["0.44 µs", "12.8 µs", "1,000 µs", "1.50 ms", "2.35 s"]);
  expect(format(1_234, "count")).toBe("1,234");
  expect(format(undefined, "ms")).toBe("");
});

test("a table leaves out columns that nobody fills, and keeps every row", () => {
  const one = scenario({ a: measured(5), b: { kind: "not-measured", why: "redis-server is not installed" } });
  expect(scenarioTable(one)).toEqual([
    ["", "median", "p99"],
    ["a", "5.00 µs", "10.0 µs"],
    ["b", "not measured", ""],
  ]);
  expect(reasons(one)).toEqual(["Not measured: redis-server is not installed (b)"]);
  expect(textTable(scenarioTable(one))).toMatch(/^b +not measured$/m);
});

test("a target is met, missed, not measured, or failed with its row", () => {
  const verdict = (outcome: Outcome): string | undefined =>
    verdictOf(judgeTargets([scenario({ "start-up/version": outcome })]), /^namehold --version/);
  expect(verdict(measured(120))).toBe("met");
  expect(verdict(measured(121))).toBe("missed");
  expect(verdict({ kind: "not-measured", why: "no" })).toBe("not measured");
  expect(verdict({ kind: "failed", why: "It does not exclude" })).toBe("failed");
});

test("a target between two rows is judged by the ratio of their rounds", () => {
  const rows = {
    "pair/sqlite-full/100": measured(300, [300, 30, 300]),
    "calibration/fdatasync": measured(100, [100, 20, 100]),
  };
  const targets = judgeTargets([scenario(rows)]);
  expect(targets.find(({ title }) => title.startsWith("durable SQLite pair"))?.value).toBe(3);
  expect(verdictOf(targets, /^durable SQLite pair/)).toBe("met");
});

test("the page has every table, the reasons, the conditions and a well-formed chart", () => {
  const scenarios = [
    scenario({ "pair/json/100": measured(900), "pair/redis/100": { kind: "failed", why: "It does not exclude <x>" } }),
  ];
  const { markdown, charts } = makePage({
    date: "2026-01-02T03:04:05.000Z",
    tookS: 600,
    machine: {
      cpu: "Some CPU",
      cores: 2,
      memoryGb: 8,
      kernel: "Linux 6",
      node: "24.0.0",
      fileSystem: "ext4",
      loadBefore: 0.1,
      commit: "abc",
    },
    settings: FULL,
    versions: [{ what: "redis", version: "7", settings: "appendfsync always" }],
    scenarios,
    targets: judgeTargets(scenarios),
  });
  for (const wanted of [
    "| pair/json/100 | 900 µs",
    "FAILED: It does not exclude",
    "Some CPU",
    "ext4",
    "appendfsync always",
  ]) {
    expect(markdown).toContain(wanted);
  }
  expect(markdown).toContain("npm run bench -- --profile");
  const svg = charts.get("benchmarks-pairs.svg") ?? "";
  expect(svg).toMatch(/^<svg [^>]*>[\s\S]*<\/svg>\n$/);
  expect(svg).not.toContain("<x>");
});
