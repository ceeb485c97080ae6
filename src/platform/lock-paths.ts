import { basename, dirname, join, resolve } from "node:path";
import { resolveLinks } from "./real-path.js";

/**
 * The lock files of a registry: `PATH.lock`, and where PATH is a symbolic link the one beside the real file too. Sorted:
 * one order for everybody, so that two processes cannot each hold one of them. Directories are resolved, lest two
 * spellings of one file be locked twice and so never.
 */
export function lockPathsOf(registryPath: string): readonly string[] {
  const path = resolve(registryPath);
  const asGiven = `${join(resolveLinks(dirname(path)), basename(path))}.lock`;
  return [...new Set([asGiven, `${resolveLinks(path)}.lock`])].sort();
}
