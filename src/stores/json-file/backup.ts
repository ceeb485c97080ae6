import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { WallMs } from "../../core/timing.js";
import { replaceFile } from "../../platform/atomic-file.js";
import { makeDirectory } from "../../platform/directory.js";

const BACKUPS_MAX = 100;

/**
 * Keeps the registry's text as it was before IDs went away or changed. The oldest beyond 100 are deleted.
 *
 * @param why part of the file's name: `rename`, `remove`, `import`
 * @see docs/SPEC.md#G1
 */
export function backUp(holdersDirectory: string, text: string, why: string, now: WallMs): void {
  const directory = join(holdersDirectory, "backups");
  makeDirectory(directory);
  const stamp = new Date(now).toISOString().replaceAll(":", "");
  const older = readdirSync(directory).filter((name) => name.endsWith(".json")).sort();
  const sameMoment = older.filter((name) => name.startsWith(stamp)).length;
  replaceFile(join(directory, `${stamp}-${String(sameMoment).padStart(3, "0")}-${why}.json`), text, { durable: true });
  for (const name of older.slice(0, Math.max(0, older.length + 1 - BACKUPS_MAX))) unlinkSync(join(directory, name));
}
