import { type ErrorCode, FAILURES, isNameholdError } from "../core/errors.js";
import { CommandNotStarted } from "./run/command-process.js";

/** What a failure means, for people. A failure without a text does not compile. */
const MEANINGS: Readonly<Record<ErrorCode, string>> = {
  "invalid-input": "wrong usage: an option, an argument or a value",
  "not-found": "no such name or ID",
  "already-exists": "the new name exists already",
  "type-mismatch": "the name is registered as another type",
  held: "another process holds the name",
  lost: "the lock was lost, and the command was ended",
  "wait-timeout": "the name was still held after the time to wait",
  aborted: "cancelled",
  busy: "the registry was busy for too long",
  unreachable: "the registry cannot be reached",
  damaged: "the registry is damaged (see namehold recover)",
  "outcome-unknown": "whether the change was written is not known",
  "read-only": "the registry may not be written",
  "storage-failed": "the file system refused (a full disk, for example)",
  unsupported: "this platform or Node.js version cannot do it",
  fenced: "a later holder was there",
  closed: "the registry was closed",
};

/** Any command may fail with these. */
const ALWAYS: readonly ErrorCode[] = [
  "invalid-input",
  "busy",
  "unreachable",
  "damaged",
  "outcome-unknown",
  "read-only",
  "storage-failed",
  "unsupported",
];

/** A fault of namehold itself. */
const INTERNAL_STATUS = 70;

export function exitStatusOf(error: unknown): number {
  if (error instanceof CommandNotStarted) return error.exitStatus;
  return isNameholdError(error) ? FAILURES[error.code].exitStatus : INTERNAL_STATUS;
}

/**
 * The exit statuses of a command, each with its meaning.
 *
 * @param own failures that only some commands have
 * @param others statuses that come from elsewhere
 */
export function exitStatuses(
  own: readonly ErrorCode[],
  others: readonly (readonly [string, string])[] = [],
): readonly (readonly [string, string])[] {
  const failures = [...new Set([...own, ...ALWAYS])].map(
    (code) => [String(FAILURES[code].exitStatus), MEANINGS[code]] as const,
  );
  const internal = [String(INTERNAL_STATUS), "a fault of namehold"] as const;
  return [["0", "done"] as const, ...failures, internal, ...others].toSorted(([a], [b]) => rank(a) - rank(b));
}

/** Numbers first; what is none keeps its place behind them. */
function rank(status: string): number {
  return /^\d+$/.test(status) ? Number(status) : Number.MAX_SAFE_INTEGER;
}

/** Every failure that there is. */
export const ALL_FAILURES = Object.keys(FAILURES) as readonly ErrorCode[];
