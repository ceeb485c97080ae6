import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { NameholdError } from "../core/errors.js";
import { host } from "./host.js";
import { NON_BLOCKING } from "./open-flags.js";
import { adoptOwnership, type Ownership, ownershipInside, ownershipOf } from "./ownership.js";
import { resolveLinks } from "./real-path.js";
import { errnoOf, storageError } from "./storage-error.js";
import { createTemporary, discardTemporary, isTemporaryName } from "./temporary-file.js";

export interface ReplaceOptions {
  /** Whether the data is on the disk before the rename. The rename itself is, after {@link syncDirectory}. */
  readonly durable: boolean;
  /** Where `path` is a symbolic link: keep it and replace what it points to (the default), or replace the link. */
  readonly keepLink?: boolean;
  /** Who may use a new file: all who may use its directory (the default), or whoever the umask of this process says. */
  readonly newFileFor?: "directory" | "user";
  /** Called when all is written, just before the rename. What it throws aborts the replacement and is thrown on. */
  readonly beforeRename?: () => void;
}

/**
 * Replaces a file as a whole: readers see the old one or the new one, and whatever fails leaves the old one as it was.
 *
 * Keeps owner and mode of the file that it replaces; a new file gets its directory's owner and no wider mode than the
 * directory has. Where `path` is a symbolic link, what it points to is replaced and the link stays.
 *
 * @throws NameholdError `storage-failed` (disk full, disk error), `read-only`, `unreachable` (no directory)
 * @see docs/SPEC.md#G1
 */
export function replaceFile(path: string, data: string | Uint8Array, options: ReplaceOptions): void {
  const target = options.keepLink === false ? path : resolveLinks(path);
  const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : data;
  try {
    replace(target, bytes, options);
  } catch (failure) {
    // What beforeRename threw is the caller's own.
    if (errnoOf(failure) === undefined) throw failure;
    throw storageError(failure, `Cannot write ${path}`);
  }
}

/**
 * The whole file.
 *
 * @returns nothing when there is no such file, and only then
 * @throws NameholdError `invalid-input` when it is no file or larger than 256 MiB, else as {@link storageError}
 */
export function readFileOrAbsent(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = host().files.patiently(() => openSync(path, constants.O_RDONLY | NON_BLOCKING));
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    throw storageError(failure, `Cannot read ${path}`);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new NameholdError("invalid-input", `Cannot read ${path}: it is not a file.`);
    if (stats.size > READ_BYTES_MAX) {
      throw new NameholdError("invalid-input", `Cannot read ${path}: ${stats.size} bytes are more than 256 MiB.`);
    }
    return readFileSync(fd);
  } catch (failure) {
    throw storageError(failure, `Cannot read ${path}`);
  } finally {
    closeSync(fd);
  }
}

/** Puts a directory's names on the disk: after it, a rename in this directory outlives power loss. Not so on Windows. */
export function syncDirectory(path: string): void {
  try {
    host().files.syncDirectory(path);
  } catch (failure) {
    // The answer of file systems that have no such operation: nothing more can be done there.
    if (errnoOf(failure) !== "EINVAL") throw storageError(failure, `Cannot put ${path} on the disk`);
  }
}

/**
 * Removes what crashed writers left in a directory. Call it under the registry's file lock: then no writer is at work.
 *
 * @param olderThanMs by the wall clock; how old a leftover must be
 * @returns how many were removed
 */
export function sweepTemporaries(directory: string, olderThanMs: number): number {
  let removed = 0;
  try {
    for (const name of readdirSync(directory)) {
      if (isTemporaryName(name) && removeIfOlder(join(directory, name), olderThanMs)) removed += 1;
    }
  } catch (failure) {
    throw storageError(failure, `Cannot clean up ${directory}`);
  }
  return removed;
}

const READ_BYTES_MAX = 256 * 2 ** 20;

function replace(target: string, bytes: Uint8Array, options: ReplaceOptions): void {
  const directory = dirname(target);
  const kept = ownershipToKeep(target);
  const { path: temporary, fd } = createTemporary(directory);
  try {
    try {
      if (kept === undefined && options.newFileFor === "user") fchmodSync(fd, 0o666 & ~process.umask());
      else if (!adoptOwnership(fd, kept ?? ownershipInside(directory)) && kept !== undefined)
        refuseToLockOut(target, kept);
      writeAll(fd, bytes);
      if (options.durable) fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    options.beforeRename?.();
    host().files.replace(temporary, target);
  } catch (failure) {
    discardTemporary(temporary);
    throw failure;
  }
}

/** A file that this user may not write to is not replaced either, though its directory would allow it. */
function ownershipToKeep(target: string): Ownership | undefined {
  const stats = statSync(target, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  accessSync(target, constants.W_OK);
  return ownershipOf(stats);
}

/** Giving files to another owner is root's right. Where group or others may write, the old owner still can. */
function refuseToLockOut(target: string, kept: Ownership): void {
  if ((kept.mode & 0o022) !== 0) return;
  const message = `Cannot replace ${target}: its owner (uid ${kept.uid}) cannot be kept and would lose access. Run as that user, or let the group write.`;
  throw new NameholdError("read-only", message);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.length) offset += writeSync(fd, bytes, offset);
}

function removeIfOlder(path: string, olderThanMs: number): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || Date.now() - stats.mtimeMs <= olderThanMs) return false;
  unlinkSync(path);
  return true;
}
