import { basename, dirname } from "node:path";
import { resolveLinks } from "./real-path.js";

/** The directory in which a lab's settings, nodes and virtual environments are: the one around `.madsci`. */
export function labDirectoryOf(registryPath: string): string {
  const directory = dirname(resolveLinks(registryPath));
  return basename(directory) === ".madsci" ? dirname(directory) : directory;
}
