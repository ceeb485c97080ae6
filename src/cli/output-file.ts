import { type BigIntStats, statSync, writeFileSync } from "node:fs";
import { sep } from "node:path";
import { NameholdError } from "../core/errors.js";
import { replaceFile } from "../platform/atomic-file.js";
import { holdersDirectoryOf } from "../platform/presence-path.js";
import { resolveLinks } from "../platform/real-path.js";
import { storageError } from "../platform/storage-error.js";
import { isSameFile, registryPathOf } from "../registry/registry-place.js";

/**
 * Refuses what can be no output file, before there is anything to write.
 *
 * @param location the registry's, of which no file must be replaced
 * @throws NameholdError `invalid-input`, and as {@link storageError}
 */
export function checkOutputFile(path: string, location: string): void {
  if (path === "") throw new NameholdError("invalid-input", "The name of the output file is empty. Name a file.");
  if (statsOf(path)?.isDirectory() === true) {
    throw new NameholdError("invalid-input", `${path} is a directory. Name a file in it.`);
  }
  const registry = registryPathOf(location);
  const what = registry === null ? null : roleIn(registry, path);
  if (what === null) return;
  throw new NameholdError(
    "invalid-input",
    `${path} ${what}, which an export without locks must not replace. Name another file.`,
  );
}

/** The lock file of every store, and what SQLite has beside a database. */
const SUFFIXES = [".lock", "-wal", "-shm", "-journal"] as const;

/** What the file is to the registry; null when it is nothing. */
function roleIn(registry: string, path: string): string | null {
  const target = resolveLinks(path);
  const real = resolveLinks(registry);
  if (target === real || isSameFile(path, registry)) return "is the registry itself";
  // Python locks the path as it is given, too.
  const beside = [real, registry].flatMap((spelling) => SUFFIXES.map((suffix) => resolveLinks(spelling + suffix)));
  const isOwn = beside.includes(target) || target.startsWith(holdersDirectoryOf(registry) + sep);
  return isOwn ? "belongs to the registry" : null;
}

/** Replaces the file as a whole, or leaves it as it is. @throws NameholdError as {@link replaceFile} */
export function writeOutputFile(path: string, text: string): void {
  const isReplaceable = statsOf(path)?.isFile() ?? true;
  if (isReplaceable) {
    replaceFile(path, text, { durable: true, newFileFor: "user" });
    return;
  }
  // A device or a pipe is written to, and must stay what it is.
  try {
    writeFileSync(path, text);
  } catch (failure) {
    throw storageError(failure, `Cannot write ${path}`);
  }
}

function statsOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (failure) {
    throw storageError(failure, `Cannot look at ${path}`);
  }
}
