import { host, type LockMode, type LockPart } from "./host.js";

/**
 * Takes the kernel's lock on an open descriptor, without waiting: `flock(2)`, or its like on Windows.
 *
 * It belongs to the open file: another descriptor of this same process conflicts with it, and the kernel lets go when
 * its process has ended, and, where {@link areLocksInherited}, every child that inherited the descriptor.
 *
 * @param part which lock of the file; `file` is the one that Python's filelock takes
 * @returns whether the lock is ours; `false` when somebody else's lock stands in the way
 * @throws NameholdError `storage-failed` for any other failure
 * @see docs/SPEC.md#G2
 */
export function tryFlock(fd: number, mode: LockMode, part: LockPart = "file"): boolean {
  return host().locks.tryLock(fd, mode, part);
}

/**
 * Lets go of the lock, for every copy of the descriptor.
 *
 * @throws NameholdError `storage-failed`
 */
export function unflock(fd: number, part: LockPart = "file"): void {
  host().locks.unlock(fd, part);
}

/** Whether a child that inherits the descriptor keeps the lock when its parent has died. */
export function areLocksInherited(): boolean {
  return host().locks.areInherited;
}
