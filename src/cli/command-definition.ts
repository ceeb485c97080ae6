import type { Command, CommanderError } from "commander";
import { type ErrorCode, messageOf, NameholdError } from "../core/errors.js";
import { type OpenRegistryOptions, openRegistry } from "../registry/open-registry.js";
import type { Registry } from "../registry/registry.js";
import { registryPathOf } from "../registry/registry-place.js";
import { exitStatuses } from "./exit-codes.js";
import { tell } from "./output.js";

/** Options that every command takes, before or after its name. */
export interface GlobalOptions {
  readonly registryPath?: string;
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** A term and what it means. */
export type Explained = readonly [term: string, meaning: string];

/** What the help of a command says, docs/cli.md too. */
export interface CommandDocumentation {
  /** What each argument is, by its name. By the names completion knows what to offer: see completion/complete.ts. */
  readonly argumentTexts?: Readonly<Record<string, string>>;
  /** Whole command lines, which a test runs (test/cli/examples.test.ts). */
  readonly examples: readonly string[];
  /** Variables that the command heeds, or gives to what it starts. */
  readonly environment?: readonly Explained[];
  /** Failures that not every command has. */
  readonly failures: readonly ErrorCode[];
  readonly otherStatuses?: readonly Explained[];
}

export interface CommandDefinition extends CommandDocumentation {
  /** Name and arguments, as `rename <old> <new>`. */
  readonly usage: string;
  readonly summary: string;
  /** More than the summary says. */
  readonly description?: string;
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
    .description(definition.description ?? definition.summary);
  for (const argument of command.registeredArguments) {
    argument.description = definition.argumentTexts?.[argument.name()] ?? "";
  }
  return withUsageErrors(documented(command, definition));
}

const DOCUMENTATION = new WeakMap<Command, CommandDocumentation>();
/** Where the terminal does not tell. */
const HELP_WIDTH = 80;

/** Adds to the command's help what commander does not know of. */
export function documented(command: Command, documentation: CommandDocumentation): Command {
  DOCUMENTATION.set(command, documentation);
  return command.addHelpText("after", () => helpEpilogue(command, documentation));
}

/** What a command was documented with; undefined for a hidden one. */
export function documentationOf(command: Command): CommandDocumentation | undefined {
  return DOCUMENTATION.get(command);
}

/** Makes commander throw what it would print, and leaves the rest to the caller. */
export function withUsageErrors(command: Command): Command {
  return command
    .exitOverride((error: CommanderError) => {
      if (error.exitCode === 0) throw new HelpShown();
      throw new UsageError(problemOf(error, command), command);
    })
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .configureHelp({ showGlobalOptions: true });
}

function problemOf({ code, message }: CommanderError, command: Command): string {
  if (code === "commander.help") return "Say what to do";
  // It may have been meant as a name.
  if (code !== "commander.unknownOption" || command.registeredArguments.length === 0) return message;
  return `${message.replaceAll("\n", " ")}. What begins with a dash and is no option goes behind --`;
}

function helpEpilogue(command: Command, documentation: CommandDocumentation): string {
  const { examples, environment = [], failures, otherStatuses } = documentation;
  const parts = [
    `Examples:\n${examples.map((example) => `  ${example}`).join("\n")}`,
    ...(environment.length === 0 ? [] : [`Environment:\n${explanation(command, environment)}`]),
    `Exit status:\n${explanation(command, exitStatuses(failures, otherStatuses))}`,
  ];
  return `\n${parts.join("\n\n")}`;
}

/** Laid out as commander lays options out, to the terminal's width or 80 columns. */
function explanation(command: Command, rows: readonly Explained[]): string {
  const help = command.createHelp();
  help.prepareContext({ helpWidth: command.configureOutput().getOutHelpWidth?.() ?? HELP_WIDTH });
  const termWidth = Math.max(...rows.map(([term]) => term.length));
  return rows.map(([term, meaning]) => help.formatItem(term, termWidth, meaning, help)).join("\n");
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
  // Where nothing goes on, for want of a copy, the command itself fails, and the damaged file is where it was.
  if (damage == null || damage.evidencePath === registryPathOf(registry.location)) return;
  tell(`The registry was damaged (${damage.what}). Known names go on; see namehold recover.`);
}

function commandPath(command: Command): string {
  const parent = command.parent;
  return parent === null ? command.name() : `${commandPath(parent)} ${command.name()}`;
}
