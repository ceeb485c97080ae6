import { constants, lstatSync, realpathSync, renameSync } from "node:fs";
import { NameholdError } from "../../core/errors.js";
import type { FileSystemKind, HostFiles } from "../host.js";
import { INVALID_HANDLE, win32 } from "./win32.js";

export const windowsFiles: HostFiles = {
  // Access is by lists, which new files inherit from their directory.
  haveOwners: false,
  failures: new Map([["EBUSY", "another program has it open and does not share it; try again, or end that program"]]),
  openLockFile: (path, flags) => patiently(() => open(path, flags)),
  // The volume's number is not told alike by descriptor and by path (libuv pull request 4698).
  isSameInode: (a, b) => a.ino === b.ino,
  moveIfAbsent: (from, to) => patiently(() => moveIfAbsent(from, to)),
  replace,
  patiently,
  // Windows has no such operation that an ordinary user may call. NTFS journals its directories.
  syncDirectory: () => {},
  fileSystemOf,
  isMountPoint: () => false,
};

const PATIENCE_MS = 500;
const PAUSE_MS_MAX = 16;
/** A program that has a file open without sharing its deletion, or a deletion that waits for such a program. */
const HINDERED: ReadonlySet<string> = new Set(["EPERM", "EACCES", "EBUSY"]);

/** Python's readers and virus scanners hinder a rename or a deletion for as long as they have the file open. */
function patiently<T>(act: () => T): T {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
    try {
      return act();
    } catch (failure) {
      const { code = "" } = failure as NodeJS.ErrnoException;
      if (!HINDERED.has(code) || performance.now() >= giveUpAt) throw failure;
    }
    Atomics.wait(cell, 0, 0, pauseMs);
  }
}

function replace(from: string, to: string): void {
  try {
    patiently(() => renameSync(from, to));
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    if (!HINDERED.has(code)) throw cause;
    const message = `Cannot replace ${to}: another program has it open and does not share it, or this user may not (${code}). Nothing was changed. Try again; if it stays so, find that program (an editor, a virus scanner) and close it.`;
    throw new NameholdError("busy", message, { cause });
  }
}

const GENERIC_READ = 0x80000000;
const GENERIC_WRITE = 0x40000000;
/** As Python's `os.open` shares. Nobody can then delete the file, or put another in its place, while it is open. */
const SHARE_READ_WRITE = 3;
const CREATE_NEW = 1;
const OPEN_EXISTING = 3;
const ATTRIBUTE_NORMAL = 0x80;

function open(path: string, flags: number): number {
  const c = win32();
  // One that is put there from here on is followed, and found to lead to another file.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw Object.assign(new Error("ELOOP: a symbolic link"), { code: "ELOOP" });
  }
  const handle = c.createFile(path, {
    access: (flags & constants.O_RDWR) === 0 ? GENERIC_READ : GENERIC_READ | GENERIC_WRITE,
    share: SHARE_READ_WRITE,
    disposition: (flags & constants.O_CREAT) === 0 ? OPEN_EXISTING : CREATE_NEW,
    flags: ATTRIBUTE_NORMAL,
  });
  if (handle === INVALID_HANDLE) throw systemError("CreateFileW", c.lastError());
  return c.descriptorOf(handle);
}

function moveIfAbsent(from: string, to: string): boolean {
  const c = win32();
  if (c.moveFile(from, to, 0)) return true;
  const error = c.lastError();
  if (error === ERROR_FILE_EXISTS || error === ERROR_ALREADY_EXISTS) return false;
  throw systemError("MoveFileExW", error);
}

const ERROR_FILE_EXISTS = 80;
const ERROR_ALREADY_EXISTS = 183;
const ERRNO_NAMES: ReadonlyMap<number, string> = new Map([
  [2, "ENOENT"],
  [3, "ENOENT"],
  [4, "EMFILE"],
  [5, "EACCES"],
  [19, "EROFS"],
  [32, "EBUSY"],
  [ERROR_FILE_EXISTS, "EEXIST"],
  [112, "ENOSPC"],
  [123, "ENOENT"],
  [ERROR_ALREADY_EXISTS, "EEXIST"],
]);

function systemError(call: string, error: number): Error {
  const code = ERRNO_NAMES.get(error) ?? `ERROR_${error}`;
  return Object.assign(new Error(`${code}: ${call} failed with ${error}`), { code });
}

const DRIVE_FIXED = 3;
const DRIVE_RAMDISK = 6;
/** Not FAT, whose file numbers do not last. */
const LASTING_INODES: ReadonlySet<string> = new Set(["NTFS", "ReFS"]);

function fileSystemOf(path: string): FileSystemKind {
  const c = win32();
  // What a link or a substituted drive leads to.
  const root = c.volumeRootOf(realpathSync.native(path));
  if (root === undefined) return { name: "unknown", isLocal: false };
  const drive = c.driveTypeOf(root);
  const name = c.fileSystemNameOf(root);
  const isFixed = drive === DRIVE_FIXED || drive === DRIVE_RAMDISK;
  return {
    name: isFixed ? (name ?? "unknown") : `${name ?? "unknown"} on a drive that is not fixed`,
    isLocal: isFixed && name !== undefined && LASTING_INODES.has(name),
  };
}
