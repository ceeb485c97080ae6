/** Who may do what with a file, by its owner, group and mode. Access control lists are not looked at. */
import { accessSync, readFileSync, type Stats } from "node:fs";
import { type Ownership, ownershipOf } from "./ownership.js";
import { errnoOf, storageError } from "./storage-error.js";

export interface User {
  readonly uid: number;
  /** Empty for one that this machine's files do not know (of a container, of a directory service). */
  readonly name: string;
  readonly groups: ReadonlySet<number>;
}

/** Bits of a mode, and of access(2): `r` 4, `w` 2, `x` 1 (of a directory: to reach what is in it). */
export type Need = 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** The user whose rights this process has; undefined on a platform without uids. */
export function currentUser(): User | undefined {
  const uid = process.geteuid?.();
  if (uid === undefined) return undefined;
  const groups = [process.getegid?.() ?? uid, ...(process.getgroups?.() ?? [])];
  return { uid, name: userOf(uid).name, groups: new Set(groups) };
}

/** A user as /etc/passwd and /etc/group know it. */
export function userOf(uid: number): User {
  const row = rowsOf("/etc/passwd").find(([, , itsUid]) => Number(itsUid) === uid);
  const name = row?.[0] ?? "";
  const memberOf = rowsOf("/etc/group")
    .filter(([, , , members = ""]) => name !== "" && members.split(",").includes(name))
    .map(([, , gid]) => Number(gid));
  return { uid, name, groups: new Set(row === undefined ? memberOf : [Number(row[3]), ...memberOf]) };
}

export function describeUser({ uid, name }: User): string {
  return name === "" ? `uid ${uid}` : `${name} (uid ${uid})`;
}

/** For messages: `owner alice (uid 1000), group 1000, mode 0644`. */
export function describeOwnership(stats: Stats): string {
  const { uid, gid, mode } = ownershipOf(stats);
  return `owner ${describeUser(userOf(uid))}, group ${gid}, mode ${mode.toString(8).padStart(4, "0")}`;
}

/** Whether the mode lets the user; root always may. */
export function modeAllows({ uid, gid, mode }: Ownership, user: User, need: Need): boolean {
  if (user.uid === 0) return true;
  const shift = user.uid === uid ? 6 : user.groups.has(gid) ? 3 : 0;
  return ((mode >> shift) & need) === need;
}

/**
 * Whether the kernel lets this process, whatever it asks for that: lists, capabilities, a read-only mount.
 *
 * @returns `read-only` when it is the file system that refuses
 */
export function tryAccess(path: string, need: Need): "allowed" | "denied" | "read-only" {
  try {
    accessSync(path, need);
    return "allowed";
  } catch (failure) {
    const errno = errnoOf(failure);
    if (errno === "EROFS") return "read-only";
    if (errno === "EACCES" || errno === "EPERM") return "denied";
    throw storageError(failure, `Cannot tell who may use ${path}`);
  }
}

function rowsOf(file: string): readonly (readonly string[])[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  } catch (failure) {
    // No such files here: users then have no names, and no groups but a file's own.
    if (errnoOf(failure) === "ENOENT" || errnoOf(failure) === "EACCES") return [];
    throw failure;
  }
}
