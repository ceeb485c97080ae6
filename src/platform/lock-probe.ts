import { closeSync, constants, fstatSync } from "node:fs";
import { tryFlock, unflock } from "./flock.js";
import { host } from "./host.js";
import { NO_FOLLOW, NON_BLOCKING } from "./open-flags.js";
import { isSameFile } from "./same-file.js";
import { errnoOf } from "./storage-error.js";

/** What a lock file is just now. */
export type LockProbe =
  | { readonly kind: "absent" }
  /** It is no file that can be locked, or this user may not open it. */
  | { readonly kind: "unusable"; readonly why: "link" | "not-a-file" | "forbidden" | "replaced" }
  | { readonly kind: "free" }
  | { readonly kind: "held" };

/** Looks at a lock file by trying a shared lock for a moment. Makes nothing and never waits. */
export function probeLock(path: string): LockProbe {
  return withSharedLock(path, (probe) => probe);
}

/**
 * Runs `use` while nobody writes to what the lock files guard: with a shared lock on those that are there. Makes nothing
 * and never waits.
 *
 * @returns undefined when one of them is held, or cannot be locked
 */
export function whileNobodyWrites<T>(paths: readonly string[], use: () => T): { readonly result: T } | undefined {
  const [path, ...others] = paths;
  if (path === undefined) return { result: use() };
  return withSharedLock(path, ({ kind }) =>
    kind === "free" || kind === "absent" ? whileNobodyWrites(others, use) : undefined,
  );
}

/** Each attempt that fails needs another process to delete the file just then. */
const ATTEMPTS_MAX = 8;
/** Not blocking, lest a FIFO in its place stop us. */
const FLAGS = constants.O_RDONLY | NO_FOLLOW | NON_BLOCKING;

function withSharedLock<T>(path: string, use: (probe: LockProbe) => T): T {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const fd = open(path);
    if (typeof fd !== "number") return use(fd);
    let isLocked = false;
    try {
      if (!fstatSync(fd).isFile()) return use({ kind: "unusable", why: "not-a-file" });
      isLocked = tryFlock(fd, "shared");
      if (isSameFile(fd, path)) return use({ kind: isLocked ? "free" : "held" });
    } finally {
      if (isLocked) unflock(fd);
      closeSync(fd);
    }
  }
  return use({ kind: "unusable", why: "replaced" });
}

function open(path: string): number | LockProbe {
  try {
    return host().files.openLockFile(path, FLAGS);
  } catch (failure) {
    switch (errnoOf(failure)) {
      case "ENOENT":
      case "ENOTDIR":
        return { kind: "absent" };
      case "ELOOP":
        return { kind: "unusable", why: "link" };
      case "EACCES":
      case "EPERM":
        return { kind: "unusable", why: "forbidden" };
      default:
        // A socket, a device without a driver.
        return { kind: "unusable", why: "not-a-file" };
    }
  }
}
