import { inspect } from "node:util";
import { isNameholdError } from "../core/errors.js";
import { tell } from "./output.js";
import { CommandNotStarted } from "./run/command-process.js";

export interface ReportOptions {
  readonly json: boolean;
  readonly verbose: boolean;
}

/** Says on standard error what went wrong: one sentence with its remedy, or JSON; with `verbose`, code and causes too. */
export function reportFailure(error: unknown, { json, verbose }: ReportOptions): void {
  const message = messageOf(error);
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { ...describe(error), message } })}\n`);
  } else if (isNameholdError(error) || error instanceof CommandNotStarted) {
    tell(message);
  } else {
    tell(`${message} (a fault of namehold; --verbose tells more)`);
  }
  if (verbose) process.stderr.write(`${inspect(error)}\n`);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function describe(error: unknown): object {
  if (error instanceof CommandNotStarted) return { code: "command-not-started" };
  if (!isNameholdError(error)) return { code: "internal" };
  const { name, heldBy, since, until } = error.details;
  return {
    code: error.code,
    ...(name === undefined ? {} : { name }),
    ...(heldBy === undefined ? {} : { held_by: heldBy }),
    ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
    ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
  };
}
