import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { tryFlock, unflock } from "../../platform/flock.js";
import { LockFile } from "../../platform/lock-file.js";
import { isSameFile } from "../../platform/same-file.js";
import { storageError } from "../../platform/storage-error.js";

/**
 * A gate before SQLite's own lock, which knows no order: who finds that locked tries again at a time of his own, and can be
 * passed by others for a second. Who has passed the gate has SQLite's lock to himself; who waits for it says so by a
 * second lock, so that who comes out lets the others in before he comes again.
 *
 * It is for fairness alone: whoever does not get it in a while goes on without it.
 */
export class Gate {
  readonly #gate: Lock;
  readonly #waiting: Lock;
  #isOurs = false;

  /** @param directory exists when the gate is tried */
  constructor(directory: string) {
    this.#gate = new Lock(join(directory, "gate"));
    this.#waiting = new Lock(join(directory, "gate-waiters"));
  }

  /** @returns whether we are through; never waits */
  tryEnter(): boolean {
    this.#isOurs ||= this.#gate.tryLock("exclusive");
    return this.#isOurs;
  }

  /** From now on whoever comes out knows that somebody waits. */
  beginWaiting(): void {
    this.#waiting.tryLock("shared");
  }

  endWaiting(): void {
    this.#waiting.unlock();
  }

  /**
   * @param mayAsk whether it is looked for who waits; to look each time would cost more than the gate itself
   * @returns whether somebody waits to come in, as far as it was looked for
   */
  leave(mayAsk: boolean): boolean {
    if (!this.#isOurs) return false;
    this.#isOurs = false;
    this.#gate.unlock();
    if (!mayAsk) return false;
    if (!this.#waiting.tryLock("exclusive")) return true;
    this.#waiting.unlock();
    return false;
  }

  /** Makes the files anew if somebody has deleted them: else this process would pass a gate of its own. */
  check(): void {
    this.#gate.check();
    this.#waiting.check();
  }

  close(): void {
    this.#gate.close();
    this.#waiting.close();
  }
}

/** A kernel lock on an open file, without a look at its path each time. */
class Lock {
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  tryLock(mode: "exclusive" | "shared"): boolean {
    this.#fd ??= this.#open();
    return tryFlock(this.#fd, mode);
  }

  unlock(): void {
    if (this.#fd !== undefined) unflock(this.#fd);
  }

  check(): void {
    if (this.#fd !== undefined && !isSameFile(this.#fd, this.#path)) this.close();
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    // Makes it with the directory's owner and mode.
    const made = new LockFile(this.#path);
    made.tryLock();
    made.close();
    try {
      return openSync(this.#path, constants.O_RDONLY);
    } catch (failure) {
      throw storageError(failure, `Cannot open the lock file ${this.#path}`);
    }
  }
}
