import { closeSync, constants, fsyncSync, linkSync, openSync, renameSync } from "node:fs";
import type { HostFiles } from "../host.js";

/** What files are alike in on Linux and macOS. */
export const posixFiles: Omit<HostFiles, "fileSystemOf" | "isMountPoint"> = {
  haveOwners: true,
  failures: new Map(),
  openLockFile: openSync,
  isSameInode: (a, b) => a.ino === b.ino && a.dev === b.dev,
  moveIfAbsent,
  replace: renameSync,
  patiently: (act) => act(),
  syncDirectory,
};

const NO_HARD_LINKS: ReadonlySet<string> = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"]);

/** By a hard link, which, unlike a rename, never replaces what another process put there just now. */
function moveIfAbsent(from: string, to: string): boolean | "unsupported" {
  try {
    linkSync(from, to);
  } catch (failure) {
    const { code = "" } = failure as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (NO_HARD_LINKS.has(code)) return "unsupported";
    throw failure;
  }
  return true;
}

function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
