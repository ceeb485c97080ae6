import { existsSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { LabFiles } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };

describe("a clean end of a process", () => {
  it.each([
    ["a return, though it never closed its registry", 0, (one: NodeProcess) => one.finish()],
    ["process.exit", 7, (one: NodeProcess) => endBy(one, () => one.call("exit", 7))],
    ["an uncaught error", 1, (one: NodeProcess) => endBy(one, () => one.call("throwUncaught"))],
  ])(
    "by %s releases in the file, so that Python need not wait, and leaves no presence [G6]",
    async (_, status, end) => {
      const lab = new LabFiles();
      const holder = await NodeProcess.over(lab.path, LONG);
      for (const name of ["a", "b"]) await holder.call("claim", name);
      expect(presences(lab)).toHaveLength(1);
      expect(await end(holder)).toBe(status);
      expect([lab.entry("a")?.lock, lab.entry("b")?.lock]).toEqual([null, null]);
      expect(presences(lab)).toEqual([]);
    },
  );

  it("leaves no presence of one who has released before, or only waited", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    await registry.claim("mine", { type: "node" });
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "robot");
    await holder.call("release", "robot");
    await holder.finish();
    const waiter = await NodeProcess.over(lab.path, LONG);
    await waiter.call("beginWait", "mine", 60_000);
    await endBy(waiter, () => waiter.call("exit", 0));
    expect(presences(lab)).toEqual([registry.lockManager.instanceId]);
    expect((await registry.entry("mine"))?.waiters).toEqual([]);
  });

  it("does not wait long for a busy file: death is proof enough [G6, G12]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "robot");
    const keeper = await NodeProcess.over(lab.path, LONG);
    expect(await keeper.call("keepFileLock", lab.path)).toBe(true);
    const from = performance.now();
    await endBy(holder, () => holder.call("exit", 0));
    expect(performance.now() - from).toBeLessThan(3_000);
    expect(lab.entry("robot")?.lock).not.toBeNull();
    await keeper.kill();
    await (await lab.open(LONG)).claim("robot", { type: "node" });
  });

  it("is not SIGKILL nor an unhandled SIGTERM: the lock stays in the file, and the presence proves the death [G6]", async () => {
    const lab = new LabFiles();
    const [first, second] = [await NodeProcess.over(lab.path, LONG), await NodeProcess.over(lab.path, LONG)];
    await first.call("claim", "killed");
    await second.call("claim", "terminated");
    await first.kill();
    await endBy(second, async () => second.signal("SIGTERM"));
    const registry = await lab.open(LONG);
    for (const name of ["killed", "terminated"]) {
      expect(lab.entry(name)?.lock).not.toBeNull();
      expect((await registry.entry(name))?.state).toEqual({ kind: "free", why: "dead" });
      await registry.claim(name, { type: "node" });
    }
  });
});

describe("a child process", () => {
  it("does not inherit its parent's names: they are free when the parent is killed, and it lives on [G6]", async () => {
    const lab = new LabFiles();
    const parent = await NodeProcess.over(lab.path, LONG);
    await parent.call("claim", "robot");
    const children = await parent.call("spawnChildren");
    onTestFinished(() => {
      for (const pid of children) process.kill(pid, "SIGKILL");
    });
    await parent.kill();
    await (await lab.open(LONG)).claim("robot", { type: "node" });
    for (const pid of children) expect(existsSync(`/proc/${pid}/stat`)).toBe(true);
  });

  it("does not free its parent's names when it ends [G7]", async () => {
    const lab = new LabFiles();
    const parent = await NodeProcess.over(lab.path, LONG);
    await parent.call("claim", "robot");
    for (const pid of await parent.call("spawnChildren")) process.kill(pid, "SIGTERM");
    await sleep(200);
    await expect((await lab.open(LONG)).claim("robot", { type: "node" })).rejects.toMatchObject({ code: "held" });
    expect(await parent.call("state", "robot")).toMatchObject({ held: true });
  });
});

describe("a worker thread", () => {
  it("is a holder of its own, which its process excludes and by which it is excluded [G2]", async () => {
    const lab = new LabFiles();
    const main = await NodeProcess.start();
    const instance = await main.call("open", lab.path, LONG);
    await main.call("claim", "main's");
    const refused = await main.call("startWorker", lab.path, "main's");
    expect(refused).toMatchObject({ failure: "held" });
    expect(refused.instance).not.toBe(instance);
    expect(await main.call("startWorker", lab.path, "worker's")).toMatchObject({ failure: null });
    expect(await main.failure("claim", "worker's")).toMatchObject({ code: "held" });
  });

  it("that is terminated frees its own names at once, and not its process's [G6, G7]", async () => {
    const lab = new LabFiles();
    const main = await NodeProcess.over(lab.path, LONG);
    await main.call("claim", "main's");
    expect(await main.call("startWorker", lab.path, "worker's")).toMatchObject({ failure: null });
    await main.call("terminateWorkers");
    const registry = await lab.open(LONG);
    await registry.claim("worker's", { type: "node" });
    await expect(registry.claim("main's", { type: "node" })).rejects.toMatchObject({ code: "held" });
    expect(await main.call("state", "main's")).toMatchObject({ held: true });
  });
});

/** Has the process end in a way that it may not live to answer. @returns its exit status */
function endBy(one: NodeProcess, end: () => Promise<unknown>): Promise<number | null> {
  end().catch(() => undefined);
  return one.finish();
}

function presences(lab: LabFiles): readonly string[] {
  return readdirSync(lab.holders).filter((name) => name.length === 26);
}
