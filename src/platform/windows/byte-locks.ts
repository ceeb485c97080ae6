import { NameholdError } from "../../core/errors.js";
import type { HostLocks, LockMode, LockPart } from "../host.js";
import { type ByteRange, win32 } from "./win32.js";

/**
 * Locks on ranges of bytes, by LockFileEx. They belong to the process and its open file: another handle of this same
 * process conflicts with them, a child never has them, and the kernel lets go when the process ends.
 *
 * Who reads a locked byte is refused: presences are locked far behind what is written in them.
 */
export const byteLocks: HostLocks = {
  areInherited: false,
  tryLock: (fd, mode, part) => {
    const c = win32();
    if (c.lockFile(c.handleOf(fd), FLAGS[mode], RANGES[part])) return true;
    const error = c.lastError();
    if (error === ERROR_LOCK_VIOLATION || error === ERROR_IO_PENDING) return false;
    throw failed("LockFileEx", error);
  },
  unlock: (fd, part) => {
    const c = win32();
    if (!c.unlockFile(c.handleOf(fd), RANGES[part])) throw failed("UnlockFileEx", c.lastError());
  },
};

const FAIL_IMMEDIATELY = 1;
const EXCLUSIVE = 2;
const FLAGS: Readonly<Record<LockMode, number>> = { shared: FAIL_IMMEDIATELY, exclusive: FAIL_IMMEDIATELY | EXCLUSIVE };
const ERROR_LOCK_VIOLATION = 33;
const ERROR_IO_PENDING = 997;

const FAR = { offsetLow: 0, offsetHigh: 0x40000000 };
/** Of a presence the owner and its guardian have a byte each: it is free when both are. */
const RANGES: Readonly<Record<LockPart, ByteRange>> = {
  file: { offsetLow: 0, offsetHigh: 0, length: 1 },
  owner: { ...FAR, length: 1 },
  guardian: { ...FAR, offsetLow: 1, length: 1 },
  presence: { ...FAR, length: 2 },
};

function failed(call: string, error: number): NameholdError {
  return new NameholdError("storage-failed", `The file system refused to lock a file: ${call} failed with ${error}.`);
}
