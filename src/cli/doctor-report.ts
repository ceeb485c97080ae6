/** What `doctor` prints: what was looked at, a line each; the findings, the worst last, where the eye is; the verdict. */
import { type Checkup, type Finding, SEVERITIES, type Severity, worstOf } from "../core/finding.js";
import type { Diagnosis } from "../registry/doctor/doctor.js";
import { colour, printable } from "./output.js";

export function reportText({ location, checkups }: Diagnosis): string {
  const findings = allFindings(checkups).toSorted((a, b) => urgency(a) - urgency(b));
  return [
    `Registry: ${location === null ? "not opened" : printable(location)}`,
    "",
    ...checkups.map(checkupLine),
    "",
    ...findings.flatMap((finding) => [...findingLines(finding), ""]),
    verdict(findings),
  ].join("\n");
}

/** Stable, for scripts: keys and codes stay. */
export function reportJson({ location, checkups }: Diagnosis): object {
  const findings = allFindings(checkups);
  return {
    location,
    status: worstOf(findings),
    problems: countOf(findings, "problem"),
    warnings: countOf(findings, "warning"),
    notes: countOf(findings, "note"),
    fixed: findings.filter(({ fixed }) => fixed !== undefined).length,
    checks: checkups.map(({ check, title, looked, findings: found }) => ({
      check,
      title,
      status: worstOf(found),
      looked,
      findings: found.map(findingJson),
    })),
  };
}

type Shown = Severity | "ok" | "fixed";

const COLOURS: Readonly<Record<Shown, (text: string) => string>> = {
  ok: colour.green,
  fixed: colour.green,
  note: colour.cyan,
  warning: colour.yellow,
  problem: colour.red,
};

const LABELS: Readonly<Record<Shown, string>> = {
  ok: "ok",
  fixed: "fixed",
  note: "note",
  warning: "WARNING",
  problem: "PROBLEM",
};

const LABEL_WIDTH = 9;
const TITLE_WIDTH = 20;

function checkupLine({ title, looked, findings }: Checkup): string {
  return `${label(worstOf(findings))}${title.padEnd(TITLE_WIDTH)}${printable(looked)}`;
}

function findingLines(finding: Finding): readonly string[] {
  const { code, what, means, remedy, fixed, fixFailed } = finding;
  return [
    `${label(shownAs(finding))}${printable(what)}  [${code}]`,
    `${" ".repeat(LABEL_WIDTH)}means: ${printable(means)}`,
    ...(fixed === undefined ? [`${" ".repeat(LABEL_WIDTH)}do:    ${printable(remedy)}`] : []),
    ...(fixed === undefined ? [] : [`${" ".repeat(LABEL_WIDTH)}done:  ${printable(fixed)}`]),
    ...(fixFailed === undefined ? [] : [`${" ".repeat(LABEL_WIDTH)}could not be fixed: ${printable(fixFailed)}`]),
  ];
}

function label(shown: Shown): string {
  return COLOURS[shown](LABELS[shown].padEnd(LABEL_WIDTH));
}

function shownAs({ severity, fixed }: Finding): Shown {
  return fixed === undefined ? severity : "fixed";
}

function verdict(findings: readonly Finding[]): string {
  const counts = SEVERITIES.toReversed().flatMap((severity) => {
    const count = countOf(findings, severity);
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? "" : "s"}`];
  });
  const fixed = findings.filter((finding) => finding.fixed !== undefined).length;
  const worst = worstOf(findings);
  const isHealthy = worst === "ok" || worst === "note";
  const details = [...counts, ...(fixed === 0 ? [] : [`${fixed} fixed`])].join(", ");
  return `${COLOURS[worst](isHealthy ? "Healthy" : "Not healthy")}${details === "" ? "." : `: ${details}.`}`;
}

function countOf(findings: readonly Finding[], severity: Severity): number {
  return findings.filter((finding) => finding.severity === severity && finding.fixed === undefined).length;
}

function urgency(finding: Finding): number {
  return finding.fixed === undefined ? SEVERITIES.indexOf(finding.severity) : -1;
}

function allFindings(checkups: readonly Checkup[]): readonly Finding[] {
  return checkups.flatMap(({ findings }) => findings);
}

function findingJson({ code, severity, what, means, remedy, fixed, fixFailed }: Finding): object {
  return { code, severity, what, means, remedy, fixed: fixed ?? null, fix_failed: fixFailed ?? null };
}
