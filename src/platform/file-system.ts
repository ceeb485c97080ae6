import { type FileSystemKind, host } from "./host.js";
import { storageError } from "./storage-error.js";

/**
 * Whether `path` is on a file system that only this machine's kernel writes to, so that a kernel lock tells of every
 * process there is. Unknown ones are not: every doubt means TTL.
 *
 * @throws NameholdError `not-found` when there is no such path
 * @see docs/SPEC.md#G7
 */
export function isLocalFileSystem(path: string): boolean {
  return look(path).isLocal;
}

/** The file system's name, for messages: `ext4`, `nfs`; an unknown one by its number, `0x6e736673`. */
export function fileSystemKind(path: string): string {
  return look(path).name;
}

function look(path: string): FileSystemKind {
  try {
    return host().files.fileSystemOf(path);
  } catch (failure) {
    throw storageError(failure, `Cannot tell the file system of ${path}`);
  }
}
