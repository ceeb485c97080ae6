import { probePresence } from "../../platform/presence-probe.js";
import { readableLock } from "./readable-lock.js";
import type { Work } from "./registry-file.js";

/** Forgets notes about locks that are gone, and word and waiters of processes that are gone. */
export function prune({ document, sidecar, reading }: Work, holdersDirectory: string): void {
  for (const [name, { instance }] of sidecar.locks) {
    const lock = readableLock(document.entryText(name), reading.wall);
    if (lock?.holderInstance !== instance) sidecar.locks.delete(name);
  }
  const isGone = (instance: string): boolean =>
    ["dead", "none"].includes(probePresence(holdersDirectory, instance, reading.monotonic).kind);
  for (const instance of sidecar.words.keys()) if (isGone(instance)) sidecar.words.delete(instance);
  for (const [name, queue] of sidecar.waiters) {
    const waiting = queue.filter(({ instance }) => !isGone(instance));
    if (waiting.length === 0) sidecar.waiters.delete(name);
    else sidecar.waiters.set(name, waiting);
  }
}
