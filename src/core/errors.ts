import type { WallMs } from "./timing.js";

/**
 * Every way in which namehold can fail, each with its own exit status and HTTP status. One table, so that no two
 * failures share a name. A missing row does not compile.
 *
 * @see docs/SPEC.md#G11
 */
export const FAILURES = {
  "invalid-input": { exitStatus: 64, httpStatus: 400 },
  "not-found": { exitStatus: 66, httpStatus: 404 },
  "already-exists": { exitStatus: 73, httpStatus: 409 },
  "type-mismatch": { exitStatus: 65, httpStatus: 422 },
  held: { exitStatus: 75, httpStatus: 423 },
  lost: { exitStatus: 76, httpStatus: 410 },
  "wait-timeout": { exitStatus: 79, httpStatus: 408 },
  aborted: { exitStatus: 80, httpStatus: 499 },
  busy: { exitStatus: 81, httpStatus: 503 },
  unreachable: { exitStatus: 69, httpStatus: 502 },
  damaged: { exitStatus: 82, httpStatus: 500 },
  "outcome-unknown": { exitStatus: 83, httpStatus: 504 },
  "read-only": { exitStatus: 77, httpStatus: 403 },
  "storage-failed": { exitStatus: 74, httpStatus: 507 },
  unsupported: { exitStatus: 78, httpStatus: 501 },
  fenced: { exitStatus: 84, httpStatus: 412 },
  closed: { exitStatus: 85, httpStatus: 421 },
} as const satisfies Record<string, { readonly exitStatus: number; readonly httpStatus: number }>;

export type ErrorCode = keyof typeof FAILURES;

/** Who stands in the way, for machines. */
export interface HeldBy {
  readonly pid: number;
  readonly host: string;
  readonly instance: string;
}

export interface NameholdErrorDetails {
  /** The name that the failure is about. */
  readonly name?: string;
  readonly heldBy?: HeldBy;
  /** Since when the name is held. */
  readonly since?: WallMs;
  /** Until when it is held if its holder does not refresh. */
  readonly until?: WallMs;
  readonly cause?: unknown;
}

/**
 * The one error class of namehold: `code` for machines, `message` for people (what failed, on which name, what to do).
 */
export class NameholdError extends Error {
  readonly code: ErrorCode;
  readonly details: NameholdErrorDetails;

  constructor(code: ErrorCode, message: string, details: NameholdErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** The reference's general registry error: no such entry, already exists, busy, damaged. */
export class RegistryError extends NameholdError {}

/** The reference's lock error: the lock is another's, or is gone. */
export class RegistryLockError extends NameholdError {}

/** Whether it is an error of namehold's, and one of these codes where any are given. */
export function isNameholdError<Code extends ErrorCode = ErrorCode>(
  error: unknown,
  ...codes: readonly Code[]
): error is NameholdError & { readonly code: Code } {
  return error instanceof NameholdError && (codes.length === 0 || (codes as readonly ErrorCode[]).includes(error.code));
}

/** What a failure says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
