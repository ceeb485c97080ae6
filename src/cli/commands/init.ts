import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { isNameholdError, NameholdError, RegistryError } from "../../core/errors.js";
import { shellWord } from "../../core/shell-word.js";
import { resolveLinks } from "../../platform/real-path.js";
import { discoverRegistryPath } from "../../platform/registry-path.js";
import { createRegistry } from "../../stores/json-file/create-registry.js";
import { defineCommand, type GlobalOptions } from "../command-definition.js";
import { print, printable, printJson, tell } from "../output.js";

export function addInitCommand(program: Command): void {
  defineCommand(program, {
    usage: "init [directory]",
    summary: "make a new, empty registry for a directory",
    description:
      "Make a new, empty registry, .madsci/registry.json, for a directory and all below it: there namehold and MADSci find it. Whoever may write to the directory can use it.",
    argumentTexts: { directory: "where .madsci is made (default: the working directory)" },
    examples: ["namehold init"],
    failures: ["already-exists"],
  }).action((directory: string | undefined, _options: unknown, command: Command) =>
    init(directory ?? ".", command.optsWithGlobals<GlobalOptions>()),
  );
}

async function init(directory: string, options: GlobalOptions): Promise<void> {
  if (options.registryPath !== undefined) {
    throw new NameholdError("invalid-input", "init makes .madsci/registry.json in a directory. Name that, without -r.");
  }
  const base = resolveLinks(resolve(directory));
  const path = join(resolveLinks(join(base, ".madsci")), "registry.json");
  const before = pathUsedFrom(base);
  await createRegistry(path).catch((error: unknown) => {
    throw withNextStep(error, path);
  });
  const used = pathUsedFrom(base);
  const replaced = before !== path && used === path && existsSync(before) ? before : null;
  if (replaced !== null) {
    const copying = `namehold -r ${shellWord(replaced)} export | namehold -r ${shellWord(path)} import --force -`;
    tell(`Until now ${replaced} was used from there, and now the new one is. To take its names along: ${copying}`);
  } else if (used !== path) {
    tell(`Commands that are started there use ${used} all the same, since ${whatOverrides()} is set.`);
  }
  if (options.json === true) printJson({ path, replaces: replaced, used: used === path });
  else print(`Made ${printable(path)}\nNext: ${printable(nextCommand(base))}`);
}

/** Which registry a command that is started there takes. */
function pathUsedFrom(directory: string): string {
  return resolveLinks(discoverRegistryPath({ env: process.env, cwd: directory, home: homedir() }));
}

function whatOverrides(): string {
  return process.env["MADSCI_REGISTRY_PATH"] ? "MADSCI_REGISTRY_PATH" : "MADSCI_SETTINGS_DIR";
}

function nextCommand(base: string): string {
  const there = base === resolveLinks(process.cwd()) ? "" : `cd ${shellWord(base)} && `;
  return `${there}namehold run liquidhandler_1 --type node -- sh -c 'echo "My ID is $NAMEHOLD_ID"'`;
}

function withNextStep(error: unknown, path: string): unknown {
  if (!isNameholdError(error, "already-exists")) return error;
  return new RegistryError("already-exists", `${error.message}. Look into it: namehold -r ${shellWord(path)} list`, {
    cause: error,
  });
}
