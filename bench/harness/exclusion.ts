import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Peer } from "../peers/peer.ts";
import type { Bench } from "./bench.ts";
import { inMs } from "./moment.ts";
import type { Incremented } from "./protocol.ts";

const PROCESSES = 2;
const TIMES = 20;
const FOR_MS = 2_500;
/** Between reading and writing: two who are in at once cannot miss each other. */
const DWELL_MS = 2;
const START_IN_MS = 100;

/**
 * Two processes increment one number under one name. What is measured of a lock that loses one is worth nothing.
 *
 * @throws Error when an increment was lost, or only one of them ever had the name
 */
export async function proveExclusion(bench: Bench, peer: Peer): Promise<void> {
  const location = await bench.place(peer);
  const workers = await Promise.all(Array.from({ length: PROCESSES }, () => bench.openAside(peer, location)));
  const counterPath = join(bench.directory(), "counter");
  writeFileSync(counterPath, "0");
  const args = { name: "proof", times: TIMES, counterPath, dwellMs: DWELL_MS };
  const [startAtNs, stopAtNs] = [inMs(START_IN_MS), inMs(START_IN_MS + FOR_MS)];
  const results = await Promise.all(workers.map((worker) => worker.ask("increment", { ...args, startAtNs, stopAtNs })));
  await Promise.all(workers.map((worker) => worker.end()));
  const lost = lostUpdates(results, counterPath);
  if (lost !== 0) throw new Error(`It does not exclude: ${lost} increments of two processes were lost.`);
  if (results.some((result) => result.waitsMs.length === 0)) {
    throw new Error("Whether it excludes is not known: one of two processes never had the name.");
  }
}

export function lostUpdates(results: readonly Incremented[], counterPath: string): number {
  const made = results.reduce((sum, result) => sum + result.waitsMs.length, 0);
  return made - Number(readFileSync(counterPath, "utf8"));
}
