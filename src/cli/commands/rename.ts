import type { Command } from "commander";
import { isNameholdError, type NameholdError, RegistryLockError } from "../../core/errors.js";
import { RECOVERY_INSTANCE } from "../../core/lock-rules.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { displayName, print, printable, printJson } from "../output.js";

interface RenameOptions extends GlobalOptions {
  readonly force?: boolean;
}

export function addRenameCommand(program: Command): void {
  defineCommand(program, {
    usage: "rename <old> <new>",
    summary: "give a component another name; its ID stays",
    description:
      "Give a component another name. Its ID and its metadata stay, and the old name can be given to another component. A held name is refused without --force.",
    argumentTexts: { old: "the present name", new: "a name that does not exist" },
    examples: ["namehold rename liquidhandler_1 liquidhandler_left"],
    failures: ["not-found", "already-exists", "held"],
  })
    .option("-f, --force", "also while it is held: the holder is told, and must give it up")
    .action((from: string, to: string, _options: unknown, command: Command) =>
      rename(from, to, command.optsWithGlobals<RenameOptions>()),
    );
}

async function rename(from: string, to: string, options: RenameOptions): Promise<void> {
  const id = await withRegistry(options, (registry) =>
    registry.rename(from, to, { force: options.force === true }).catch((error: unknown) => {
      if (!isNameholdError(error, "held")) throw error;
      throw new RegistryLockError("held", `${error.message}${remedy(error, to)}`, { ...error.details, cause: error });
    }),
  );
  if (options.json === true) printJson({ from, to, id });
  else print(`Renamed ${displayName(from)} to ${displayName(to)}. Its ID stays ${printable(id)}.`);
}

/** Nobody can be told to give up what is kept from all: there the message says how long that lasts. */
function remedy({ details: { name, heldBy } }: NameholdError, to: string): string {
  if (heldBy?.instance === RECOVERY_INSTANCE) return "";
  return name === to
    ? " It was its name before, and is kept from others until then."
    : " Stop it first, or use --force.";
}
