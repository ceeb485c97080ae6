import { type BigIntStats, closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fileSystemKind, isLocalFileSystem } from "./file-system.js";
import { tryFlock, unflock } from "./flock.js";
import type { LockMode } from "./host.js";
import { NO_FOLLOW, NON_BLOCKING } from "./open-flags.js";
import { presenceFileName } from "./presence-path.js";
import { decodePresence, isOriginal, PRESENCE_BYTES_MAX, type PresenceContent } from "./presence-record.js";
import { isSameFile } from "./same-file.js";
import { errnoOf, storageError } from "./storage-error.js";

/** What stands at a presence file's path. */
export type PresenceFile =
  | { readonly kind: "absent" }
  /** Something is there that cannot be opened, or is no presence. */
  | { readonly kind: "unusable"; readonly isLocked: boolean; readonly why: string; readonly version: string }
  | {
      readonly kind: "opened";
      /** Whether we got the lock: its owner has none. Ours until `use` returns. */
      readonly isLocked: boolean;
      readonly content: PresenceContent;
      /** Why getting the lock proves nothing; nothing when it proves that the owner is dead. */
      readonly flaw: PresenceFlaw | undefined;
      readonly version: string;
    };

export interface PresenceFlaw {
  /** `foreign`: not the file that its process made, so its beat means nothing either. `remote`: another machine may hold it. */
  readonly kind: "foreign" | "remote";
  readonly why: string;
}

/**
 * Looks at a presence file while trying its lock, and creates nothing. The lock, if we got it, is held while `use`
 * runs, and the file at the path is the one that was locked.
 *
 * @throws NameholdError when the directory cannot be looked into
 */
export function withPresenceFile<T>(path: string, mode: LockMode, use: (file: PresenceFile) => T): T {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const fd = open(path);
    if (typeof fd !== "number") return use(fd);
    let isLocked = false;
    try {
      isLocked = tryFlock(fd, mode, "presence");
      // The look at the path comes after the lock: its owner may have made a new one in between.
      if (isSameFile(fd, path)) return use(examine(fd, path, isLocked));
    } finally {
      // Unlocked by name: a child that is being spawned just now has a copy of the descriptor for a moment.
      if (isLocked) unflock(fd, "presence");
      closeSync(fd);
    }
  }
  return use({ kind: "unusable", isLocked: false, why: "it is replaced again and again", version: `replaced ${path}` });
}

/** Each attempt that fails needs the file to be replaced just then. */
const ATTEMPTS_MAX = 8;
/** Not blocking, lest a FIFO in its place stop us. */
const FLAGS = constants.O_RDONLY | NO_FOLLOW | NON_BLOCKING;

function open(path: string): number | PresenceFile {
  try {
    return openSync(path, FLAGS);
  } catch (failure) {
    const errno = errnoOf(failure);
    if (errno === "ENOENT") return { kind: "absent" };
    const stats = statAt(path);
    if (stats === undefined) return { kind: "absent" };
    return { kind: "unusable", isLocked: false, why: `it cannot be opened (${errno})`, version: versionByTime(stats) };
  }
}

function statAt(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (failure) {
    throw storageError(failure, `Cannot look for the presence of a holder at ${path}`);
  }
}

function examine(fd: number, path: string, isLocked: boolean): PresenceFile {
  const stats = fstatSync(fd, { bigint: true });
  const content = stats.isFile() ? decodePresence(read(fd)) : undefined;
  if (content === undefined) {
    return { kind: "unusable", isLocked, why: "it is not a presence record", version: versionByTime(stats) };
  }
  const { record, beat } = content;
  const flaw = flawOf(content, stats, path);
  const version = beat === undefined ? versionByTime(stats) : `${record.ino} ${beat.seq} ${beat.atMs}`;
  return { kind: "opened", isLocked, content, flaw, version };
}

function flawOf({ record }: PresenceContent, stats: BigIntStats, path: string): PresenceFlaw | undefined {
  if (presenceFileName(record.instance) !== basename(path)) {
    return { kind: "foreign", why: "it is another instance's record" };
  }
  if (!isOriginal(record, stats)) {
    return { kind: "foreign", why: "it is a copy, not the file that its process made" };
  }
  // Of the directory: the file may be deleted by its owner while we look.
  const directory = dirname(path);
  if (!isLocalFileSystem(directory)) {
    return { kind: "remote", why: `locks on ${fileSystemKind(directory)} may not tell of processes on other machines` };
  }
  return undefined;
}

function read(fd: number): string {
  const buffer = Buffer.alloc(PRESENCE_BYTES_MAX);
  return buffer.toString("utf8", 0, readSync(fd, buffer, 0, buffer.length, 0));
}

/** Changes with every write, to the grain of the file system's times. */
function versionByTime(stats: BigIntStats): string {
  return `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}
