/**
 * What Python's filelock does: it tries the lock every 50 ms and gives up after 5 s. Says how long each acquisition took,
 * in milliseconds, as one JSON array.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { tryFlock, unflock } from "../../../../src/platform/flock.js";

const POLL_MS = 50;
const TIMEOUT_MS = 5_000;

const [, , lockPath = "", forMs = "0"] = process.argv;
const waitsMs: number[] = [];
const until = performance.now() + Number(forMs);
while (performance.now() < until) {
  const from = performance.now();
  const fd = await acquire(from + TIMEOUT_MS);
  waitsMs.push(performance.now() - from);
  if (fd === undefined) continue;
  unflock(fd);
  closeSync(fd);
  await sleep(20);
}
process.stdout.write(JSON.stringify(waitsMs));

async function acquire(deadline: number): Promise<number | undefined> {
  while (performance.now() < deadline) {
    const fd = openSync(lockPath, constants.O_RDWR | constants.O_CREAT, 0o644);
    if (tryFlock(fd, "exclusive") && fstatSync(fd).nlink > 0) return fd;
    closeSync(fd);
    await sleep(POLL_MS);
  }
  return undefined;
}
