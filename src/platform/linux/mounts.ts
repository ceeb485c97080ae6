import { readFileSync } from "node:fs";

/** Linux alone can mount a single file over another. */
export function isMountPoint(realPath: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => mountPointOf(line) === realPath);
}

/** Fifth field of a line of proc_pid_mountinfo(5), in which space, tab, newline and backslash are octal. */
export function mountPointOf(mountInfoLine: string): string | undefined {
  return mountInfoLine.split(" ")[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) => {
    return String.fromCharCode(Number.parseInt(octal, 8));
  });
}
