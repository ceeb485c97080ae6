import { readFileSync } from "node:fs";
import { resolveLinks } from "./real-path.js";
import { storageError } from "./storage-error.js";

/**
 * Whether this very file is a mount point: a container into which only the registry file was mounted. A lock file
 * beside it is then private to the container and excludes nobody, and a rename onto it fails.
 *
 * @returns `false` for a path that does not exist, and on platforms other than Linux, which have no such mounts
 * @throws NameholdError when the mounts cannot be read: not knowing is not 'no'
 * @see docs/SPEC.md#G2
 */
export function isMountPoint(path: string): boolean {
  if (process.platform !== "linux") return false;
  const realPath = resolveLinks(path);
  return readMountInfo()
    .split("\n")
    .some((line) => mountPointOf(line) === realPath);
}

/** Fifth field of a line of proc_pid_mountinfo(5), in which space, tab, newline and backslash are octal. */
export function mountPointOf(mountInfoLine: string): string | undefined {
  return mountInfoLine.split(" ")[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) => {
    return String.fromCharCode(Number.parseInt(octal, 8));
  });
}

function readMountInfo(): string {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8");
  } catch (failure) {
    throw storageError(failure, "Cannot tell whether the registry file is a mount: /proc/self/mountinfo is unreadable");
  }
}
