import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { NameholdError } from "../core/errors.js";
import { NO_FOLLOW, NON_BLOCKING } from "./open-flags.js";
import { adoptOwnership, ownershipInside } from "./ownership.js";
import { errnoOf, storageError } from "./storage-error.js";

/**
 * Adds lines at the end of a file, which is made when it is missing, with its directory's owner and no wider mode. What a
 * writer that crashed has left of a line becomes a line of its own. Not synced to the disk. One process at a time: call it
 * under a lock.
 *
 * @param lines whole ones, each with its line end
 * @throws NameholdError `storage-failed` (also for a link, or what is no file, in its place), `read-only`, `unreachable`
 */
export function appendLines(path: string, lines: string): void {
  try {
    const fd = openExisting(path) ?? create(path);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) throw new NameholdError("storage-failed", `Cannot write ${path}: it is not a file.`);
      writeAll(fd, Buffer.from(endsInLine(fd, stats.size) ? lines : `\n${lines}`, "utf8"));
    } finally {
      closeSync(fd);
    }
  } catch (failure) {
    throw storageError(failure, `Cannot write ${path}`);
  }
}

/** Not blocking, lest a FIFO in its place stop us. Node adds O_CLOEXEC. */
const FLAGS = constants.O_RDWR | constants.O_APPEND | NO_FOLLOW | NON_BLOCKING;
const LINE_END = 0x0a;

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, FLAGS);
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    throw failure;
  }
}

/** Apart from opening, since only who creates the file gives it owner and mode. */
function create(path: string): number {
  const wanted = ownershipInside(dirname(path));
  const fd = openSync(path, FLAGS | constants.O_CREAT | constants.O_EXCL, wanted.mode);
  adoptOwnership(fd, wanted);
  return fd;
}

function endsInLine(fd: number, size: number): boolean {
  const last = Buffer.alloc(1);
  return size === 0 || (readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === LINE_END);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.length) offset += writeSync(fd, bytes, offset);
}
