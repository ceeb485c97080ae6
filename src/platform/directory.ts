import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { adoptOwnership, ownershipBeneath } from "./ownership.js";
import { errnoOf, storageError } from "./storage-error.js";

/**
 * Makes a directory that all who may use its parent can use: with the parent's owner and mode. Fine when it exists.
 *
 * @throws NameholdError `read-only`, `not-found`, `storage-failed`
 */
export function makeDirectory(directory: string): void {
  try {
    const wanted = ownershipBeneath(dirname(directory));
    mkdirSync(directory, wanted.mode);
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      adoptOwnership(fd, wanted);
    } finally {
      closeSync(fd);
    }
  } catch (failure) {
    if (errnoOf(failure) !== "EEXIST") throw storageError(failure, `Cannot make the directory ${directory}`);
  }
}

/** Makes a directory and its parents as this user makes them. Fine when it exists. @throws NameholdError as above */
export function makePath(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (failure) {
    throw storageError(failure, `Cannot make the directory ${directory}`);
  }
}
