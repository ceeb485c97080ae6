import type { Command } from "commander";
import { type MigrateReport, migrate } from "../../registry/migrate.js";
import { defineCommand, type GlobalOptions, UsageError, withRegistry } from "../command-definition.js";
import { displayName, print, printable, printJson, tell } from "../output.js";
import { withProgress } from "../progress.js";

interface MigrateOptions extends GlobalOptions {
  readonly force?: boolean;
}

const TOLD_MAX = 5;

export function addMigrateCommand(program: Command): void {
  defineCommand(program, {
    usage: "migrate <from> <to>",
    summary: "move a whole registry into another store",
    description:
      "Move all entries (IDs, metadata), the fencing tokens (which go on rising) and the history from one registry to another, whatever stores they are in; locks are not moved. Refused while a name is held. The source stays as it is: point everything to the target before anything is started again. After an interruption repeat it: what was moved is compared and left alone. At the end both are read anew, counted, and their checksums compared. Python processes read the JSON file alone.",
    argumentTexts: {
      from: "where the registry is: a path or a location, as for -r",
      to: "where it is to be: it may be new, or have other names already",
    },
    examples: ["namehold migrate .madsci/registry.json sqlite:.madsci/lab.db"],
    failures: ["not-found", "held", "already-exists", "aborted"],
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
  const force = options.force === true;
  const report = await withRegistry({ registryPath: from }, (source) =>
    withRegistry({ registryPath: to }, (target) =>
      withProgress("Moving", (onProgress) =>
        migrate(source, target, { force, onProgress: (_doing, done) => onProgress(done) }),
      ),
    ),
  );
  if (options.json === true) printJson(reportJson(report));
  else print(reportText(report, from, to));
  if (report.heldNames.length === 0) return;
  const told = report.heldNames.slice(0, TOLD_MAX).map(displayName).join(", ");
  const more = report.heldNames.length > TOLD_MAX ? ` and ${report.heldNames.length - TOLD_MAX} more` : "";
  tell(
    `Held in the source when it was moved: ${told}${more}. See that their holders end before anybody uses the target.`,
  );
}

function reportText({ entries, moved, holds, checksum }: MigrateReport, from: string, to: string): string {
  return [
    `Moved ${printable(from)} to ${printable(to)}: ${entries} names (${moved} now, ${entries - moved} before), ${holds} ended holds.`,
    `SHA-256 sum of the entries in both: ${checksum}`,
    `${printable(from)} is as it was: see that nothing uses it any more.`,
  ].join("\n");
}

function reportJson({ entries, moved, holds, checksum, heldNames }: MigrateReport): object {
  return { entries, moved, holds, checksum, held_names: heldNames };
}
