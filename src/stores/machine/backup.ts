import { createHash } from "node:crypto";
import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { WallMs } from "../../core/timing.js";
import { replaceFile } from "../../platform/atomic-file.js";
import { makeDirectory } from "../../platform/directory.js";

const BACKUPS_MAX = 100;
const EVIDENCE_MAX = 20;

/**
 * Keeps the registry's text as it was before IDs went away or changed. The oldest beyond 100 are deleted.
 *
 * @param why part of the file's name: `rename`, `remove`, `import`
 * @returns the path
 * @see docs/SPEC.md#G1
 */
export function backUp(holdersDirectory: string, text: string, why: string, now: WallMs): string {
  const directory = join(holdersDirectory, "backups");
  makeDirectory(directory);
  const older = filesIn(directory, "");
  const path = join(directory, `${stampOf(now, older)}-${why}.json`);
  replaceFile(path, text, { durable: true, keepLink: false });
  deleteOldest(directory, older, BACKUPS_MAX - 1);
  return path;
}

/**
 * Keeps the bytes of a damaged registry, once each. The oldest beyond 20 are deleted.
 *
 * @returns the path
 * @see docs/SPEC.md#G8
 */
export function keepEvidence(holdersDirectory: string, bytes: Uint8Array, now: WallMs): string {
  const older = filesIn(holdersDirectory, EVIDENCE_PREFIX);
  const ending = `-${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}.json`;
  const same = older.find((name) => name.endsWith(ending));
  if (same !== undefined) return join(holdersDirectory, same);
  const path = join(holdersDirectory, `${EVIDENCE_PREFIX}${stampOf(now, older)}${ending}`);
  replaceFile(path, bytes, { durable: true, keepLink: false });
  deleteOldest(holdersDirectory, older, EVIDENCE_MAX - 1);
  return path;
}

const EVIDENCE_PREFIX = "damaged-";
/** The running number behind the time. */
const NUMBER = /Z-(\d+)-/;

/** When, for people, and a running number: by the wall clock alone, what is kept after it has stepped back were the oldest. */
function stampOf(now: WallMs, older: readonly string[]): string {
  const number = numberOf(older.at(-1) ?? "") + 1;
  return `${new Date(now).toISOString().replaceAll(":", "")}-${String(number).padStart(3, "0")}`;
}

/** The oldest first. */
function filesIn(directory: string, prefix: string): readonly string[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith(prefix) && name.endsWith(".json"))
    .sort()
    .sort((a, b) => numberOf(a) - numberOf(b));
}

function numberOf(name: string): number {
  return Number(NUMBER.exec(name)?.[1] ?? 0);
}

function deleteOldest(directory: string, names: readonly string[], keep: number): void {
  for (const name of names.slice(0, Math.max(0, names.length - keep))) unlinkSync(join(directory, name));
}
