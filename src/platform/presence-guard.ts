import { NameholdError } from "../core/errors.js";
import { areLocksInherited, tryFlock } from "./flock.js";

/**
 * Keeps a presence alive beyond its process, by a descriptor that was inherited from it: nothing is to be done where the
 * lock is inherited too. To be called while the process lives.
 *
 * @throws NameholdError `held` when another keeps it already
 * @see docs/SPEC.md#G7
 */
export function guardPresence(fd: number): void {
  if (areLocksInherited() || tryFlock(fd, "exclusive", "guardian")) return;
  throw new NameholdError("held", "Another guardian keeps this presence alive.");
}
