import { describe, expect, it } from "vitest";
import { TURN_MS } from "../../../src/core/lock-rules.js";
import { systemClock } from "../../../src/platform/clock.js";
import { LabFiles } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

/** Longer than any test: whoever gets a name was woken, and nothing ran out. */
const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const WAIT_MS = 30_000;
/** It is some milliseconds, and far less than any time after which a waiter would look by itself. */
const AT_ONCE_MS = 250;
/** The machine may be busy with other work: the quickest of some hand-overs counts. */
const HAND_OVERS = 5;

describe("a waiter is woken at once", () => {
  it("by the release of a holder in the same process [G12]", async () => {
    const registry = await new LabFiles().open(LONG);
    const tookMs: number[] = [];
    for (const name of numbered("robot")) {
      const claim = await registry.claim(name, { type: "node" });
      let releasedAt = 0;
      const releaseNow = () => {
        releasedAt = systemClock.monotonicMs();
        void claim.release();
      };
      await registry.claim(name, { type: "node", waitMs: WAIT_MS, onWait: releaseNow });
      tookMs.push(systemClock.monotonicMs() - releasedAt);
    }
    expect(Math.min(...tookMs)).toBeLessThan(AT_ONCE_MS);
  });

  it("by the release of a holder in another process [G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const waiter = await NodeProcess.over(lab.path, LONG);
    const tookMs: number[] = [];
    for (const name of numbered("robot")) {
      const claim = await registry.claim(name, { type: "node" });
      await waiter.call("beginWait", name, WAIT_MS);
      const releasedAt = systemClock.monotonicMs();
      await claim.release();
      tookMs.push((await waiter.call("endWait", name)).at - releasedAt);
    }
    expect(Math.min(...tookMs)).toBeLessThan(AT_ONCE_MS);
  });

  it("by the death of the holder's process [G6]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const tookMs: number[] = [];
    for (const name of numbered("robot").slice(0, 3)) {
      const holder = await NodeProcess.over(lab.path, LONG);
      await holder.call("claim", name);
      let killedAt = 0;
      const killNow = () => {
        killedAt = systemClock.monotonicMs();
        void holder.kill();
      };
      await registry.claim(name, { type: "node", waitMs: WAIT_MS, onWait: killNow });
      tookMs.push(systemClock.monotonicMs() - killedAt);
    }
    expect(Math.min(...tookMs)).toBeLessThan(AT_ONCE_MS);
  });

  it("by a Python process's release, which leaves no word but the file [G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const tookMs: number[] = [];
    for (const name of numbered("robot")) {
      await registry.resolve(name, { type: "node" });
      lab.writeLock(name, pythonLock());
      let releasedAt = 0;
      const releaseNow = () => {
        releasedAt = systemClock.monotonicMs();
        lab.writeLock(name, null);
      };
      await registry.claim(name, { type: "node", waitMs: WAIT_MS, onWait: releaseNow });
      tookMs.push(systemClock.monotonicMs() - releasedAt);
    }
    expect(Math.min(...tookMs)).toBeLessThan(AT_ONCE_MS);
  });
});

describe("waiters", () => {
  it("are served first come first served, across processes, the killed ones skipped [G6]", async () => {
    const lab = new LabFiles();
    const holder = await lab.open(LONG);
    const claim = await holder.claim("robot", { type: "node" });
    const waiters = await Promise.all(Array.from({ length: 6 }, () => NodeProcess.over(lab.path, LONG)));
    for (const waiter of waiters) await waiter.call("beginWait", "robot", WAIT_MS);
    const killed = [waiters[0], waiters[3]];
    for (const waiter of killed) await waiter?.kill();
    await claim.release();
    const tokens = [claim.token];
    for (const waiter of waiters.filter((one) => !killed.includes(one))) {
      tokens.push((await waiter.call("endWait", "robot")).token);
      // Whoever comes without waiting does not come before those who wait.
      await expect(holder.claim("robot", { type: "node" })).rejects.toMatchObject({ code: "held" });
      await waiter.call("release", "robot");
    }
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
    expect((await holder.entry("robot"))?.waiters).toEqual([]);
  });

  it("are passed over when their process is stopped, after a turn's time and not before [G6, G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const claim = await registry.claim("robot", { type: "node" });
    const [stopped, next] = await Promise.all([NodeProcess.over(lab.path, LONG), NodeProcess.over(lab.path, LONG)]);
    await stopped.call("beginWait", "robot", WAIT_MS);
    await next.call("beginWait", "robot", WAIT_MS);
    await stopped.stopOutsideTurns(lab.path);
    const from = systemClock.monotonicMs();
    await claim.release();
    const tookMs = (await next.call("endWait", "robot")).at - from;
    expect(tookMs).toBeGreaterThanOrEqual(TURN_MS);
    expect(tookMs).toBeLessThan(TURN_MS + 1_500);
    // Who was passed over queues anew when it runs on.
    stopped.signal("SIGCONT");
    await next.call("release", "robot");
    await stopped.call("endWait", "robot");
  });

  it("can be cancelled, and leave the queue then [G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const claim = await registry.claim("robot", { type: "node" });
    const waiter = await NodeProcess.over(lab.path, LONG);
    await waiter.call("beginWait", "robot", WAIT_MS);
    const ended = waiter.failure("endWait", "robot");
    await waiter.call("cancelWait", "robot");
    expect(await ended).toMatchObject({ code: "aborted" });
    expect((await registry.entry("robot"))?.waiters).toEqual([]);
    await claim.release();
    await registry.claim("robot", { type: "node" });
  });

  it("are told by whom and since when the name is held when their time is up [G11, G12]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.start();
    const instance = await holder.call("open", lab.path, LONG);
    await holder.call("claim", "robot");
    const registry = await lab.open(LONG);
    const error = await registry.claim("robot", { type: "node", waitMs: 150 }).catch((failure: unknown) => failure);
    expect(error).toMatchObject({
      code: "wait-timeout",
      details: {
        name: "robot",
        heldBy: { instance, pid: holder.pid },
        since: expect.any(Number),
        until: expect.any(Number),
      },
      message: expect.stringContaining(`PID ${holder.pid}`),
    });
    expect((await registry.entry("robot"))?.waiters).toEqual([]);
  });

  it("may be fifty at once, in several processes, and each gets its turn [G2, G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const claim = await registry.claim("robot", { type: "node" });
    const processes = await Promise.all(Array.from({ length: 5 }, () => NodeProcess.over(lab.path, LONG)));
    const taking = processes.map((one) => one.call("takeInTurn", "robot", 10));
    await registryHasWaiters(registry, "robot", 50);
    await claim.release();
    const tokens = (await Promise.all(taking)).flat();
    expect(new Set(tokens).size).toBe(50);
    expect(lab.entry("robot")?.lock).toBeNull();
  });

  it("leave no timer and no handle behind: the process ends by itself, without closing its registry [G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    await registry.claim("mine", { type: "node" });
    const waiter = await NodeProcess.over(lab.path, LONG);
    expect(await waiter.failure("claim", "mine", { waitMs: 50 })).toMatchObject({ code: "wait-timeout" });
    await waiter.call("beginWait", "mine", WAIT_MS);
    await waiter.call("cancelWait", "mine");
    const from = performance.now();
    expect(await waiter.finish()).toBe(0);
    expect(performance.now() - from).toBeLessThan(2_000);
  });
});

function numbered(name: string): readonly string[] {
  return Array.from({ length: HAND_OVERS }, (_, i) => `${name} ${i}`);
}

async function registryHasWaiters(registry: Awaited<ReturnType<LabFiles["open"]>>, name: string, count: number) {
  await expect.poll(async () => (await registry.entry(name))?.waiters.length, { timeout: 10_000 }).toBe(count);
}

function pythonLock() {
  const at = (ms: number) => new Date(Date.now() + ms).toISOString().replace("Z", "000Z");
  return {
    holder_pid: 4_711,
    holder_host: "elsewhere",
    holder_instance: "01JPYTHQNPYTHQNPYTHQNPYTHQ",
    acquired_at: at(0),
    heartbeat_at: at(0),
    expires_at: at(30_000),
  };
}
