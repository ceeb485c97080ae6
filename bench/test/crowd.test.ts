import { expect, test } from "vitest";
import type { Loss, Snapshot } from "../../src/core/record.ts";
import type { Store } from "../../src/stores/store.ts";
import { Crowd } from "../harness/crowd.ts";
import { measure } from "../harness/measure.ts";

const ARGS = { holders: 5, namesEach: 4, namesPerChange: 2, concurrency: 2, ttlMs: 200, heartbeatMs: 20 };

/** Grants everything; what a heartbeat answers is the test's. */
function storeOf(heartbeat: Store["heartbeat"]): Store {
  const commit: Store["commit"] = async ({ parts }) => {
    const names = parts.flatMap((part) => (part.kind === "put" ? [part.name] : []));
    const snapshots = new Map(names.map((name) => [name, { record: { token: 1 } } as unknown as Snapshot]));
    return { kind: "done", snapshots };
  };
  return { commit, heartbeat } as Store;
}

async function gathered(heartbeat: Store["heartbeat"]): Promise<Crowd> {
  const crowd = new Crowd(storeOf(heartbeat), ARGS);
  await crowd.gather();
  return crowd;
}

test("each simulated holder beats in its time for all its names, and loses none", async () => {
  const named = new Set<number>();
  const crowd = await gathered(async (_, names) => {
    named.add(names.size);
    return new Map();
  });
  const inTime = await crowd.beatInTime(300);
  const flatOut = await crowd.beatFlatOut(20);
  expect([...named]).toEqual([ARGS.namesEach]);
  expect(inTime).toMatchObject({ failed: 0, lost: 0 });
  expect(inTime.answered).toBeGreaterThan(ARGS.holders);
  expect(flatOut.answered).toBeGreaterThan(ARGS.holders);
});

test("names that a heartbeat tells as lost are counted once", async () => {
  const loss: Loss = { reason: "expired" };
  const crowd = await gathered(async (_, names) => new Map([...names.keys()].map((name) => [name, loss])));
  const { lost } = await crowd.beatInTime(150);
  await crowd.beatFlatOut(10);
  expect(lost).toBe(ARGS.holders * ARGS.namesEach);
});

test("holders whose beats are not answered by their deadline have lost their names", async () => {
  let isDown = false;
  setTimeout(() => {
    isDown = true;
  }, 100);
  const crowd = await gathered(async () => {
    if (isDown) throw new Error("unreachable");
    return new Map();
  });
  const inTime = await crowd.beatInTime(500);
  await expect(crowd.beatFlatOut(10)).rejects.toThrow(/None of \d+ heartbeats was answered/);
  expect(inTime.lost).toBe(ARGS.holders * ARGS.namesEach);
  expect(inTime.failed).toBeGreaterThan(0);
});

test("what must follow an operation is not measured of it", async () => {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const args = { operation: "claim", forMs: 60, population: 1, concurrency: 1 } as const;
  const undone: unknown[] = [];
  const measured = await measure(
    async () => "grip",
    args,
    async (grip) => {
      undone.push(grip);
      await wait(20);
    },
  );
  expect(undone).toEqual(measured.samplesUs.map(() => "grip"));
  expect(Math.max(...measured.samplesUs)).toBeLessThan(15_000);
  expect(measured.elapsedMs).toBeLessThan(30);
});
