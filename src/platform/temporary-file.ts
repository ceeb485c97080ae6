import { randomUUID } from "node:crypto";
import { constants, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { NO_FOLLOW } from "./open-flags.js";

export interface TemporaryFile {
  readonly path: string;
  readonly fd: number;
}

/** Makes a new file that only this user can open, under a name that nobody can guess. */
export function createTemporary(directory: string): TemporaryFile {
  const path = join(directory, `${PREFIX}${randomUUID()}`);
  return { path, fd: openSync(path, FLAGS, 0o600) };
}

/** Whether this is the name of a temporary file of ours, perhaps a leftover of a crashed process. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** Removes a temporary file that was not, or not only, moved into its place. */
export function discardTemporary(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Mostly it was moved, which is fine. Else the failure that brought the caller here is the one to tell, and a
    // leftover is swept later.
  }
}

const PREFIX = ".namehold-tmp-";
const FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW;
