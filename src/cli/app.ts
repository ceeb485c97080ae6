import { readFileSync } from "node:fs";
import { Command } from "commander";
import { HelpShown, helpEpilogue, withUsageErrors } from "./command-definition.js";
import { addListCommand } from "./commands/list.js";
import { addRecoverCommand } from "./commands/recover.js";
import { addReleaseCommand } from "./commands/release.js";
import { addRenameCommand } from "./commands/rename.js";
import { addResolveCommand } from "./commands/resolve.js";
import { addRevokeCommand } from "./commands/revoke.js";
import { addRunCommand } from "./commands/run.js";
import { addShowCommand } from "./commands/show.js";
import { ALL_FAILURES, exitStatusOf } from "./exit-codes.js";
import { reportFailure } from "./failure-report.js";
import { endWhenWritten, surviveLostOutput } from "./output.js";

/**
 * Runs the command line and ends the process with its exit status.
 *
 * @param argv as `process.argv`
 */
export async function runCli(argv: readonly string[]): Promise<void> {
  surviveLostOutput();
  try {
    await buildProgram(argv).parseAsync(argv);
  } catch (error) {
    if (!(error instanceof HelpShown)) {
      // Asked of the words themselves: what is reported may be that they could not be parsed.
      const own = argv.slice(2, argv.includes("--") ? argv.indexOf("--") : undefined);
      reportFailure(error, { json: own.includes("--json"), verbose: own.includes("--verbose") });
      process.exitCode = exitStatusOf(error);
    }
  }
  endWhenWritten();
}

function buildProgram(argv: readonly string[]): Command {
  const program = withUsageErrors(new Command("namehold"))
    .description("One permanent ID per name, and one live process at a time that holds it.")
    .version(packageVersion(), "--version", "print the version")
    .option(
      "-r, --registry-path <path>",
      "the registry file (default: MADSCI_REGISTRY_PATH, else found as MADSci finds it)",
    )
    .option("--json", "print JSON; failures too, on standard error")
    .option("--verbose", "say more about a failure: its code, its cause, where it came from")
    .helpCommand(false)
    .addHelpText(
      "after",
      helpEpilogue({
        usage: "",
        summary: "",
        examples: [
          `namehold run liquidhandler_1 --type node -- sh -c 'echo "$NAMEHOLD_NAME is $NAMEHOLD_ID, token $NAMEHOLD_TOKEN"'`,
          "namehold list",
        ],
        failures: ALL_FAILURES,
      }),
    );
  addRunCommand(program, argv);
  addListCommand(program);
  addShowCommand(program);
  addResolveCommand(program);
  addRenameCommand(program);
  addRevokeCommand(program);
  addReleaseCommand(program);
  addRecoverCommand(program);
  return program;
}

function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
