import { probePresence } from "../../platform/presence-probe.js";
import type { Work } from "./work.js";

/** Forgets what is noted for processes that are gone, but for locks that still stand in the file: those prove deaths. */
export function prune(work: Work, holdersDirectory: string): void {
  const { sidecar, reading } = work;
  const named = namedInstances(work);
  const isGone = (instance: string): boolean =>
    ["dead", "none"].includes(probePresence(holdersDirectory, instance, reading.monotonic).kind);
  for (const [name, { instance }] of sidecar.locks) {
    if (!named.has(instance) && isGone(instance)) sidecar.locks.delete(name);
  }
  for (const instance of sidecar.words.keys()) if (isGone(instance)) sidecar.words.delete(instance);
  for (const [name, queue] of sidecar.waiters) {
    const waiting = queue.filter(({ instance }) => !isGone(instance));
    if (waiting.length === 0) sidecar.waiters.delete(name);
    else sidecar.waiters.set(name, waiting);
  }
}

/** The instances that locks in the file name (and perhaps some that only metadata name: too many do no harm). */
export function namedInstances({ document }: Pick<Work, "document">): ReadonlySet<string> {
  const found = document.toString().matchAll(/"holder_instance"\s*:\s*"([^"\\]*)"/g);
  return new Set(Array.from(found, ([, instance = ""]) => instance));
}
