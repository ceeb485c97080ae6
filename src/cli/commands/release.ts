import type { Command } from "commander";
import { isNameholdError, RegistryLockError } from "../../core/errors.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { displayName, print, printJson } from "../output.js";

interface ReleaseOptions extends GlobalOptions {
  readonly instance?: string;
}

export function addReleaseCommand(program: Command): void {
  defineCommand(program, {
    usage: "release <name>",
    summary: "clear the lock that a process which is gone left on a name",
    description:
      "Clear the lock that a process which is gone left on a name. A live holder keeps it: see namehold revoke. (A crashed holder does not block the next one, so that this is seldom needed.)",
    examples: [
      "namehold release liquidhandler_1",
      "namehold release liquidhandler_1 --instance 01JYFH2Q4N6Z0V5X1T8R3C7W9K",
    ],
    failures: ["not-found", "held"],
  })
    .option("--instance <id>", "also when it may be alive, if this is the instance that holds it (namehold show tells)")
    .action((name: string, _options: unknown, command: Command) =>
      release(name, command.optsWithGlobals<ReleaseOptions>()),
    );
}

async function release(name: string, options: ReleaseOptions): Promise<void> {
  const { instance } = options;
  await withRegistry(options, (registry) =>
    registry.release(name, instance === undefined ? {} : { instance }).catch((error: unknown) => {
      if (!isNameholdError(error, "held")) throw error;
      const message = `${error.message} To end a live holder's lock, use namehold revoke.`;
      throw new RegistryLockError("held", message, { ...error.details, cause: error });
    }),
  );
  if (options.json === true) printJson({ name, released: true });
  else print(`${displayName(name)} has no lock.`);
}
