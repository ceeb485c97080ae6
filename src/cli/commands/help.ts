import type { Command } from "commander";
import { UsageError } from "../command-definition.js";

/** `namehold help run`, as many other programs have it. Every help tells of --help alone. */
export function addHelpCommand(program: Command): void {
  program.command("help [command]", { hidden: true }).action((name: string | undefined) => {
    if (name === undefined) return program.outputHelp();
    const command = program
      .createHelp()
      .visibleCommands(program)
      .find((it) => it.name() === name);
    if (command === undefined) throw new UsageError(`There is no command '${name}'`, program);
    command.outputHelp();
  });
}
