/** Where the registry is kept as it was, and how its names come back. */
import { isAbsolute } from "node:path";
import { shellWord } from "../core/shell-word.js";
import { printable } from "./output.js";

/**
 * @param backup a file's path, or commands that print what was there before, one a line
 * @returns lines, for people
 */
export function backupLines(backup: string): readonly string[] {
  if (isAbsolute(backup)) return [`The registry as it was before is kept in ${printable(backup)}`];
  const [first = "", ...others] = backup.split("\n");
  if (others.length === 0)
    return [`What was there before is kept in the registry's engine, and printed by: ${printable(first)}`];
  return [
    "What was there before is kept in the registry's engine, and printed by:",
    ...[first, ...others].map((command) => `  ${printable(command)}`),
  ];
}

/**
 * @param registryPath as it was given on the command line
 * @returns lines, for people
 */
export function wayBackLines(backup: string, registryPath: string | undefined): readonly string[] {
  const registry = registryPath === undefined ? "" : ` -r ${printable(shellWord(withoutUser(registryPath)))}`;
  if (isAbsolute(backup)) return [`To bring them back: namehold${registry} import ${printable(shellWord(backup))}`];
  const commands = backup.split("\n").map((command) => `${printable(command)} | namehold${registry} import --force -`);
  if (commands.length === 1) return commands.map((command) => `To bring them back: ${command}`);
  return ["To bring them back:", ...commands.map((command) => `  ${command}`)];
}

/** Output is kept in places where a password must not be. */
function withoutUser(location: string): string {
  return location
    .replace(/^([a-z]+:\/\/)[^/?#]*@/i, "$1")
    .replace(/([?&])(?:ssl)?password=[^&#]*&?/gi, "$1")
    .replace(/[?&]$/, "");
}
