import { type Dirent, readdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "./storage-error.js";

export interface WalkOptions {
  /** How many levels below the root are entered. */
  readonly depthMax: number;
  readonly directoriesMax: number;
}

export interface WalkedDirectory {
  readonly path: string;
  /** The names of its files, links included. */
  readonly files: readonly string[];
  /** The names of its symbolic links, wherever they lead. */
  readonly links: readonly string[];
}

/**
 * A directory and those below it, level by level, so that what is near is found first. Links are not followed; what
 * this user may not see is passed over, and directories that hold other programs' files by the thousand.
 */
export function* walkDirectories(root: string, { depthMax, directoriesMax }: WalkOptions): Iterable<WalkedDirectory> {
  let level: readonly string[] = [root];
  let left = directoriesMax;
  for (let depth = 0; depth <= depthMax && level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const path of level) {
      if (left <= 0) return;
      left -= 1;
      const entries = entriesOf(path);
      const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
      const links = entries.filter((entry) => entry.isSymbolicLink()).map(({ name }) => name);
      yield { path, files, links };
      // Below a virtual environment there are only packages.
      if (files.includes("pyvenv.cfg")) continue;
      for (const entry of entries) {
        if (entry.isDirectory() && !SKIPPED.has(entry.name)) next.push(join(path, entry.name));
      }
    }
    level = next;
  }
}

const SKIPPED: ReadonlySet<string> = new Set([
  ".git",
  "node_modules",
  "__pycache__",
  "site-packages",
  "proc",
  "sys",
  "dev",
]);

function entriesOf(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (failure) {
    if (["ENOENT", "ENOTDIR", "EACCES", "EPERM"].includes(errnoOf(failure) ?? "")) return [];
    throw failure;
  }
}
