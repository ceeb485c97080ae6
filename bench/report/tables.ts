import type { Row, ScenarioResult } from "../harness/row.ts";
import type { TargetResult } from "../harness/targets.ts";
import { format } from "./format.ts";

/** Rows of cells, the first its heads. */
export type Table = readonly (readonly string[])[];

/** Columns in which no row has anything are left out. Why a row has no numbers is in `reasons`. */
export function scenarioTable({ columns, rows }: ScenarioResult): Table {
  const used = columns.filter(({ key }) => rows.some((row) => valuesOf(row)[key] !== undefined));
  const heads = ["", ...used.map(({ title }) => title)];
  return [heads, ...rows.map((row) => [row.title, ...cellsOf(row, used)])];
}

/** One line for each reason, with the rows that it explains. */
export function reasons({ rows }: ScenarioResult): readonly string[] {
  const unexplained = rows.flatMap(({ id, outcome }) =>
    outcome.kind === "measured"
      ? []
      : [{ id, why: `${outcome.kind === "failed" ? "FAILED" : "Not measured"}: ${outcome.why}` }],
  );
  return [...Map.groupBy(unexplained, ({ why }) => why)].map(
    ([why, explained]) => `${why} (${explained.map(({ id }) => id).join(", ")})`,
  );
}

export function targetTable(targets: readonly TargetResult[]): Table {
  return [
    ["target", "wanted", "measured", ""],
    ...targets.map(({ title, is, limit, unit, value, verdict }) => [
      title,
      `${is === "at most" ? "≤" : "≥"} ${format(limit, unit)}`,
      format(value, unit),
      verdict,
    ]),
  ];
}

export function markdownTable(table: Table): string {
  const [heads = [], ...rows] = table.map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|")));
  return [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

export function textTable(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0)));
  return table
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function valuesOf({ outcome }: Row): Readonly<Record<string, number | string>> {
  return outcome.kind === "measured" ? outcome.values : {};
}

function cellsOf({ outcome }: Row, columns: ScenarioResult["columns"]): readonly string[] {
  if (outcome.kind === "measured") return columns.map(({ key, unit }) => format(outcome.values[key], unit));
  const what = outcome.kind === "failed" ? "FAILED" : "not measured";
  return columns.length === 0 ? [what] : columns.map((_, index) => (index === 0 ? what : ""));
}
