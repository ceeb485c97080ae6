/** From a path to a connection: which file it is, whether it is ours, and that nothing foreign is touched. */
import { closeSync, constants, openSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { NameholdError, RegistryError } from "../../core/errors.js";
import type { Clock } from "../../core/timing.js";
import { syncDirectory } from "../../platform/atomic-file.js";
import { bootId } from "../../platform/clock.js";
import { makeDirectory, makePath } from "../../platform/directory.js";
import { nearestDirectory } from "../../platform/file-stats.js";
import { fileSystemKind, isLocalFileSystem } from "../../platform/file-system.js";
import { isMountPoint } from "../../platform/mounts.js";
import { adoptOwnership, ownershipInside } from "../../platform/ownership.js";
import { holdersDirectoryOf } from "../../platform/presence-path.js";
import { newUlid } from "../../platform/process-identity.js";
import { resolveLinks } from "../../platform/real-path.js";
import { errnoOf, storageError } from "../../platform/storage-error.js";
import { Connection } from "./connection.js";
import type { Database, Driver } from "./driver.js";
import { RegistryIdFile } from "./registry-id.js";
import { RegistryTokens } from "./registry-tokens.js";
import {
  APPLICATION_ID,
  insertRegistry,
  MIGRATIONS,
  migrateSchema,
  newerSchema,
  PAGE_BYTES,
  schemaVersion,
} from "./schema.js";
import { howToRecover, sqliteCodeOf } from "./sqlite-error.js";

export interface OpenOptions {
  /** As given, absolute. */
  readonly path: string;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly isAlwaysDurable: boolean;
  /** Whether it is opened to write, and not to read alone. */
  readonly toWrite: boolean;
  /** Whether a registry is made where there is none. */
  readonly mayMake: boolean;
}

const ANOTHER_PROGRAMS = "it is another program's SQLite database";
/** No snapshot of a database is read into memory that is larger. */
const SNAPSHOT_BYTES_MAX = 256 * 2 ** 20;

/**
 * @returns null when there is no registry, and none is to be made
 * @throws RegistryError `damaged` for a database that is missing, or another one, where a registry is known;
 *   `invalid-input` for what is no database of ours; `unsupported` for another machine's file system, a mounted file, a newer
 *   layout; `read-only`; SQLite's errors, BUSY among them: then try again
 * @see docs/SPEC.md#G8
 */
export function openDatabase(options: OpenOptions): Connection | null {
  const path = resolveLinks(options.path);
  const holdersDirectory = holdersDirectoryOf(options.path);
  const place: Place = { ...options, path, holdersDirectory, known: new RegistryIdFile(holdersDirectory) };
  refuseNameOf(path);
  refuseRemote(path);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats !== undefined && !stats.isFile()) throw noDatabase(path, "it is not a file");
  if (stats !== undefined && isMountPoint(path)) throw mountedFile(path);
  if (isBegun(path)) return openExisting(place);
  if (place.known.read() !== undefined) {
    // Another process may have made it since the look at the file: the ID comes after the database.
    if (isBegun(path)) return openExisting(place);
    throw place.known.damage(path, stats === undefined ? "is missing" : "is empty");
  }
  if (!options.mayMake) return null;
  createFile(path, holdersDirectory);
  return openExisting(place);
}

interface Place extends OpenOptions {
  readonly holdersDirectory: string;
  readonly known: RegistryIdFile;
}

/** Whether there is more than an empty file. */
function isBegun(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function openExisting(place: Place): Connection {
  if (place.known.read() === undefined) refuseForeign(place);
  if (place.toWrite) makeDirectory(place.holdersDirectory);
  const { db, isReadOnly } = openAsAllowed(place);
  try {
    if (!isReadOnly) bringUpToDate(db, place);
    const [id, boot] = registryRow(db, place, isReadOnly);
    checkIdentity(place, id, isReadOnly);
    const { path, holdersDirectory, isAlwaysDurable } = place;
    const tokens = new RegistryTokens(holdersDirectory);
    const connection = new Connection(db, { path, holdersDirectory, id, tokens, isAlwaysDurable, isReadOnly });
    const last = connection.sql.lastSeq.get()?.[0] ?? 0;
    connection.isOfThisBoot = boot === bootId() && boot !== "";
    connection.tokenFloor = tokens.floor(last, connection.isOfThisBoot);
    return connection;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A database that was never ours is only read, and its journal is left to its own program. */
function refuseForeign({ path, driver, holdersDirectory }: Place): void {
  if (statSync(path).size === 0 || statSync(holdersDirectory, { throwIfNoEntry: false }) !== undefined) return;
  let application: unknown;
  try {
    const db = new driver(path, { readonly: true, fileMustExist: true, timeout: 0 });
    try {
      application = db.pragma("application_id", { simple: true });
    } finally {
      db.close();
    }
  } catch (error) {
    if (sqliteCodeOf(error) === "SQLITE_NOTADB") throw noDatabase(path, "it is not an SQLite database", error);
    // It cannot be opened like this on a file system that is mounted read-only: it is looked at there later.
    if (sqliteCodeOf(error)?.startsWith("SQLITE_CANTOPEN") !== true) throw error;
    return;
  }
  if (application !== APPLICATION_ID) throw noDatabase(path, ANOTHER_PROGRAMS);
}

function openAsAllowed(place: Place): { readonly db: Database; readonly isReadOnly: boolean } {
  const { driver, path } = place;
  try {
    const db = open(driver, path, false);
    return { db, isReadOnly: db.readonly };
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (place.toWrite) throw readOnly(path, error);
  }
  try {
    return { db: open(driver, path, true), isReadOnly: true };
  } catch (error) {
    if (!isRefused(error)) throw error;
    return { db: openSnapshot(driver, path), isReadOnly: true };
  }
}

function open(driver: Driver, path: string, readonly: boolean): Database {
  const db = new driver(path, { readonly, fileMustExist: true, timeout: 0 });
  try {
    // The first look inside tells whether the log beside it can be used.
    db.pragma("schema_version", { simple: true });
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * SQLite wants to write a log and an index beside the database, in order to read it. Where that cannot be, and nobody has it
 * open, the file alone is all there is: it is read as a whole.
 */
function openSnapshot(driver: Driver, path: string): Database {
  if (statSync(path).size > SNAPSHOT_BYTES_MAX) {
    throw new RegistryError(
      "read-only",
      `The registry ${path} cannot be read where nothing can be written beside it: it is larger than 256 MiB. Copy it to a directory of your own.`,
    );
  }
  const bytes = readFileSync(path);
  // "No log beside it" in the header's two version bytes: SQLite reads no other kind from memory.
  bytes[18] = 1;
  bytes[19] = 1;
  return new driver(bytes, { timeout: 0 });
}

function bringUpToDate(db: Database, { path, clock, known }: Place): void {
  if (schemaVersion(db) === MIGRATIONS.length) {
    // What was put together anew from a damaged one has none.
    keepLog(db, path);
    return;
  }
  // In this order, since another process may be making it: the mark comes before the tables.
  const isUsed = hasTables(db);
  const application = db.pragma("application_id", { simple: true });
  if (application !== APPLICATION_ID) {
    if (application !== 0 || isUsed) throw noDatabase(path, ANOTHER_PROGRAMS);
    db.pragma(`page_size = ${PAGE_BYTES}`);
    // Before the log is there: so it stands in the file itself from the first moment on.
    db.pragma(`application_id = ${APPLICATION_ID}`);
  }
  keepLog(db, path);
  db.pragma("synchronous = FULL");
  db.exec("BEGIN IMMEDIATE");
  try {
    const before = migrateSchema(db, path);
    if (before === 0) {
      if (known.read() !== undefined) throw known.damage(path, "is empty");
      insertRegistry(db, { id: newUlid(), createdAt: clock.wallMs() });
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function keepLog(db: Database, path: string): void {
  if (db.pragma("journal_mode", { simple: true }) === "wal") return;
  if (db.pragma("journal_mode = WAL", { simple: true }) !== "wal") throw noLog(path);
}

function registryRow(db: Database, { path }: Place, isReadOnly: boolean): readonly [id: string, bootId: string] {
  const layout = schemaVersion(db);
  if (layout > MIGRATIONS.length) throw newerSchema(path, layout);
  if (db.pragma("application_id", { simple: true }) !== APPLICATION_ID) throw noDatabase(path, ANOTHER_PROGRAMS);
  if (isReadOnly && layout < MIGRATIONS.length) {
    throw new RegistryError(
      "read-only",
      `The registry ${path} was written by an older namehold (layout ${layout}) and must be brought up to date first. Open it once as a user who may write it.`,
    );
  }
  const row = db.prepare("SELECT id, boot_id FROM registry WHERE one = 1").raw().get() as [string, string] | undefined;
  if (row === undefined)
    throw new RegistryError("damaged", `The registry ${path} has lost its identity; ${howToRecover(path)}.`);
  return row;
}

/** One registry a path: what is in its place may be another. */
function checkIdentity({ known, path }: Place, id: string, isReadOnly: boolean): void {
  const wanted = known.read();
  if (wanted === id) return;
  if (wanted !== undefined) throw known.damage(path, `is another one (${id})`);
  if (!isReadOnly) known.writeIfAllowed(id);
}

function createFile(path: string, holdersDirectory: string): void {
  const directory = dirname(path);
  makePath(directory);
  makeDirectory(holdersDirectory);
  try {
    const wanted = ownershipInside(directory);
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, wanted.mode);
    try {
      adoptOwnership(fd, wanted);
    } finally {
      closeSync(fd);
    }
  } catch (failure) {
    if (errnoOf(failure) !== "EEXIST") throw storageError(failure, `Cannot make the registry ${path}`);
  }
  syncDirectory(directory);
}

function hasTables(db: Database): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() !== undefined;
}

/** better-sqlite3 takes white space off both ends of a path. */
function refuseNameOf(path: string): void {
  if (path === path.trim() && !path.includes("\0")) return;
  throw new NameholdError(
    "invalid-input",
    `${JSON.stringify(path)} cannot be the path of an SQLite registry: it ends with white space.`,
  );
}

function refuseRemote(path: string): void {
  const directory = nearestDirectory(dirname(path));
  if (isLocalFileSystem(directory)) return;
  throw new RegistryError(
    "unsupported",
    `${path} is on ${fileSystemKind(directory)}, which is not known to be this machine's own: SQLite needs memory that all its processes share. Keep the registry on a local disk.`,
  );
}

function isRefused(error: unknown): boolean {
  return /^SQLITE_(CANTOPEN|READONLY|PERM)/.test(sqliteCodeOf(error) ?? "");
}

function readOnly(path: string, cause: unknown): RegistryError {
  return new RegistryError(
    "read-only",
    `The registry ${path} cannot be written: permission denied, or the file system is mounted read-only. Give this user access to the directory and the files in it.`,
    { cause },
  );
}

function noDatabase(path: string, why: string, cause?: unknown): NameholdError {
  return new NameholdError(
    "invalid-input",
    `${path} is no registry of namehold: ${why}. It was left as it is. Name another path.`,
    { cause },
  );
}

function noLog(path: string): RegistryError {
  return new RegistryError(
    "unsupported",
    `SQLite cannot keep a write-ahead log beside ${path}. Keep the registry on another file system.`,
  );
}

function mountedFile(path: string): RegistryError {
  return new RegistryError(
    "unsupported",
    `${path} is a mount of its own: the log beside it, in which the latest changes stand, is not the one outside. Mount the directory ${dirname(path)} instead.`,
  );
}
