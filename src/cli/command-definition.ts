import type { Command, CommanderError } from "commander";
import { type ErrorCode, NameholdError } from "../core/errors.js";
import { type OpenRegistryOptions, openRegistry } from "../registry/open-registry.js";
import type { Registry } from "../registry/registry.js";
import { exitStatusHelp } from "./exit-codes.js";
import { messageOf } from "./failure-report.js";
import { tell } from "./output.js";

/** Options that every command takes, before or after its name. */
export interface GlobalOptions {
  readonly registryPath?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

export interface CommandDefinition {
  /** Name and arguments, as `rename <old> <new>`. */
  readonly usage: string;
  readonly summary: string;
  /** More than the summary says. */
  readonly description?: string;
  readonly examples: readonly string[];
  /** Failures that not every command has. */
  readonly failures: readonly ErrorCode[];
  readonly otherStatuses?: readonly (readonly [string, string])[];
}

/** What the caller got wrong on the command line. The help of the command is the remedy. */
export class UsageError extends NameholdError {
  constructor(problem: string, command: Command) {
    const sentence = problem
      .replace(/^error: /, "")
      .replaceAll("\n", " ")
      .replace(/[.\s]*$/, ".");
    super("invalid-input", `${sentence} See ${commandPath(command)} --help.`);
  }
}

/** Help was asked for and given, or the version: nothing else is to be done. */
export class HelpShown extends Error {}

export function defineCommand(program: Command, definition: CommandDefinition): Command {
  const command = program
    .command(definition.usage)
    .summary(definition.summary)
    .description(definition.description ?? definition.summary)
    .addHelpText("after", helpEpilogue(definition));
  return withUsageErrors(command);
}

/** Makes commander throw what it would print, and leaves the rest to the caller. */
export function withUsageErrors(command: Command): Command {
  return command
    .exitOverride((error: CommanderError) => {
      if (error.exitCode === 0) throw new HelpShown();
      throw new UsageError(error.code === "commander.help" ? "Say what to do" : error.message, command);
    })
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .configureHelp({ showGlobalOptions: true });
}

export function helpEpilogue({ examples, failures, otherStatuses }: CommandDefinition): string {
  const exampleLines = examples.map((example) => `  ${example}`).join("\n");
  return `\nExamples:\n${exampleLines}\n\n${exitStatusHelp(failures, otherStatuses)}`;
}

/**
 * Opens the registry that the options name, and closes it after `use`, whatever happens. That it could not be closed
 * changes nothing about what `use` has done: it is told, and no failure.
 */
export async function withRegistry<T>(
  options: GlobalOptions,
  use: (registry: Registry) => Promise<T>,
  openOptions: OpenRegistryOptions = {},
): Promise<T> {
  const registry = await openRegistry(options.registryPath, openOptions);
  try {
    await warnOfDamage(registry);
    return await use(registry);
  } finally {
    await registry
      .close()
      .catch((error: unknown) => tell(`Afterwards the registry could not be closed: ${messageOf(error)}`));
  }
}

async function warnOfDamage(registry: Registry): Promise<void> {
  // A registry that cannot be looked at is for the command itself to report.
  const damage = await registry.recovery?.inspect().catch(() => null);
  if (damage == null) return;
  tell(`The registry was damaged (${damage.what}). Known names go on; see namehold recover.`);
}

function commandPath(command: Command): string {
  const parent = command.parent;
  return parent === null ? command.name() : `${commandPath(parent)} ${command.name()}`;
}
