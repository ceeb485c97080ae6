import { lstatSync, readdirSync, type Stats, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, storageError } from "./storage-error.js";

/**
 * What stands at the path itself: a symbolic link is not followed.
 *
 * @returns undefined when there is nothing, and only then
 * @throws NameholdError `read-only` where this user may not look
 */
export function statsAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (failure) {
    if (errnoOf(failure) === "ENOTDIR") return undefined;
    throw storageError(failure, `Cannot look at ${path}`);
  }
}

/**
 * The names in a directory.
 *
 * @returns none when there is no such directory
 * @throws NameholdError `read-only` where this user may not look
 */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (failure) {
    const errno = errnoOf(failure);
    if (errno === "ENOENT" || errno === "ENOTDIR") return [];
    throw storageError(failure, `Cannot list ${directory}`);
  }
}

/** The directory, or the nearest above it that exists. */
export function nearestDirectory(directory: string): string {
  const parent = dirname(directory);
  return parent === directory || statsAt(directory) !== undefined ? directory : nearestDirectory(parent);
}

/** The directory and all above it, the root last. */
export function ancestorsOf(directory: string): readonly string[] {
  const parent = dirname(directory);
  return parent === directory ? [directory] : [directory, ...ancestorsOf(parent)];
}

/** What an ordinary user may still write to the file system of `path`. */
export interface FreeSpace {
  readonly bytes: number;
  /** Infinity on file systems that do not count. */
  readonly files: number;
}

export function freeSpaceAt(path: string): FreeSpace {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(path);
    return { bytes: bavail * bsize, files: files === 0 ? Number.POSITIVE_INFINITY : ffree };
  } catch (failure) {
    throw storageError(failure, `Cannot tell the free space at ${path}`);
  }
}
