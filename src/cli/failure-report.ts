import { inspect } from "node:util";
import { isNameholdError, messageOf } from "../core/errors.js";
import { jsonLine, printable, tell } from "./output.js";
import { CommandNotStarted } from "./run/command-process.js";

export interface ReportOptions {
  readonly json: boolean;
  readonly verbose: boolean;
}

/** Says on standard error what went wrong: one sentence with its remedy, or a line of JSON; with `verbose`, code and causes too. */
export function reportFailure(error: unknown, { json, verbose }: ReportOptions): void {
  const message = messageOf(error);
  if (json) {
    const more = verbose ? { verbose: inspect(error) } : {};
    process.stderr.write(jsonLine({ error: { ...describe(error), message, ...more } }));
    return;
  }
  if (isNameholdError(error) || error instanceof CommandNotStarted) {
    tell(message);
  } else {
    tell(`${message} (a fault of namehold; --verbose tells more)`);
  }
  if (verbose) process.stderr.write(`${detailsOf(error)}\n`);
}

/** Indented, so that no line of it can be taken for a message. */
function detailsOf(error: unknown): string {
  return inspect(error)
    .split("\n")
    .map((line) => `  ${printable(line)}`)
    .join("\n");
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
