import { type ErrorCode, NameholdError, RegistryError } from "../../core/errors.js";

/** The code of an error of SQLite's, as `SQLITE_BUSY`; undefined for any other error. */
export function sqliteCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return error.code.startsWith("SQLITE_") ? error.code : undefined;
}

/** Another process stands in the way for a moment: it writes, recovers the log after a crash, or was the last to close. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  return code !== undefined && /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code);
}

/**
 * Gives SQLite's failure its name in namehold's table, with the remedy. Other errors pass unchanged.
 *
 * @see docs/SPEC.md#G11
 */
export function storageErrorOf(error: unknown, path: string): unknown {
  const code = sqliteCodeOf(error);
  if (code === undefined || error instanceof NameholdError) return error;
  const known = KNOWN.find(([prefix]) => code.startsWith(prefix));
  const [, name, says] = known ?? ["", "storage-failed", "SQLite reported an error"];
  const reported = error instanceof Error ? error.message : String(error);
  return new RegistryError(name, `The registry ${path}: ${says} (${code}: ${reported}).`, { cause: error });
}

/** What to do with a database that is damaged. */
export const HOW_TO_RECOVER =
  "restore a backup of it, or stop all who use it, save what can be read with: sqlite3 PATH .recover | sqlite3 NEW, and put NEW in its place";

const KNOWN: readonly (readonly [prefix: string, code: ErrorCode, says: string])[] = [
  ["SQLITE_BUSY", "busy", "another process keeps the database locked; try again"],
  ["SQLITE_LOCKED", "busy", "another process keeps the database locked; try again"],
  ["SQLITE_PROTOCOL", "busy", "another process keeps the database locked; try again"],
  [
    "SQLITE_FULL",
    "storage-failed",
    "the disk is full or a quota is used up, and nothing was changed; free some space and try again",
  ],
  ["SQLITE_IOERR_SHORT_READ", "damaged", `the database is cut off; ${HOW_TO_RECOVER}`],
  ["SQLITE_IOERR", "storage-failed", "the disk reported an error; check the disk"],
  ["SQLITE_CORRUPT", "damaged", `the database is damaged; ${HOW_TO_RECOVER}`],
  ["SQLITE_NOTADB", "damaged", `the file is no SQLite database; ${HOW_TO_RECOVER}`],
  [
    "SQLITE_READONLY",
    "read-only",
    "permission denied, or the file system is mounted read-only; give this user access to the directory and the files in it",
  ],
  ["SQLITE_PERM", "read-only", "permission denied; give this user access to the directory and the files in it"],
  [
    "SQLITE_CANTOPEN",
    "unreachable",
    "the database or its log beside it cannot be opened; is its directory there, and may this user write in it?",
  ],
];
