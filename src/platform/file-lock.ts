import { resolve } from "node:path";
import { LockFile } from "./lock-file.js";
import { lockPathsOf } from "./lock-paths.js";

/**
 * The exclusive lock on a registry file, shared with Python's filelock: flock on `PATH.lock`, and where PATH is a
 * symbolic link on the lock file beside the real file too, since Python uses either.
 *
 * Never waits. Two objects exclude each other within one process as well. Where a filelock version that deletes lock
 * files meets one that does not look (3.20.3 and older), they break each other's lock and can break ours: hence
 * {@link isStillOurs}, to be asked just before the rename.
 *
 * @see docs/SPEC.md#G2
 * @see docs/SPEC.md#G9
 */
export class FileLock {
  readonly #registryPath: string;
  readonly #files = new Map<string, LockFile>();
  /** In the order of locking. Empty when the lock is not ours. */
  #held: readonly LockFile[] = [];

  constructor(registryPath: string) {
    this.#registryPath = resolve(registryPath);
  }

  /**
   * @returns whether the lock is ours now; `false` when another process, another FileLock or an earlier call has it
   * @throws NameholdError `not-found` (no directory), `read-only` (no lock file, and none can be made),
   *   `storage-failed` (a symbolic link in place of the lock file, a failing file system)
   */
  tryAcquire(): boolean {
    if (this.#held.length > 0) return false;
    const locked: LockFile[] = [];
    try {
      for (const path of lockPathsOf(this.#registryPath)) {
        const file = this.#fileAt(path);
        if (!file.tryLock()) return false;
        locked.push(file);
      }
      this.#held = locked;
      return true;
    } finally {
      if (this.#held !== locked) unlockAll(locked);
    }
  }

  /** Whether the lock is ours and still excludes everybody: its files were not deleted, nor PATH's link changed. */
  isStillOurs(): boolean {
    if (this.#held.length === 0) return false;
    const paths = lockPathsOf(this.#registryPath);
    return (
      paths.length === this.#held.length && this.#held.every((file, i) => file.path === paths[i] && file.isStillOurs())
    );
  }

  /** Lets go. The descriptors stay open for the next time. Fine when the lock is not ours. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    unlockAll(held);
  }

  /** Lets go, and closes the descriptors. The lock can be acquired again. */
  close(): void {
    this.#held = [];
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #fileAt(path: string): LockFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = new LockFile(path);
    this.#files.set(path, file);
    return file;
  }
}

function unlockAll(files: readonly LockFile[]): void {
  for (const file of files.toReversed()) file.unlock();
}
