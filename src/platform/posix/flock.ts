import { NameholdError } from "../../core/errors.js";
import type { HostLocks, LockMode } from "../host.js";
import type { Libc } from "./libc.js";

/**
 * The kernel's whole-file lock, `flock(2)`, of which a file has one.
 *
 * It belongs to the open file description: another descriptor of this same process conflicts with it, a child that
 * inherits the descriptor shares it, and the kernel lets go when the last copy is closed. Not fcntl or OFD locks: those
 * do not exclude Python's filelock.
 */
export function flockLocks(libc: () => Libc): HostLocks {
  return {
    areInherited: true,
    tryLock: (fd, mode) => {
      const failure = call(libc(), fd, OPERATIONS[mode] | LOCK_NB);
      if (failure === undefined) return true;
      // EAGAIN is the name that Linux gives EWOULDBLOCK; they are one number everywhere.
      if (failure === "EAGAIN" || failure === "EWOULDBLOCK") return false;
      throw flockFailed(failure);
    },
    unlock: (fd) => {
      const failure = call(libc(), fd, LOCK_UN);
      if (failure !== undefined) throw flockFailed(failure);
    },
  };
}

const OPERATIONS: Readonly<Record<LockMode, number>> = { shared: 1, exclusive: 2 };
const LOCK_NB = 4;
const LOCK_UN = 8;

/** @returns the name of the error, or nothing when the call succeeded */
function call(c: Libc, fd: number, operation: number): string | undefined {
  while (c.flock(fd, operation) !== 0) {
    const name = c.errnoName();
    if (name !== "EINTR") return name;
  }
  return undefined;
}

function flockFailed(errnoName: string): NameholdError {
  return new NameholdError("storage-failed", `The file system refused to lock a file: flock failed with ${errnoName}.`);
}
