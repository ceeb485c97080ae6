import { onTestFinished } from "vitest";
import { LocalRegistryManager, LockManager, type Registry } from "../../../../src/index.js";
import type { LabFiles } from "../lab-files.js";
import type { ShiftedClock } from "../shifted-clock.js";

/** The reference's, which a registry has that is given none. */
export const TTL_MS = 30_000;
export const NODE = { type: "node" } as const;

/** A registry of one process over the file, on a clock that the test moves, closed with the test. */
export function registryOn(lab: LabFiles, clock: ShiftedClock): Registry {
  const { registry } = new LocalRegistryManager({ registryPath: lab.path, lockManager: new LockManager({ clock }) });
  onTestFinished(() => registry.close());
  return registry;
}
