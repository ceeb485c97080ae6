import type { Command } from "commander";
import { isNameholdError } from "../../core/errors.js";
import { shellWord } from "../../core/shell-word.js";
import { type MigrateReport, type MigrateStep, migrate } from "../../registry/migrate.js";
import { defineCommand, type GlobalOptions, UsageError, withRegistry } from "../command-definition.js";
import { reportFailure } from "../failure-report.js";
import { displayName, jsonText, printable, printOrTell, tell } from "../output.js";
import { withProgress } from "../progress.js";
import { signalStatus } from "../run/signal-forwarding.js";

interface MigrateOptions extends GlobalOptions {
  readonly force?: boolean;
}

const TOLD_MAX = 5;

/** What progress says. */
const STEPS: Readonly<Record<MigrateStep, readonly [what: string, unit: string]>> = {
  comparing: ["Comparing", "names"],
  "moving entries": ["Moving", "names"],
  "moving history": ["Moving history", "holds"],
  checking: ["Checking", "names"],
};

export function addMigrateCommand(program: Command): void {
  defineCommand(program, {
    usage: "migrate <from> <to>",
    summary: "move a whole registry into another store",
    description: [
      "Move all entries (IDs, metadata), the fencing tokens (which go on rising) and the history from one registry to another, whatever stores they are in; locks are not moved. Refused while a name is held, and where names of the source may be missing. The source stays as it is: point everything to the target before anything is started again. Python processes read the JSON file alone.",
      "After an interruption, Ctrl-C too, repeat it: what was moved is compared and left alone. At the end both are read anew, and their checksums compared.",
    ].join("\n\n"),
    argumentTexts: {
      from: "where the registry is: a path or a location, as for -r",
      to: "where it is to be: it may be new, or have other names already",
    },
    examples: ["namehold migrate .madsci/registry.json sqlite:.madsci/lab.db"],
    failures: ["not-found", "held", "already-exists"],
    otherStatuses: [["128+n", "interrupted by signal n between two writes"]],
  })
    .option(
      "-f, --force",
      "also while names are held in the source (their holders are told to stop), and over other contents in the target",
    )
    .action((from: string, to: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<MigrateOptions>();
      if (options.registryPath !== undefined) {
        throw new UsageError("Both registries are named as arguments: leave -r away", command);
      }
      return run(from, to, options);
    });
}

async function run(from: string, to: string, options: MigrateOptions): Promise<void> {
  using interruption = new Interruption();
  try {
    const report = await move(from, to, { force: options.force === true, signal: interruption.signal });
    showReport(report, { from, to, json: options.json === true });
  } catch (error) {
    if (interruption.by === undefined || !isNameholdError(error, "aborted")) throw error;
    reportFailure(error, { json: options.json === true, verbose: options.verbose === true });
    process.exitCode = signalStatus(interruption.by);
  }
}

interface MoveOptions {
  readonly force: boolean;
  readonly signal: AbortSignal;
}

function move(from: string, to: string, options: MoveOptions): Promise<MigrateReport> {
  return withRegistry({ registryPath: from }, (source) =>
    withRegistry({ registryPath: to }, (target) =>
      withProgress("Moving", (onProgress) =>
        migrate(source, target, { ...options, onProgress: (step, done) => onProgress(done, STEPS[step]) }),
      ),
    ),
  );
}

/** A second signal ends the process as it ends any other. */
class Interruption implements Disposable {
  readonly #controller = new AbortController();
  #by: NodeJS.Signals | undefined;

  constructor() {
    for (const name of SIGNALS) process.once(name, this.#interrupt);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get by(): NodeJS.Signals | undefined {
    return this.#by;
  }

  readonly #interrupt = (name: NodeJS.Signals): void => {
    this.#by ??= name;
    this.#controller.abort();
    this[Symbol.dispose]();
  };

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.removeListener(name, this.#interrupt);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

interface ReportOptions {
  readonly from: string;
  readonly to: string;
  readonly json: boolean;
}

function showReport(report: MigrateReport, { from, to, json }: ReportOptions): void {
  const [gist, ...rest] = reportText(report, from, to);
  if (json) printOrTell(jsonText(reportJson(report)), gist);
  else printOrTell([gist, ...rest].join("\n"), gist);
  const { heldNames, holdsLost } = report;
  if (holdsLost > 0)
    tell(`${holdsLost} ended holds are not in the target's history: it could not keep them, or keeps fewer.`);
  if (heldNames.length === 0) return;
  const told = heldNames.slice(0, TOLD_MAX).map(displayName).join(", ");
  const more = heldNames.length > TOLD_MAX ? ` and ${heldNames.length - TOLD_MAX} more` : "";
  tell(
    `Held in the source when it was moved: ${told}${more}. See that their holders end before anybody uses the target.`,
  );
}

function reportText({ entries, moved, holds, checksum }: MigrateReport, from: string, to: string) {
  return [
    `Moved ${printable(from)} to ${printable(to)}: ${entries} ${entries === 1 ? "name" : "names"} (${moved} now, ${entries - moved} before), ${holds} ended ${holds === 1 ? "hold" : "holds"}.`,
    `SHA-256 sum of the entries in both: ${checksum}`,
    `${printable(from)} is as it was: see that nothing uses it any more.`,
    `To use the target: namehold -r ${printable(shellWord(to))} list`,
  ] as const;
}

function reportJson({ entries, moved, holds, holdsLost, checksum, heldNames }: MigrateReport): object {
  return { entries, moved, holds, holds_lost: holdsLost, checksum, held_names: heldNames };
}
