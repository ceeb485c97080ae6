import { constants, openSync } from "node:fs";
import { dirname } from "node:path";
import { NO_FOLLOW, NON_BLOCKING } from "./open-flags.js";
import { adoptOwnership, ownershipInside } from "./ownership.js";
import { errnoOf } from "./storage-error.js";

/**
 * Opens a file to read and write, and makes it when it is missing, with its directory's owner and no wider mode. Throws
 * what the system says.
 *
 * @param flags besides: O_APPEND
 * @returns its descriptor
 */
export function openOrCreate(path: string, flags = 0): number {
  // Not blocking, lest a FIFO in its place stop us. Node adds O_CLOEXEC.
  const all = constants.O_RDWR | NO_FOLLOW | NON_BLOCKING | flags;
  return openExisting(path, all) ?? create(path, all);
}

function openExisting(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    throw failure;
  }
}

/** Apart from opening, since only who creates the file gives it owner and mode. */
function create(path: string, flags: number): number {
  const wanted = ownershipInside(dirname(path));
  const fd = openSync(path, flags | constants.O_CREAT | constants.O_EXCL, wanted.mode);
  adoptOwnership(fd, wanted);
  return fd;
}
