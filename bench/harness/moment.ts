/** Moments on the machine's monotonic clock (CLOCK_MONOTONIC), which all its processes share; see protocol.ts. */
import { setTimeout as sleep } from "node:timers/promises";

const NS_PER_MS = 1_000_000n;

export function nowNs(): string {
  return String(process.hrtime.bigint());
}

export function inMs(delayMs: number): string {
  return String(process.hrtime.bigint() + BigInt(Math.round(delayMs)) * NS_PER_MS);
}

/** Milliseconds from one moment to another. */
export function msBetween(fromNs: string, toNs: string): number {
  return Number(BigInt(toNs) - BigInt(fromNs)) / 1e6;
}

export function isPast(atNs: string): boolean {
  return process.hrtime.bigint() >= BigInt(atNs);
}

export async function sleepUntil(atNs: string): Promise<void> {
  await sleep(Math.max(0, msBetween(nowNs(), atNs)));
}
