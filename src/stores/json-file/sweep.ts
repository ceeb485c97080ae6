import { dirname } from "node:path";
import { isNameholdError } from "../../core/errors.js";
import { sweepTemporaries } from "../../platform/atomic-file.js";
import { sweepPresences } from "../../platform/presence-probe.js";
import { resolveLinks } from "../../platform/real-path.js";
import { namedInstances } from "./prune.js";
import type { RegistryFiles } from "./registry-files.js";
import type { Work } from "./work.js";

/** No writer of ours takes so long; older temporary files are of crashed ones. */
export const LEFTOVER_MS = 60_000;

/**
 * Deletes what crashed processes have left: temporary files, and presences that no lock, waiter or word names. To be
 * called in a turn. Other users' leftovers may be theirs alone to delete: then they stay.
 *
 * @param presencesMax how many presences are looked at
 * @returns how many files were deleted
 */
export function sweepLeftovers(
  work: Work,
  { path, holdersDirectory }: Pick<RegistryFiles, "path" | "holdersDirectory">,
  presencesMax: number,
): number {
  const named = namedInstances(work);
  const isNeeded = (instance: string): boolean => named.has(instance) || work.sidecar.names(instance);
  return (
    unlessRefused(() => sweepTemporaries(dirname(resolveLinks(path)), LEFTOVER_MS)) +
    unlessRefused(() => sweepTemporaries(holdersDirectory, LEFTOVER_MS)) +
    unlessRefused(() => sweepPresences(holdersDirectory, isNeeded, presencesMax))
  );
}

function unlessRefused(sweep: () => number): number {
  try {
    return sweep();
  } catch (error) {
    if (!isNameholdError(error)) throw error;
    return 0;
  }
}
