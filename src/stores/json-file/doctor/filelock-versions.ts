/** What the versions of Python's filelock do to a lock file. Measured: docs/adr/0001-file-lock.md. Pure. */

/**
 * - `blind`: up to 3.20.3. Keeps the lock file, and does not notice when the one that it locked was deleted.
 * - `deleting`: 3.20.4 to 3.29.4. Deletes the lock file on release.
 * - `sound`: from 3.29.5. Keeps the lock file, and notices.
 */
export type FilelockManner = "blind" | "deleting" | "sound";

/** What to install where versions break each other. */
export const SOUND_FILELOCK = "filelock>=3.29.5";

/** @returns undefined for a version that is no number */
export function mannerOf(version: string): FilelockManner | undefined {
  const parts = /^(\d+)\.(\d+)(?:\.(\d+))?/
    .exec(version)
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  if (parts === undefined) return undefined;
  if (isBefore(parts, [3, 20, 4])) return "blind";
  return isBefore(parts, [3, 29, 5]) ? "deleting" : "sound";
}

function isBefore(version: readonly number[], other: readonly number[]): boolean {
  const at = version.findIndex((part, index) => part !== other[index]);
  return at >= 0 && (version[at] ?? 0) < (other[at] ?? 0);
}
