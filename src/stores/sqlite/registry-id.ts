/**
 * `PATH.holders/registry-id`: what tells, when the database is missing or another one, that there was a registry.
 *
 * @see docs/SPEC.md#G8
 */
import { join } from "node:path";
import { isNameholdError, RegistryError } from "../../core/errors.js";
import { readFileOrAbsent, replaceFile, syncDirectory } from "../../platform/atomic-file.js";
import { makeDirectory } from "../../platform/directory.js";

export class RegistryIdFile {
  readonly path: string;
  readonly #directory: string;

  constructor(holdersDirectory: string) {
    this.#directory = holdersDirectory;
    this.path = join(holdersDirectory, "registry-id");
  }

  /** Undefined when there is none, or none that can be read. */
  read(): string | undefined {
    const text = readFileOrAbsent(this.path)?.toString("utf8").trim();
    return text === "" ? undefined : text;
  }

  /** Who may only read the directory has nothing to lose in it. */
  writeIfAllowed(id: string): void {
    try {
      makeDirectory(this.#directory);
      replaceFile(this.path, `${id}\n`, { durable: true, keepLink: false });
      syncDirectory(this.#directory);
    } catch (error) {
      if (!isNameholdError(error, "read-only")) throw error;
    }
  }

  /** The error for a database that is not the one that is known. */
  damage(path: string, what: string): RegistryError {
    return new RegistryError(
      "damaged",
      `The registry ${path} ${what}, but ${this.path} tells of a registry that was here. No new one is begun in its place: put the old one back, or restore a backup of it. If the old registry is to be forgotten, with all its IDs, delete ${this.path}.`,
    );
  }
}
