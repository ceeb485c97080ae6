import { Argument, type Command } from "commander";
import { defineCommand, UsageError } from "../command-definition.js";
import { complete } from "../completion/complete.js";
import { registeredNames } from "../completion/registered-names.js";
import { replyTo, SHELLS, type Shell } from "../completion/replies.js";
import { SCRIPTS } from "../completion/scripts.js";
import { print } from "../output.js";

const DESCRIPTION = [
  "Print the script by which a shell completes namehold's commands, options, values and names with the tab key. To install it:",
  [
    "# bash",
    "echo 'eval \"$(namehold completion bash)\"' >> ~/.bashrc",
    "# zsh: behind the line with compinit",
    "echo 'source <(namehold completion zsh)' >> ~/.zshrc",
    "# fish",
    "namehold completion fish > ~/.config/fish/completions/namehold.fish",
    "# PowerShell",
    "namehold completion powershell >> $PROFILE",
  ].join("\n"),
  "Names come from the registry file that -r on the line names, else from the one that namehold would use there. It is only read: completion never makes, locks or changes anything. Names with control characters are left out, as are all names of a file of more than 8 MiB, and of a database.",
  "The script for PowerShell is tested in what it asks and is answered, and has not been run in PowerShell.",
].join("\n\n");

export function addCompletionCommand(program: Command): void {
  defineCommand(program, {
    usage: "completion",
    summary: "print the script by which a shell completes namehold's command line",
    description: DESCRIPTION,
    examples: ["namehold completion bash", `eval "$(namehold completion bash)" && complete -p namehold`],
    failures: [],
  })
    .addArgument(new Argument("[shell]", "whose script").choices(SHELLS))
    .action((shell: Shell | undefined, _options: unknown, command: Command) => {
      if (shell === undefined) throw new UsageError(`Name the shell: ${SHELLS.join(", ")}`, command);
      print(SCRIPTS[shell].trimEnd());
    });
  addCompleteWordsCommand(program);
}

/** What the scripts call. */
function addCompleteWordsCommand(program: Command): void {
  program
    .command("complete-words <shell> [words...]", { hidden: true })
    .action((shell: Shell, words: readonly string[]) => {
      const args = shell === "powershell" ? [process.env["NAMEHOLD_COMPLETE_WORDS"] ?? "[]"] : words;
      try {
        print(replyTo(shell, args, (line) => complete(program, line, registeredNames)));
      } catch {
        // Somebody has pressed a key in the middle of a line: there is no place for a message.
      }
    });
}
