import type { Command } from "commander";
import { FAILURES } from "../../core/errors.js";
import { missingRegistry } from "../../registry/registry-place.js";
import type { DamageReport } from "../../stores/store.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { displayName, print, printable, printJson } from "../output.js";

interface RecoverOptions extends GlobalOptions {
  readonly accept?: boolean;
}

export function addRecoverCommand(program: Command): void {
  defineCommand(program, {
    usage: "recover",
    summary: "show what is damaged in the registry, and go on from what could be saved",
    description:
      "Show what is damaged in the registry: which names go on, and where the damaged file is kept. Names that are known go on by themselves; new ones are refused until --accept, because a name that seems new may have had an ID. While that is open, the exit status is 82.",
    examples: ["namehold recover", "namehold recover --accept"],
    failures: ["damaged"],
  })
    .option("--accept", "write what was shown, and let new names be made again")
    .action((_options: unknown, command: Command) => recover(command.optsWithGlobals<RecoverOptions>()));
}

async function recover(options: RecoverOptions): Promise<void> {
  const { report, accepted, whyEmpty } = await withRegistry(options, async (registry) => {
    const { recovery } = registry;
    const found = (await recovery?.inspect()) ?? null;
    // A file that is whole may have entries that are none: the list fails for them, and tells which.
    if (found === null) await Array.fromAsync(registry.list());
    const absence = found === null ? missingRegistry(registry.location) : null;
    if (found === null || recovery === undefined || options.accept !== true) {
      return { report: found, accepted: false, whyEmpty: absence };
    }
    return { report: await recovery.accept(), accepted: true, whyEmpty: absence };
  });
  if (report !== null && !accepted) process.exitCode = FAILURES.damaged.exitStatus;
  if (options.json === true)
    printJson({ damaged: report !== null, accepted, ...(report === null ? {} : reportJson(report)) });
  else if (report === null)
    print(
      printable(
        whyEmpty ?? "Nothing is damaged: every entry can be read. To look at all that is kept: namehold doctor",
      ),
    );
  else print(describe(report, accepted));
}

function describe({ what, recovered, conflicts, evidencePath }: DamageReport, accepted: boolean): string {
  return [
    printable(what),
    `Names that go on: ${names(recovered)}`,
    ...(conflicts.length === 0
      ? []
      : [`Of these, copy and file disagree, and the copy's ID goes on: ${names(conflicts)}`]),
    ...(evidencePath === null ? [] : [`The damaged file is kept as ${printable(evidencePath)}`]),
    accepted
      ? "Accepted: new names can be made again."
      : "New names are refused until you run: namehold recover --accept",
  ].join("\n");
}

function names(list: readonly string[]): string {
  return list.length === 0 ? "none" : list.map(displayName).join(", ");
}

function reportJson({ what, recovered, conflicts, evidencePath }: DamageReport): object {
  return { what, recovered, conflicts, evidence_path: evidencePath };
}
