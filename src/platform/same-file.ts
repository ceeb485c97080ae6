import { fstatSync, lstatSync } from "node:fs";
import { host } from "./host.js";

/**
 * Whether this descriptor's inode is the one that stands at the path. A kernel lock on any other inode excludes nobody
 * and proves nothing.
 */
export function isSameFile(fd: number, path: string): boolean {
  const ours = fstatSync(fd, { bigint: true });
  const there = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return there !== undefined && ours.nlink > 0n && host().files.isSameInode(ours, there);
}
