import { closeSync, fstatSync, lstatSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Holder } from "../core/entry.js";
import { NameholdError } from "../core/errors.js";
import type { MonotonicMs } from "../core/timing.js";
import { makeDirectory } from "./directory.js";
import { tryFlock } from "./flock.js";
import { host } from "./host.js";
import { adoptOwnership, ownershipInside } from "./ownership.js";
import { type PresenceFile, withPresenceFile } from "./presence-file.js";
import { presenceFileName } from "./presence-path.js";
import { describeSelf, encodeBeat, encodePresence, PRESENCE_BYTES_MAX } from "./presence-record.js";
import { isSameFile } from "./same-file.js";
import { errnoOf, storageError } from "./storage-error.js";
import { createTemporary, discardTemporary } from "./temporary-file.js";

export interface PresenceOptions {
  /** The boot clock, now: the first beat. */
  readonly nowMs: MonotonicMs;
}

/**
 * A process's proof of life: a kernel lock on its own file, which the kernel lets go of when the process, and every
 * child that inherited {@link fd}, is gone.
 *
 * The file is made under a temporary name, locked, written, and only then linked into place: whoever sees it sees it
 * locked and whole.
 *
 * @see docs/SPEC.md#G6
 * @see docs/SPEC.md#G7
 */
export class Presence {
  readonly path: string;
  readonly #fd: number;
  #seq = 1;
  #isOpen = true;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /**
   * Makes the presence of `holder`, in place of a dead one's of the same instance. Makes the directory if it is
   * missing, as wide as its parent.
   *
   * @throws NameholdError `held` when a process of this very instance lives, or may live; `busy` when others keep
   *   replacing the file; `read-only`, `storage-failed`, `not-found`; `invalid-input` for an overlong instance
   */
  static create(directory: string, holder: Holder, options: PresenceOptions): Presence {
    const path = join(directory, presenceFileName(holder.instance));
    try {
      makeDirectory(directory);
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
        const fd = createAt(path, holder, options.nowMs);
        if (fd !== undefined) return new Presence(path, fd);
      }
    } catch (failure) {
      throw storageError(failure, `Cannot make the presence of this process in ${directory}`);
    }
    throw new NameholdError("busy", `The presence file ${path} keeps changing. Try again.`);
  }

  /** For a child's `stdio`: the child then keeps this presence alive, after us too. Not inherited otherwise. */
  get fd(): number {
    return this.#fd;
  }

  /** Whether the file is still the one at its path: somebody may have deleted the directory. */
  isInPlace(): boolean {
    return this.#isOpen && isSameFile(this.#fd, this.path);
  }

  /**
   * Writes a sign of life.
   *
   * @param nowMs the boot clock, read before the refresh that this beat stands for
   * @throws NameholdError `storage-failed`; `closed`
   */
  beat(nowMs: MonotonicMs): void {
    if (!this.#isOpen) throw new NameholdError("closed", `The presence ${this.path} was closed.`);
    this.#seq += 1;
    try {
      writeSync(this.#fd, encodeBeat({ seq: this.#seq, atMs: nowMs }), 0, undefined, 0);
    } catch (failure) {
      throw storageError(failure, `Cannot write a sign of life to ${this.path}`);
    }
  }

  /** Deletes the file if it is still ours, and lets go. Only when no lock names this instance any more. */
  remove(): void {
    if (!this.#isOpen) return;
    try {
      if (this.isInPlace()) host().files.patiently(() => unlinkSync(this.path));
    } catch (failure) {
      if (errnoOf(failure) !== "ENOENT") throw storageError(failure, `Cannot delete ${this.path}`);
    } finally {
      this.close();
    }
  }

  /**
   * Lets go and leaves the file: from now on others see this process as dead, unless a child has inherited {@link fd}.
   */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // No unlocking by name: that would take the lock from a child as well.
    closeSync(this.#fd);
  }
}

/** Each attempt that fails needs another process to touch the same file just then. */
const ATTEMPTS_MAX = 16;

/** @returns nothing when another process came in between */
function createAt(path: string, holder: Holder, nowMs: MonotonicMs): number | undefined {
  const { path: temporary, fd } = createTemporary(dirname(path));
  let isPlaced = false;
  try {
    // Refused, or deleted, by a sweep that took it for a leftover just now.
    if (!tryFlock(fd, "exclusive", "owner") || !isSameFile(fd, temporary)) return undefined;
    adoptOwnership(fd, ownershipInside(dirname(path)));
    writeRecord(fd, holder, nowMs);
    isPlaced = place(temporary, path) && isSameFile(fd, path);
    return isPlaced ? fd : undefined;
  } finally {
    discardTemporary(temporary);
    if (!isPlaced) closeSync(fd);
  }
}

function writeRecord(fd: number, holder: Holder, nowMs: MonotonicMs): void {
  const record = describeSelf(holder, fstatSync(fd, { bigint: true }));
  const bytes = encodePresence(record, { seq: 1, atMs: nowMs });
  if (bytes.length > PRESENCE_BYTES_MAX) {
    throw new NameholdError("invalid-input", "The instance id is too long: use one of at most 4,000 characters.");
  }
  const written = writeSync(fd, bytes, 0, undefined, 0);
  if (written !== bytes.length)
    throw new NameholdError("storage-failed", "The presence record was cut off: disk full?");
}

function place(temporary: string, path: string): boolean {
  const isMoved = host().files.moveIfAbsent(temporary, path);
  if (isMoved === true) return true;
  if (isMoved === false || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return removeDead(path);
  renameSync(temporary, path);
  return true;
}

/** Makes room for another attempt, unless the file changes meanwhile, or somebody is looking at it just now. */
function removeDead(path: string): false {
  return withPresenceFile(path, "exclusive", (file) => {
    if (file.kind === "absent") return false;
    if (file.kind === "opened" && !file.isLocked && !isHeldByOwner(path)) return false;
    if (file.kind !== "opened" || !file.isLocked || file.flaw !== undefined) throw heldBySame(file, path);
    // Not replaced in one step: Windows lets nobody rename onto a file that is open, and we have it open.
    unlinkSync(path);
    return false;
  });
}

/** Those who only look hold the lock for a moment, but shared. */
function isHeldByOwner(path: string): boolean {
  return withPresenceFile(path, "shared", (file) => file.kind === "opened" && !file.isLocked);
}

function heldBySame(file: Exclude<PresenceFile, { kind: "absent" }>, path: string): NameholdError {
  if (file.kind === "unusable" || file.isLocked) {
    const why = file.kind === "unusable" ? file.why : file.flaw?.why;
    const message = `A presence of this very instance exists and may belong to a living process: ${why}. Use another instance id, or delete ${path} when you know that its process is gone.`;
    return new NameholdError("held", message);
  }
  const { pid, host: hostName, instance } = file.content.record;
  const message = `Instance '${instance}' is a living process already (pid ${pid} on ${hostName}). Use another instance id, or end that process.`;
  return new NameholdError("held", message, { heldBy: { pid, host: hostName, instance } });
}
