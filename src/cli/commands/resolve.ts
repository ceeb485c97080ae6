import type { Command } from "commander";
import { notFound } from "../../registry/registry-place.js";
import { defineCommand, type GlobalOptions, withRegistry } from "../command-definition.js";
import { print, printable, printJson } from "../output.js";

export function addResolveCommand(program: Command): void {
  defineCommand(program, {
    usage: "resolve <name>",
    summary: "print the ID of a name",
    description: "Print the ID of a name. A name that does not exist is not made: see namehold run.",
    argumentTexts: { name: "a name that exists" },
    examples: ["namehold resolve liquidhandler_1", 'id=$(namehold resolve liquidhandler_1) && echo "$id"'],
    failures: ["not-found"],
  }).action((name: string, _options: unknown, command: Command) =>
    resolve(name, command.optsWithGlobals<GlobalOptions>()),
  );
}

async function resolve(name: string, options: GlobalOptions): Promise<void> {
  const { entry, state } = await withRegistry(options, async (registry) => {
    const found = await registry.entry(name);
    if (found !== null) return found;
    throw notFound(name, registry.location);
  });
  if (options.json === true) {
    printJson({ name, id: entry.id, type: entry.componentType, locked: state.kind === "held" });
  } else {
    print(printable(entry.id));
  }
}
