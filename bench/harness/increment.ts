import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Locks } from "../peers/peer.ts";
import { isPast, nowNs, sleepUntil } from "./moment.ts";
import type { IncrementArgs, Incremented } from "./protocol.ts";

/** Read, add one, write, under the lock: when two do it at once, an increment is lost and the sum tells. */
export async function increment(locks: Locks, args: IncrementArgs): Promise<Incremented> {
  const { name, times, counterPath, dwellMs, startAtNs, stopAtNs } = args;
  const waitsMs: number[] = [];
  await sleepUntil(startAtNs);
  while (waitsMs.length < times && !isPast(stopAtNs)) {
    const askedAt = performance.now();
    const grip = await locks.acquire(name);
    waitsMs.push(performance.now() - askedAt);
    if (counterPath !== null) {
      const before = Number(readFileSync(counterPath, "utf8"));
      if (dwellMs > 0) await sleep(dwellMs);
      writeFileSync(counterPath, String(before + 1));
    }
    await grip.release();
  }
  return { waitsMs, endedNs: nowNs() };
}
