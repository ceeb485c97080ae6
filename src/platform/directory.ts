import { closeSync, constants, lstatSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { NameholdError } from "../core/errors.js";
import { syncDirectory } from "./atomic-file.js";
import { DIRECTORY_ONLY, NO_FOLLOW } from "./open-flags.js";
import { adoptOwnership, ownershipBeneath } from "./ownership.js";
import { errnoOf, storageError } from "./storage-error.js";

/**
 * Makes a directory that all who may use its parent can use: with the parent's owner and mode. Fine when it exists.
 *
 * @throws NameholdError `read-only`, `unreachable`, `storage-failed`
 */
export function makeDirectory(directory: string): void {
  try {
    const wanted = ownershipBeneath(dirname(directory));
    mkdirSync(directory, wanted.mode);
    const fd = openSync(directory, constants.O_RDONLY | DIRECTORY_ONLY | NO_FOLLOW);
    try {
      adoptOwnership(fd, wanted);
    } finally {
      closeSync(fd);
    }
  } catch (failure) {
    if (errnoOf(failure) !== "EEXIST") throw storageError(failure, `Cannot make the directory ${directory}`);
    refuseLink(directory);
  }
}

/** Somebody else's link would have us write, as whoever we are, where it points. */
function refuseLink(directory: string): void {
  if (lstatSync(directory).isDirectory()) return;
  throw new NameholdError("storage-failed", `${directory} is not a directory, or a symbolic link to one. Remove it.`);
}

/** Makes a directory and its parents as this user makes them, on the disk. Fine when it exists. @throws NameholdError as above */
export function makePath(directory: string): void {
  try {
    const first = mkdirSync(directory, { recursive: true });
    if (first !== undefined) syncDirectory(dirname(first));
  } catch (failure) {
    throw storageError(failure, `Cannot make the directory ${directory}`);
  }
}
