import { Command } from "commander";
import { type CommandDocumentation, documented, HelpShown, withUsageErrors } from "./command-definition.js";
import { addCleanCommand } from "./commands/clean.js";
import { addCompletionCommand } from "./commands/completion.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addExportCommand } from "./commands/export.js";
import { addHelpCommand } from "./commands/help.js";
import { addHistoryCommand } from "./commands/history.js";
import { addImportCommand } from "./commands/import.js";
import { addInitCommand } from "./commands/init.js";
import { addListCommand } from "./commands/list.js";
import { addMigrateCommand } from "./commands/migrate.js";
import { addRecoverCommand } from "./commands/recover.js";
import { addReleaseCommand } from "./commands/release.js";
import { addRenameCommand } from "./commands/rename.js";
import { addResolveCommand } from "./commands/resolve.js";
import { addRevokeCommand } from "./commands/revoke.js";
import { addRunCommand } from "./commands/run.js";
import { addShowCommand } from "./commands/show.js";
import { addWatchCommand } from "./commands/watch.js";
import { ALL_FAILURES, exitStatusOf } from "./exit-codes.js";
import { reportFailure } from "./failure-report.js";
import { endWhenWritten, surviveLostOutput, tellInJson } from "./output.js";
import { packageVersion } from "./version.js";

/**
 * Runs the command line and ends the process with its exit status.
 *
 * @param argv as `process.argv`
 */
export async function runCli(argv: readonly string[]): Promise<void> {
  surviveLostOutput();
  // Asked of the words themselves: what is reported may be that they could not be parsed.
  const own = argv.slice(2, argv.includes("--") ? argv.indexOf("--") : undefined);
  const json = own.includes("--json");
  if (json) tellInJson();
  try {
    await buildProgram(argv).parseAsync(argv);
  } catch (error) {
    if (!(error instanceof HelpShown)) {
      reportFailure(error, { json, verbose: own.includes("--verbose") });
      process.exitCode = exitStatusOf(error);
    }
  }
  endWhenWritten();
}

/**
 * The whole command line, as commander knows it.
 *
 * @param argv as `process.argv`
 */
export function buildProgram(argv: readonly string[]): Command {
  const program = withUsageErrors(new Command("namehold"))
    .description("One permanent ID per name, and one live process at a time that holds it.")
    .version(packageVersion(), "--version", "print the version")
    .option(
      "-r, --registry-path <path>",
      "the registry: a path, sqlite:PATH, postgres://HOST/DATABASE, or etcd://HOST (default: MADSCI_REGISTRY_PATH, else found as MADSci finds it)",
    )
    .option("--json", 'print JSON; on standard error too, one line each: {"error": …} and {"warning": …}')
    .option("--verbose", "say more about a failure: its code, its cause, where it came from")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false);
  documented(program, DOCUMENTATION);
  addRunCommand(program, argv);
  addListCommand(program);
  addShowCommand(program);
  addHistoryCommand(program);
  addWatchCommand(program);
  addResolveCommand(program);
  addRenameCommand(program);
  addRevokeCommand(program);
  addReleaseCommand(program);
  addRecoverCommand(program);
  addCleanCommand(program);
  addExportCommand(program);
  addImportCommand(program);
  addInitCommand(program);
  addMigrateCommand(program);
  addDoctorCommand(program);
  addCompletionCommand(program);
  addHelpCommand(program);
  return program;
}

const DOCUMENTATION: CommandDocumentation = {
  examples: [
    `namehold run liquidhandler_1 --type node -- sh -c 'echo "$NAMEHOLD_NAME is $NAMEHOLD_ID, token $NAMEHOLD_TOKEN"'`,
    "namehold list",
  ],
  environment: [
    ["MADSCI_REGISTRY_PATH", "the registry file, where -r does not name one"],
    [
      "MADSCI_SETTINGS_DIR",
      "where the search for .madsci/registry.json begins, instead of in the working directory: it goes upwards, then to beside the first .git, then to the home directory",
    ],
    ["NO_COLOR", "set: no colour, on a terminal neither"],
  ],
  failures: ALL_FAILURES,
};
