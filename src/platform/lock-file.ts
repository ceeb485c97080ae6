import { closeSync, constants } from "node:fs";
import { dirname } from "node:path";
import { tryFlock, unflock } from "./flock.js";
import { host } from "./host.js";
import { NO_FOLLOW, NON_BLOCKING } from "./open-flags.js";
import { adoptOwnership, ownershipInside } from "./ownership.js";
import { isSameFile } from "./same-file.js";
import { errnoOf, storageError } from "./storage-error.js";

/**
 * One lock file, shared with processes that may delete it at any moment (filelock 3.20.4 to 3.29.4 do so on release).
 *
 * A lock on an inode that is no longer at the path excludes nobody: so it is looked at after every locking. The
 * descriptor stays open between acquisitions. The file is never written to, truncated or deleted.
 */
export class LockFile {
  readonly path: string;
  #fd: number | undefined;
  #isLocked = false;

  constructor(path: string) {
    this.path = path;
  }

  /** @returns whether the lock is ours now; never waits */
  tryLock(): boolean {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const fd = this.#open();
      if (fd === undefined) continue;
      this.#isLocked = tryFlock(fd, "exclusive");
      if (isSameFile(fd, this.path)) return this.#isLocked;
      // What we locked, or what somebody else has locked, is a file that was deleted.
      this.close();
    }
    return false;
  }

  /** Whether we hold the lock on the file that is at the path now. */
  isStillOurs(): boolean {
    return this.#isLocked && this.#fd !== undefined && isSameFile(this.#fd, this.path);
  }

  unlock(): void {
    if (!this.#isLocked || this.#fd === undefined) return;
    this.#isLocked = false;
    unflock(this.#fd);
  }

  close(): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.unlock();
    this.#fd = undefined;
    closeSync(fd);
  }

  /** @returns nothing when another process created or deleted the file meanwhile */
  #open(): number | undefined {
    try {
      this.#fd ??= openExisting(this.path) ?? create(this.path);
    } catch (failure) {
      throw storageError(failure, `Cannot open the lock file ${this.path}`);
    }
    return this.#fd;
  }
}

/** Each attempt that fails needs another process's release just then. */
const ATTEMPTS_MAX = 16;
/** Not blocking, lest a FIFO in its place stop us. Node adds O_CLOEXEC. */
const FLAGS = NO_FOLLOW | NON_BLOCKING;

function openExisting(path: string): number | undefined {
  try {
    return host().files.openLockFile(path, constants.O_RDWR | FLAGS);
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    // Another user's file, which we may only read: enough for flock.
    if (errnoOf(failure) !== "EACCES" && errnoOf(failure) !== "EROFS") throw failure;
  }
  return host().files.openLockFile(path, constants.O_RDONLY | FLAGS);
}

/** Apart from opening, since only who creates the file gives it owner and mode. */
function create(path: string): number | undefined {
  const wanted = ownershipInside(dirname(path));
  let fd: number;
  try {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | FLAGS;
    fd = host().files.openLockFile(path, flags, wanted.mode);
  } catch (failure) {
    if (errnoOf(failure) === "EEXIST") return undefined;
    throw failure;
  }
  adoptOwnership(fd, wanted);
  return fd;
}
