import { NameholdError } from "../core/errors.js";
import { libc } from "./libc.js";

export type FlockMode = "exclusive" | "shared";

/**
 * Takes the kernel's whole-file lock (`flock(2)`) on an open descriptor, without waiting.
 *
 * The lock belongs to the open file description: another descriptor of this same process conflicts with it, a child
 * that inherits the descriptor shares it, and the kernel lets go when the last copy is closed. Not fcntl or OFD locks:
 * those do not exclude Python's filelock.
 *
 * @returns whether the lock is ours; `false` when somebody else's lock stands in the way
 * @throws NameholdError `storage-failed` for any other failure, `unsupported` on Windows
 * @see docs/SPEC.md#G2
 */
export function tryFlock(fd: number, mode: FlockMode): boolean {
  const failure = call(fd, OPERATIONS[mode] | LOCK_NB);
  if (failure === undefined) return true;
  // EAGAIN is the name that Linux gives EWOULDBLOCK; they are one number everywhere.
  if (failure === "EAGAIN" || failure === "EWOULDBLOCK") return false;
  throw flockFailed(failure);
}

/**
 * Lets go of the lock, for every copy of the descriptor.
 *
 * @throws NameholdError `storage-failed`
 */
export function unflock(fd: number): void {
  const failure = call(fd, LOCK_UN);
  if (failure !== undefined) throw flockFailed(failure);
}

const OPERATIONS: Readonly<Record<FlockMode, number>> = { shared: 1, exclusive: 2 };
const LOCK_NB = 4;
const LOCK_UN = 8;

/** @returns the name of the error, or nothing when the call succeeded */
function call(fd: number, operation: number): string | undefined {
  const c = libc();
  while (c.flock(fd, operation) !== 0) {
    const name = c.errnoName();
    if (name !== "EINTR") return name;
  }
  return undefined;
}

function flockFailed(errnoName: string): NameholdError {
  return new NameholdError("storage-failed", `The file system refused to lock a file: flock failed with ${errnoName}.`);
}
