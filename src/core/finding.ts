/**
 * What `doctor` looks at, and what it finds. A check is asked for one thing and answers in words for an operator who has
 * ten seconds, and in codes for scripts.
 */
import { messageOf } from "./errors.js";

/** From harmless to urgent. `note`: worth knowing, nothing is wrong. `warning`: something will go wrong. `problem`: it does. */
export const SEVERITIES = ["note", "warning", "problem"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Finding {
  /** `check.what`. Stable. */
  readonly code: `${string}.${string}`;
  readonly severity: Severity;
  /** What was found: the paths, users, versions, names. */
  readonly what: string;
  /** What that means for the lab. */
  readonly means: string;
  /** What to do, with the exact command where there is one. */
  readonly remedy: string;
  /** What was done about it; only when that was asked for, and it is settled. */
  readonly fixed?: string;
  /** Why it could not be settled, when that was asked for. */
  readonly fixFailed?: string;
}

/** One thing that was looked at. */
export interface Checkup {
  /** Stable, and the first part of its findings' codes. */
  readonly check: string;
  /** The check's name for people. */
  readonly title: string;
  /** What was seen, in a few words, whatever was found. */
  readonly looked: string;
  /** None: all is well. */
  readonly findings: readonly Finding[];
}

export interface DiagnoseOptions {
  /** Settle what can be settled without risk. Without it nothing is changed and nothing is made. */
  readonly fix: boolean;
}

/** A finding as a check makes it. */
export interface FixableFinding extends Omit<Finding, "fixed" | "fixFailed"> {
  /** Settles it without risk. Resolves with what was done. */
  readonly fix?: () => Promise<string>;
}

export interface Examined {
  readonly looked: string;
  readonly findings: readonly FixableFinding[];
}

export interface Check<Context> {
  readonly check: string;
  readonly title: string;
  readonly examine: (context: Context) => Examined | Promise<Examined>;
}

/**
 * Runs the checks one after the other. One that fails is a finding (`CHECK.not-checked`) and does not stop the others:
 * a lab in trouble is when a doctor is called.
 */
export async function* runChecks<Context>(
  checks: readonly Check<Context>[],
  context: Context,
  options: DiagnoseOptions,
): AsyncIterable<Checkup> {
  for (const check of checks) yield await runCheck(check, context, options);
}

/** The worst of what is not settled; `ok` when there is nothing. */
export function worstOf(findings: Iterable<Finding>): Severity | "ok" {
  let worst = -1;
  for (const { severity, fixed } of findings) {
    if (fixed === undefined) worst = Math.max(worst, SEVERITIES.indexOf(severity));
  }
  return SEVERITIES[worst] ?? "ok";
}

async function runCheck<Context>(
  { check, title, examine }: Check<Context>,
  context: Context,
  options: DiagnoseOptions,
): Promise<Checkup> {
  let examined: Examined;
  try {
    examined = await examine(context);
  } catch (error) {
    return { check, title, looked: "could not be checked", findings: [notChecked(check, error)] };
  }
  const findings: Finding[] = [];
  for (const finding of examined.findings) findings.push(await settle(finding, options));
  return { check, title, looked: examined.looked, findings };
}

async function settle({ fix, ...finding }: FixableFinding, options: DiagnoseOptions): Promise<Finding> {
  if (!options.fix || fix === undefined) return finding;
  try {
    return { ...finding, fixed: await fix() };
  } catch (error) {
    return { ...finding, fixFailed: messageOf(error) };
  }
}

function notChecked(check: string, error: unknown): Finding {
  return {
    code: `${check}.not-checked`,
    severity: "warning",
    what: `This could not be checked: ${messageOf(error)}`,
    means: "Whether something is wrong here is not known.",
    remedy: "Remove the obstacle that is named, or run namehold doctor as a user who may look there.",
  };
}
