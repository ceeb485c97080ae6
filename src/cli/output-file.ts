import { type BigIntStats, statSync, writeFileSync } from "node:fs";
import { NameholdError } from "../core/errors.js";
import { replaceFile } from "../platform/atomic-file.js";
import { storageError } from "../platform/storage-error.js";

/**
 * Refuses what can be no output file, before there is anything to write.
 *
 * @param registry the path of the registry, which must not be replaced
 * @throws NameholdError `invalid-input`, and as {@link storageError}
 */
export function checkOutputFile(path: string, registry: string): void {
  if (path === "") throw new NameholdError("invalid-input", "The name of the output file is empty. Name a file.");
  const stats = statsOf(path);
  if (stats?.isDirectory() === true) {
    throw new NameholdError("invalid-input", `${path} is a directory. Name a file in it.`);
  }
  const own = statsOf(registry);
  if (stats === undefined || stats.ino !== own?.ino || stats.dev !== own.dev) return;
  throw new NameholdError(
    "invalid-input",
    `${path} is the registry itself, which an export without locks must not replace. Name another file.`,
  );
}

/** Replaces the file as a whole, or leaves it as it is. @throws NameholdError as {@link replaceFile} */
export function writeOutputFile(path: string, text: string): void {
  const isReplaceable = statsOf(path)?.isFile() ?? true;
  if (isReplaceable) {
    replaceFile(path, text, { durable: true });
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
