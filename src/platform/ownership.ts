import { fchmodSync, fchownSync, fstatSync, type Stats, statSync } from "node:fs";
import { host } from "./host.js";
import { errnoOf } from "./storage-error.js";

/** Who owns a file, and who may do what with it. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits only. */
  readonly mode: number;
}

/** The ownership of a new directory in `parent`: the same owner, just as wide, set-group-ID and sticky bits included. */
export function ownershipBeneath(parent: string): Ownership {
  const stats = statSync(parent);
  return { uid: stats.uid, gid: stats.gid, mode: stats.mode & 0o3777 };
}

/** The ownership of a new file in `directory`: the directory's owner, and no wider than the directory is. */
export function ownershipInside(directory: string): Ownership {
  const stats = statSync(directory);
  return { uid: stats.uid, gid: stats.gid, mode: stats.mode & 0o666 };
}

export function ownershipOf(stats: Stats): Ownership {
  return { uid: stats.uid, gid: stats.gid, mode: stats.mode & 0o777 };
}

/**
 * Gives an open file this ownership, whatever the umask; the owner and the group as far as this user may.
 *
 * @returns whether the owner is now the wanted one
 */
export function adoptOwnership(fd: number, wanted: Ownership): boolean {
  if (!host().files.haveOwners) return true;
  const now = fstatSync(fd);
  // The mode first: whoever gives a file away may not change it any more.
  if ((now.mode & 0o7777) !== wanted.mode) fchmodSync(fd, wanted.mode);
  if (now.uid === wanted.uid && now.gid === wanted.gid) return true;
  if (tryChown(fd, wanted.uid, wanted.gid)) return true;
  tryChown(fd, -1, wanted.gid);
  return now.uid === wanted.uid;
}

/** Only root may give files away, and only within its user namespace (EINVAL outside). */
function tryChown(fd: number, uid: number, gid: number): boolean {
  try {
    fchownSync(fd, uid, gid);
    return true;
  } catch (failure) {
    if (errnoOf(failure) === "EPERM" || errnoOf(failure) === "EINVAL") return false;
    throw failure;
  }
}
