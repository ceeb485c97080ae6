export type Unit = "us" | "ms" | "s" | "times" | "per-second" | "percent" | "count" | "bytes" | "text";

export interface Column {
  readonly key: string;
  readonly title: string;
  readonly unit: Unit;
}

export type Values = Readonly<Record<string, number | string>>;

/** What was found out about one row. A row that was asked for is always there, whatever became of it. */
export type Outcome =
  | { readonly kind: "measured"; readonly values: Values; readonly roundMedians?: readonly number[] }
  | { readonly kind: "not-measured"; readonly why: string }
  /** Above all: a lock that did not exclude. */
  | { readonly kind: "failed"; readonly why: string };

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly outcome: Outcome;
}

export interface ScenarioResult {
  readonly id: string;
  readonly title: string;
  /** What was done, in a few sentences. */
  readonly text: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly tookS: number;
}

/** Thrown where a row cannot be measured here, for a reason that is nobody's fault. */
export class NotMeasured extends Error {}

export function notMeasured(why: string): Outcome {
  return { kind: "not-measured", why };
}

/** Runs what makes a row; its failure becomes the row's outcome. */
export async function outcomeOf(make: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await make();
  } catch (error) {
    if (error instanceof NotMeasured) return notMeasured(error.message);
    return { kind: "failed", why: firstLine(error) };
  }
}

export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0] ?? text;
}
