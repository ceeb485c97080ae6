import { type ErrorCode, NameholdError, RegistryError } from "../../core/errors.js";
import { shellWord } from "../../core/shell-word.js";

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
  const what = typeof says === "string" ? says : says(path);
  return new RegistryError(name, `The registry ${path}: ${what} (${code}: ${reported}).`, { cause: error });
}

/** What to do with a database that is damaged. */
export function howToRecover(path: string): string {
  const [old, mended] = [path, `${path}.new`].map(shellWord);
  return `restore a backup of it; or stop all who use it, save what can be read (sqlite3 ${old} .recover | sqlite3 ${mended}, by the sqlite3 of sqlite.org: that of Debian 12 cannot), and put ${mended} in its place, without ${old}-wal and ${old}-shm`;
}

const KNOWN: readonly (readonly [prefix: string, code: ErrorCode, says: string | ((path: string) => string)])[] = [
  ["SQLITE_BUSY", "busy", "another process keeps the database locked; try again"],
  ["SQLITE_LOCKED", "busy", "another process keeps the database locked; try again"],
  ["SQLITE_PROTOCOL", "busy", "another process keeps the database locked; try again"],
  [
    "SQLITE_FULL",
    "storage-failed",
    "the disk is full or a quota is used up, and nothing was changed; free some space and try again",
  ],
  ["SQLITE_IOERR_SHORT_READ", "damaged", (path) => `the database is cut off; ${howToRecover(path)}`],
  ["SQLITE_IOERR", "storage-failed", "the disk reported an error; check the disk"],
  ["SQLITE_CORRUPT", "damaged", (path) => `the database is damaged; ${howToRecover(path)}`],
  ["SQLITE_NOTADB", "damaged", (path) => `the file is no SQLite database; ${howToRecover(path)}`],
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
