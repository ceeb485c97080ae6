import { closeSync, fstatSync, ftruncateSync, writeSync, writevSync } from "node:fs";
import { NameholdError } from "../core/errors.js";
import { openOrCreate } from "./opened-file.js";
import { storageError } from "./storage-error.js";

/**
 * A file that is written over in place and never synced: cheap, and torn by a crash at the wrong moment, so its content
 * must tell whether it is whole. Made when it is missing, with its directory's owner and no wider mode. One process at a
 * time: use it under a lock.
 */
export class RewrittenFile {
  readonly #path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /**
   * Opens the file and makes it as long as `bytes` at least, with zeros behind what it holds: a later write of no more
   * then needs no room on the disk.
   *
   * @throws NameholdError `storage-failed` (also for a link of any kind, or what is no file, in its place), `read-only`, `unreachable`
   */
  static open(path: string, bytes: number): RewrittenFile {
    try {
      const fd = openOrCreate(path);
      try {
        const stats = fstatSync(fd);
        // Under a second name it may be somebody else's.
        if (!stats.isFile() || stats.nlink !== 1) {
          throw new NameholdError("storage-failed", `Cannot write ${path}: it is not a file of its own.`);
        }
        if (stats.size < bytes) writeAll(fd, new Uint8Array(bytes + bytes / 4 - stats.size), stats.size);
      } catch (failure) {
        closeSync(fd);
        throw failure;
      }
      return new RewrittenFile(path, fd);
    } catch (failure) {
      throw storageError(failure, `Cannot write ${path}`);
    }
  }

  /** Writes the pieces over the beginning of the file, one after the other. @throws NameholdError `storage-failed` */
  write(pieces: readonly Uint8Array[]): void {
    try {
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
      if (writevSync(this.#fd, pieces, 0) !== bytes)
        throw new NameholdError("storage-failed", `${this.#path} is cut off.`);
    } catch (failure) {
      throw storageError(failure, `Cannot write ${this.#path}`);
    }
  }

  /** @throws NameholdError `storage-failed` */
  empty(): void {
    try {
      ftruncateSync(this.#fd);
    } catch (failure) {
      throw storageError(failure, `Cannot empty ${this.#path}`);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  let offset = 0;
  while (offset < bytes.length) offset += writeSync(fd, bytes, offset, bytes.length - offset, at + offset);
}
