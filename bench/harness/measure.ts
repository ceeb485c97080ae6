import { setImmediate } from "node:timers/promises";
import type { Grip, Locks } from "../peers/peer.ts";
import { type HoldArgs, type MeasureArgs, type Measured, nameAt, SAMPLES_MAX } from "./protocol.ts";

/** One operation on a name. What returns no promise is not awaited: that would cost more than some of them. */
export type Run = (name: string) => unknown;

/** What must follow an operation and is no part of it. */
export type Undo = (result: unknown) => Promise<void>;

/** Repeats the operation on names drawn at random, in as many lanes as asked, each with names of its own. */
export async function measure(run: Run, args: MeasureArgs, undo?: Undo): Promise<Measured> {
  const { forMs, population, concurrency } = args;
  const samplesUs: number[] = [];
  let undoneMs = 0;
  const startedAt = performance.now();
  const endAt = startedAt + forMs;
  const namesPerLane = Math.max(1, Math.floor(population / concurrency));
  const lane = async (index: number): Promise<void> => {
    const random = new XorShift(index + 1);
    do {
      const name = nameAt(index + concurrency * random.below(namesPerLane));
      const before = performance.now();
      const done = run(name);
      const result = done instanceof Promise ? await done : done;
      const doneAt = performance.now();
      samplesUs.push((doneAt - before) * 1_000);
      if (undo === undefined) continue;
      await undo(result);
      undoneMs += performance.now() - doneAt;
    } while (performance.now() < endAt);
  };
  await Promise.all(Array.from({ length: concurrency }, (_, index) => lane(index)));
  return {
    samplesUs: thin(samplesUs, SAMPLES_MAX),
    operations: samplesUs.length,
    elapsedMs: performance.now() - startedAt - undoneMs / concurrency,
  };
}

/** Takes names of its own, so many at a time, and keeps them. */
export async function holdNames(locks: Locks, { count, concurrency }: HoldArgs): Promise<readonly Grip[]> {
  const grips: Grip[] = [];
  while (grips.length < count) {
    const size = Math.min(concurrency, count - grips.length);
    const first = grips.length;
    grips.push(...(await Promise.all(Array.from({ length: size }, (_, i) => locks.acquire(nameAt(first + i))))));
    // Heartbeats of what is held already must come in between.
    await setImmediate();
  }
  return grips;
}

function thin(samples: readonly number[], most: number): readonly number[] {
  if (samples.length <= most) return samples;
  return Array.from({ length: most }, (_, i) => samples[Math.floor((i * samples.length) / most)] ?? 0);
}

/** Small, fast, and the same in each run. */
class XorShift {
  #state: number;

  constructor(seed: number) {
    this.#state = seed * 2_654_435_761;
  }

  below(limit: number): number {
    let x = this.#state | 0;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }
}
