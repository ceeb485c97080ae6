import type { Row, ScenarioResult } from "../harness/row.ts";
import { type Bar, barChart } from "./chart.ts";
import { micros } from "./format.ts";
import type { RunResult } from "./run-result.ts";
import { markdownTable, reasons, scenarioTable, targetTable } from "./tables.ts";

export interface Page {
  readonly markdown: string;
  /** File name → SVG. */
  readonly charts: ReadonlyMap<string, string>;
}

const PAIR_CHART = "benchmarks-pairs.svg";
const TAKEOVER_CHART = "benchmarks-takeover.svg";
const OWN = ["json", "sqlite", "sqlite-full", "postgres", "etcd"];

/** docs/benchmarks.md and its charts, of one run and nothing else. */
export function makePage(run: RunResult): Page {
  const charts = new Map<string, string>();
  const chart = (file: string, title: string, bars: readonly Bar[]): readonly string[] => {
    if (bars.length === 0) return [];
    charts.set(file, barChart(title, bars));
    return [`![${title}](${file})`, ""];
  };
  const pairs = run.scenarios.flatMap(({ rows }) => rows).filter(({ id }) => /^(pair|calibration)\//.test(id));
  const kills = run.scenarios.flatMap(({ rows }) => rows).filter(({ id }) => id.startsWith("takeover/usual/"));
  const markdown = [
    "# Benchmarks",
    "",
    "<!-- Made by `npm run bench` from bench/results.json. Do not edit: change bench/report/. -->",
    "",
    "namehold against everything else a user could pick, in one run on one machine. Absolute times belong to that machine; ratios travel better. Rounds are interleaved (A B C A B C …), medians are of all samples, ratios are medians of ratios of the same round. No row is measured whose lock was not first seen to exclude two processes.",
    "",
    ...chart(PAIR_CHART, "Acquire + release, uncontended: median, line to p99", pairBars(pairs)),
    ...chart(TAKEOVER_CHART, "Takeover after kill -9, usual settings: median, line to p99", takeoverBars(kills)),
    "## Targets",
    "",
    markdownTable(targetTable(run.targets)),
    "",
    ...missedNotes(run),
    ...run.scenarios.flatMap(section),
    ...conditions(run),
    "## How to repeat it",
    "",
    "```sh",
    "npm ci && npm run bench             # all of it, less than 20 minutes on two cores; writes this page",
    "npm run bench -- --quick            # less than 2 minutes; writes to .cache/bench/ only",
    "npm run bench -- --only hand-off    # rows whose id contains it",
    "npm run bench -- --profile pair/sqlite/100",
    "```",
    "",
    "What is missing on the machine is named in its row, with how to get it. See bench/README.md.",
    "",
  ].join("\n");
  return { markdown, charts };
}

function missedNotes({ targets }: RunResult): readonly string[] {
  const missed = targets.filter(({ verdict }) => verdict === "missed" || verdict === "failed");
  if (missed.length === 0) return [];
  const rows = [...new Set(missed.map(({ row }) => row))];
  return [
    "Where the time of a missed one goes:",
    "",
    ...rows.map((row) => `- \`npm run bench -- --profile ${row}\``),
    "",
  ];
}

function section(scenario: ScenarioResult): readonly string[] {
  const why = reasons(scenario).map((reason) => `- ${reason}`);
  return [
    `## ${scenario.title}`,
    "",
    scenario.text,
    "",
    markdownTable(scenarioTable(scenario)),
    "",
    ...(why.length === 0 ? [] : [...why, ""]),
  ];
}

function conditions({ date, tookS, machine, settings, versions }: RunResult): readonly string[] {
  const { cpu, cores, memoryGb, kernel, fileSystem, node, commit, loadBefore } = machine;
  return [
    "## Conditions",
    "",
    `${date.slice(0, 10)}, commit ${commit}, a ${settings.kind} run of ${Math.round(tookS / 60)} min. ${cpu}, ${cores} cores, ${memoryGb} GB; ${kernel}; ${fileSystem}; Node ${node}. Load before the run: ${loadBefore.toFixed(2)}.`,
    "",
    markdownTable([
      ["what", "version", "settings"],
      ...versions.map(({ what, version, settings: chosen }) => [what, version, chosen]),
    ]),
    "",
  ];
}

function pairBars(rows: readonly Row[]): readonly Bar[] {
  return rows
    .flatMap((row): readonly Bar[] => {
      const { median, p99, names } = numbersOf(row);
      if (median === undefined || p99 === undefined) return [];
      const [group = "", subject = ""] = row.id.split("/");
      const kind = group === "calibration" ? "floor" : OWN.includes(subject) ? "own" : "peer";
      const hasNames = OWN.includes(subject) || subject === "madsci" || row.id.startsWith("calibration/sqlite");
      const label = hasNames ? `${row.title}, ${names?.toLocaleString("en-US")} names` : row.title;
      return [{ label, value: median, reach: p99, kind }];
    })
    .toSorted((a, b) => a.value - b.value);
}

function takeoverBars(rows: readonly Row[]): readonly Bar[] {
  return rows
    .flatMap((row): readonly Bar[] => {
      const { median, p99 } = numbersOf(row);
      if (median === undefined || p99 === undefined) return [];
      const kind = OWN.includes(row.id.split("/")[2] ?? "") ? "own" : "peer";
      return [{ label: row.title, value: median * 1_000, reach: p99 * 1_000, kind }];
    })
    .toSorted((a, b) => a.value - b.value);
}

function numbersOf({ outcome }: Row): Partial<Record<"median" | "p99" | "names", number>> {
  if (outcome.kind !== "measured") return {};
  return Object.fromEntries(Object.entries(outcome.values).filter(([, value]) => typeof value === "number"));
}

/** One line for the terminal. */
export function summaryLine({ targets, tookS }: RunResult): string {
  const count = (verdict: string): number => targets.filter((target) => target.verdict === verdict).length;
  return `${count("met")} targets met, ${count("missed")} missed, ${count("failed")} failed, ${count("not measured")} not measured, in ${micros(tookS * 1e6)}.`;
}
