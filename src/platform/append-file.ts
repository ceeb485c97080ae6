import { closeSync, constants, fstatSync, readSync, writeSync } from "node:fs";
import { NameholdError } from "../core/errors.js";
import { openOrCreate } from "./opened-file.js";
import { storageError } from "./storage-error.js";

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
    const fd = openOrCreate(path, constants.O_APPEND);
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

const LINE_END = 0x0a;

function endsInLine(fd: number, size: number): boolean {
  const last = Buffer.alloc(1);
  return size === 0 || (readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === LINE_END);
}

function writeAll(fd: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.length) offset += writeSync(fd, bytes, offset);
}
