/**
 * Tokens must rise over a power loss too, on boards without a clock of their own as well, and without a sync to the disk
 * for each. So tokens are reserved a minute ahead: the reservation is on the disk before one of them is given out, and
 * after a restart of the machine tokens go on above it.
 *
 * @see docs/SPEC.md#G3
 */
import { dirname } from "node:path";
import { readFileOrAbsent, replaceFile, syncDirectory } from "../../platform/atomic-file.js";

/** On the scale of tokens: microseconds. */
export const RESERVED_AHEAD = 60_000_000;

/** Makes sure that this token lies below a reservation that is on the disk. */
export function reserveTokens(ceilingPath: string, token: number): void {
  if (token <= reservedTokens(ceilingPath)) return;
  const ceiling = Math.min(token + RESERVED_AHEAD, Number.MAX_SAFE_INTEGER - 1);
  replaceFile(ceilingPath, String(ceiling), { durable: true, keepLink: false });
  syncDirectory(dirname(ceilingPath));
}

/** @returns 0 when there is no reservation, or none that can be read */
export function reservedTokens(ceilingPath: string): number {
  const ceiling = Number(readFileOrAbsent(ceilingPath)?.toString("utf8") ?? 0);
  return Number.isSafeInteger(ceiling) ? ceiling : 0;
}
