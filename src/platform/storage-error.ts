import { type ErrorCode, NameholdError } from "../core/errors.js";
import { host } from "./host.js";

/**
 * Gives a file system's failure its name in namehold's table, with the remedy.
 *
 * @param failure what `node:fs` threw; a NameholdError passes unchanged
 * @param attempt what was tried, as the start of a sentence: "Cannot write /lab/registry.json"
 * @see docs/SPEC.md#G11
 */
export function storageError(failure: unknown, attempt: string): NameholdError {
  if (failure instanceof NameholdError) return failure;
  const errno = errnoOf(failure) ?? "unknown error";
  const here = host().files.failures.get(errno);
  if (here !== undefined) return new NameholdError("busy", `${attempt}: ${here} (${errno}).`, { cause: failure });
  const known = KNOWN.get(errno);
  if (known !== undefined) {
    return new NameholdError(known.code, `${attempt}: ${known.says} (${errno}).`, { cause: failure });
  }
  return new NameholdError("storage-failed", `${attempt}: ${errno}.`, { cause: failure });
}

/** The errno name of a `node:fs` error, `ENOENT` for example. */
export function errnoOf(failure: unknown): string | undefined {
  if (!(failure instanceof Error) || !("code" in failure)) return undefined;
  return typeof failure.code === "string" ? failure.code : undefined;
}

interface KnownFailure {
  readonly code: ErrorCode;
  readonly says: string;
}

const DISK_FULL: KnownFailure = {
  code: "storage-failed",
  says: "the disk is full or a quota is used up, and nothing was changed; free some space and try again",
};
const NOT_ALLOWED: KnownFailure = {
  code: "read-only",
  says: "permission denied; give this user access to the directory and its files",
};

const KNOWN: ReadonlyMap<string, KnownFailure> = new Map<string, KnownFailure>([
  ["ENOENT", { code: "unreachable", says: "there is no such file or directory; create the directory first" }],
  ["ENOTDIR", { code: "unreachable", says: "a part of the path is not a directory" }],
  ["EACCES", NOT_ALLOWED],
  ["EPERM", NOT_ALLOWED],
  ["EROFS", { code: "read-only", says: "the file system is mounted read-only" }],
  ["EBUSY", { code: "read-only", says: "the file itself is a mount; mount its directory instead" }],
  ["ENOSPC", DISK_FULL],
  ["EDQUOT", DISK_FULL],
  ["EFBIG", { code: "storage-failed", says: "the file would exceed the size limit; raise the limit" }],
  ["EIO", { code: "storage-failed", says: "the disk reported an error, and nothing was changed; check the disk" }],
  ["ELOOP", { code: "storage-failed", says: "it is a symbolic link, or too many of them; remove the link" }],
  ["EMFILE", { code: "storage-failed", says: "this process has too many open files; raise its limit" }],
]);
