import type { Command } from "commander";
import { isNameholdError, RegistryLockError } from "../../core/errors.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { displayName, print, printJson } from "../output.js";

export function addReleaseCommand(program: Command): void {
  defineCommand(program, {
    usage: "release <name>",
    summary: "clear the lock that a process which is gone left on a name",
    description:
      "Clear the lock that a process which is gone left on a name. A live holder keeps it: see namehold revoke. (A crashed or silent holder does not block the next one, so that this is seldom needed.)",
    argumentTexts: { name: "a name whose holder is gone" },
    examples: ["namehold release liquidhandler_1"],
    failures: ["not-found", "held"],
  }).action((name: string, _options: unknown, command: Command) =>
    release(name, command.optsWithGlobals<GlobalOptions>()),
  );
}

async function release(name: string, options: GlobalOptions): Promise<void> {
  const released = await withRegistry(options, (registry) =>
    registry.release(name).catch((error: unknown) => {
      if (!isNameholdError(error, "held")) throw error;
      const message = `${error.message} To end a live holder's lock, use namehold revoke.`;
      throw new RegistryLockError("held", message, { ...error.details, cause: error });
    }),
  );
  if (options.json === true) printJson({ name, released });
  else print(released ? `${displayName(name)} is free: its lock was removed.` : `${displayName(name)} had no lock.`);
}
