import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { RegistryError } from "../../core/errors.js";
import { systemClock } from "../../platform/clock.js";
import { makeDirectory } from "../../platform/directory.js";
import { RegistryFile } from "./registry-file.js";

const TIMEOUT_MS = 5_000;

/**
 * Makes an empty registry file, and its directory where that is missing: with the owner and mode of the directory above,
 * so that all who may use that can use it.
 *
 * @param path absolute
 * @throws RegistryError `already-exists`, also for one that is lost and of which a good copy is there; `unreachable`
 *   without a directory above; `read-only`, `busy`, `storage-failed`
 */
export async function createRegistry(path: string): Promise<void> {
  makeDirectory(dirname(path));
  const file = new RegistryFile(path, systemClock, TIMEOUT_MS);
  try {
    await file.inTurn((work) => {
      if (existsSync(path) || work.document.size > 0) {
        throw new RegistryError("already-exists", `There is a registry already: ${path}`);
      }
      // What makes the turn write the file, although there is nothing in it.
      work.identityChanged = true;
    });
  } finally {
    await file.close();
  }
}
