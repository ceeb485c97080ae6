import type { ErrorCode, NameholdError } from "../core/errors.js";

/** What an operator, a mount or a little time may mend, so that whoever watches goes on. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "busy",
  "unreachable",
  "damaged",
  "read-only",
  "storage-failed",
  "outcome-unknown",
]);

export function isPassing({ code }: NameholdError): boolean {
  return PASSING.has(code);
}
