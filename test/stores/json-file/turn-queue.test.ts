import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/platform/clock.js";
import { FileLock } from "../../../src/platform/file-lock.js";
import { RegistryFile } from "../../../src/stores/json-file/registry-file.js";
import type { Work } from "../../../src/stores/json-file/work.js";

describe("the queue of turns of one process", () => {
  let directory: string;
  let file: RegistryFile;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "namehold-queue-"));
    file = new RegistryFile(join(directory, "registry.json"), systemClock, 5_000);
  });

  afterEach(async () => {
    await file.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each([0, 1, 2, 3, 4, 5])(
    "forgets no job that comes %i microtasks after the end of a turn [G12]",
    async (delay) => {
      const later = file
        .inTurn(() => 1)
        .then(async () => {
          for (let tick = 0; tick < delay; tick += 1) await Promise.resolve();
          return file.inTurn(() => 2);
        });
      expect(await later).toBe(2);
    },
  );

  it("takes no more into one turn than is done in a moment, leaves the loop to others, and forgets nothing [G12]", async () => {
    const turns = new Set<unknown>();
    const slow = ({ reading }: Work): void => {
      turns.add(reading);
      const end = systemClock.monotonicMs() + 10;
      while (systemClock.monotonicMs() < end);
    };
    let loops = 0;
    const count = setInterval(() => {
      loops += 1;
    }, 1);
    try {
      await Promise.all(Array.from({ length: 20 }, () => file.inTurn(slow)));
    } finally {
      clearInterval(count);
    }
    expect(turns.size).toBeGreaterThanOrEqual(4);
    expect(loops).toBeGreaterThanOrEqual(1);
  });

  it("lets nobody wait for longer than he must while heartbeats come and fail before him [G12]", async () => {
    const waits = new RegistryFile(join(directory, "registry.json"), systemClock, 200);
    await waits.inTurn(() => undefined);
    const other = new FileLock(join(directory, "registry.json"));
    expect(other.tryAcquire()).toBe(true);
    const began = systemClock.monotonicMs();
    const failed = { heartbeats: 0 };
    const beat = (): Promise<unknown> =>
      waits.inTurn(
        () => undefined,
        () => undefined,
      );
    const beats = setInterval(() => {
      beat().catch(() => {
        failed.heartbeats += 1;
      });
    }, 50);
    try {
      const first = beat();
      const job = waits.inTurn(() => undefined);
      await expect(first).rejects.toMatchObject({ code: "busy" });
      await expect(job).rejects.toMatchObject({ code: "busy" });
      await expect(waits.inTurn(() => undefined)).rejects.toMatchObject({ code: "busy" });
      expect(failed.heartbeats).toBeLessThan(20);
      expect(systemClock.monotonicMs() - began).toBeLessThan(2_000);
    } finally {
      clearInterval(beats);
      other.release();
      other.close();
      await waits.close();
    }
  });

  it("shares one turn among all that is asked for in the same moment", async () => {
    const works = await Promise.all(Array.from({ length: 10 }, () => file.inTurn((work) => work.reading)));
    expect(new Set(works).size).toBe(1);
  });

  it("lets a heartbeat go before what has waited longer [G4]", async () => {
    const order: string[] = [];
    const claim = file.inTurn(() => order.push("claim"));
    const beat = file.inTurn(
      () => order.push("beat"),
      () => undefined,
    );
    await Promise.all([claim, beat]);
    expect(order).toEqual(["beat", "claim"]);
  });

  it("fails the one job that throws, though a turn is not enough for all", async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_, n) =>
        file.inTurn((work) => {
          if (n === 7) throw new Error("mine alone");
          work.identityChanged = true;
          return n;
        }),
      ),
    );
    expect(results.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []))).toHaveLength(29);
  });
});
