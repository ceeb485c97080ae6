import { randomInt } from "node:crypto";
import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { MonotonicMs } from "../core/timing.js";
import { type PresenceFile, withPresenceFile } from "./presence-file.js";
import { presenceFileName } from "./presence-path.js";
import { beatAgeMs } from "./presence-record.js";
import { isUlid } from "./process-identity.js";
import { errnoOf, storageError } from "./storage-error.js";
import { isTemporaryName } from "./temporary-file.js";

/** What the kernel tells of a holder. `version` changes with every beat and every new file. */
export type PresenceReading =
  /** There is no file: nothing is known. */
  | { readonly kind: "none"; readonly version: string }
  /** Proof: its process, and whoever inherited its descriptor, is gone. */
  | { readonly kind: "dead"; readonly version: string }
  /** Some process holds its lock. `beatAgeMs` is missing when its clock cannot be compared with ours. */
  | { readonly kind: "alive"; readonly version: string; readonly beatAgeMs: number | undefined; readonly ttlMs: number }
  /** No proof either way: TTL decides. The two times are there only when they can be relied on. */
  | {
      readonly kind: "doubt";
      readonly version: string;
      readonly why: string;
      readonly beatAgeMs: number | undefined;
      readonly ttlMs: number | undefined;
    };

/**
 * Asks the kernel whether a holder lives, with a shared lock, creating nothing.
 *
 * @param directory the registry's holders directory
 * @param nowMs the boot clock, now
 * @throws NameholdError when the directory cannot be looked into: not knowing is not 'none'
 * @see docs/SPEC.md#G6
 * @see docs/SPEC.md#G7
 */
export function probePresence(directory: string, instance: string, nowMs: MonotonicMs): PresenceReading {
  const path = join(directory, presenceFileName(instance));
  return withPresenceFile(path, "shared", (file) => judge(file, nowMs));
}

/**
 * Deletes the files of holders that are proved dead and that no lock names. Temporary files are not touched, of whose
 * makers no lock tells whether they are at work: those are for `sweepTemporaries`.
 *
 * @param isNamed whether a lock in the registry names this instance
 * @param max how many files are looked at; each call begins somewhere else
 * @returns how many files were deleted
 */
export function sweepPresences(directory: string, isNamed: (instance: string) => boolean, max: number): number {
  const names = list(directory).filter((name) => !isTemporaryName(name) && !(isUlid(name) && isNamed(name)));
  const start = names.length > max ? randomInt(names.length) : 0;
  let deleted = 0;
  for (let i = 0; i < Math.min(max, names.length); i += 1) {
    const name = names[(start + i) % names.length] ?? "";
    if (sweep(join(directory, name), isNamed)) deleted += 1;
  }
  return deleted;
}

function judge(file: PresenceFile, nowMs: MonotonicMs): PresenceReading {
  switch (file.kind) {
    case "absent":
      return { kind: "none", version: "none" };
    case "unusable":
      return { kind: "doubt", version: file.version, why: file.why, beatAgeMs: undefined, ttlMs: undefined };
    case "opened":
      return judgeOpened(file, nowMs);
    default:
      return file satisfies never;
  }
}

type OpenedFile = Extract<PresenceFile, { kind: "opened" }>;

function judgeOpened(file: OpenedFile, nowMs: MonotonicMs): PresenceReading {
  const { version, content, flaw } = file;
  const { ttlMs } = content.record;
  if (flaw?.kind === "foreign")
    return { kind: "doubt", version, why: flaw.why, beatAgeMs: undefined, ttlMs: undefined };
  const ageMs = beatAgeMs(content, nowMs);
  if (!file.isLocked) return { kind: "alive", version, beatAgeMs: ageMs, ttlMs };
  if (flaw === undefined) return { kind: "dead", version };
  return { kind: "doubt", version, why: flaw.why, beatAgeMs: ageMs, ttlMs };
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return [];
    throw storageError(failure, `Cannot list the holders in ${directory}`);
  }
}

/** The lock is held while the file is deleted: nobody puts a living process's file in its place meanwhile. */
function sweep(path: string, isNamed: (instance: string) => boolean): boolean {
  return withPresenceFile(path, "shared", (file) => {
    if (file.kind === "absent" || !file.isLocked) return false;
    if (file.kind !== "opened" || file.flaw !== undefined) return false;
    return !isNamed(file.content.record.instance) && remove(path);
  });
}

/** @returns `false` for another user's file in a directory where only owners may delete */
function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (failure) {
    const errno = errnoOf(failure);
    if (errno === "EPERM" || errno === "EACCES" || errno === "ENOENT") return false;
    throw storageError(failure, `Cannot delete ${path}`);
  }
}
