import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { eventually, Lab } from "./lab.js";
import { FILELOCK_VERSIONS, MADSCI_VERSIONS } from "./python.js";

describe.each(FILELOCK_VERSIONS)("beside Python with filelock %s", (filelock) => {
  test("a name that Python holds is refused to us, with its pid and host [G2, G11]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python({ filelock }), lab.namehold()]);
    const id = await python.resolve("arm_1");
    await expect(ours.claim("arm_1")).rejects.toMatchObject({
      code: "held",
      details: { heldBy: { pid: python.pid, host: hostname(), instance: python.instance } },
    });
    expect((await lab.entry("arm_1"))?.lock?.holder_instance).toBe(python.instance);
    expect(await ours.lookup("arm_1")).toBe(id);
  });

  test("a name that we hold is refused to Python, which is told our pid and host [G2]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python({ filelock }), lab.namehold()]);
    const claim = await ours.claim("arm_1");
    await expect(python.resolve("arm_1")).rejects.toMatchObject({
      type: "RegistryLockError",
      message: expect.stringContaining(`Locked by ${hostname()} (PID ${ours.pid}) until `),
    });
    await expect(python.rename("arm_1", "arm_2")).rejects.toMatchObject({ type: "RegistryLockError" });
    expect(await python.lookup("arm_1")).toBe(claim.id);
    expect(await ours.claimState("arm_1")).toMatchObject({ held: true, aborted: false });
  });

  test("what one side releases the other has at once, under one id and a rising token [G1, G3]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python({ filelock }), lab.namehold()]);
    const id = await python.resolve("arm_1");
    const tokens: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await python.release("arm_1");
      const claim = await ours.claim("arm_1");
      tokens.push(claim.token);
      await ours.release("arm_1");
      expect([claim.id, await python.resolve("arm_1")]).toEqual([id, id]);
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  });

  test("a waiter of ours is woken within milliseconds of a release by Python", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python({ filelock }), lab.namehold()]);
    const delaysMs: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await python.resolve("arm_1");
      const granted = ours.process.timed("claim", { name: "arm_1", options: { waitMs: 20_000 } });
      await ours.lookup("arm_1"); // Answered after the claim has been asked for: the waiter is there.
      const released = await python.process.timed("release", { name: "arm_1" });
      const { startedMs, tookMs } = await granted;
      delaysMs.push(startedMs + tookMs - (released.startedMs + released.tookMs));
      await ours.release("arm_1");
    }
    // The reference polls every 2 s. The bound leaves room for a busy machine; the usual figure is a few milliseconds.
    expect(delaysMs.sort((a, b) => a - b)[2]).toBeLessThan(100);
  });

  test("Python waits with retry_timeout and is given our name when we release it", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python({ filelock }), lab.namehold()]);
    const { id } = await ours.claim("arm_1");
    const waiting = python.timedResolve("arm_1", { retrySeconds: 20 });
    await sleep(300); // Python is refused, and sleeps for the rest of its 2 s.
    await ours.release("arm_1");
    const { result, tookMs } = await waiting;
    expect(result).toBe(id);
    expect(tookMs).toBeGreaterThan(1900);
    expect(tookMs).toBeLessThan(6000);
  });
});

describe.each(["return", "process.exit", "uncaught error"])("a clean exit by %s", (way) => {
  test("releases our names, so that Python need not wait for the TTL", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python(), lab.namehold()]);
    const ids = [(await ours.claim("arm_1")).id, (await ours.claim("arm_2")).id];
    if (way === "process.exit") ours.process.call("exit", { status: 7 }).catch(() => undefined);
    if (way === "uncaught error") await ours.process.call("throw");
    expect(await ours.stop()).toBe({ return: 0, "process.exit": 7, "uncaught error": 1 }[way]);
    expect([(await lab.entry("arm_1"))?.lock, (await lab.entry("arm_2"))?.lock]).toEqual([null, null]);
    expect([await python.resolve("arm_1"), await python.resolve("arm_2")]).toEqual(ids);
  });
});

test.each(MADSCI_VERSIONS)(
  "the registry of madsci-common %s shares our file: ids, locks and listing",
  async (madsci) => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python({ madsci }), lab.namehold()]);
    const theirs = await python.resolve("theirs", { metadata: { module: "arm" } });
    const claim = await ours.claim("ours");
    expect(Object.fromEntries((await python.list()).map(([name, entry]) => [name, entry.id]))).toEqual({
      theirs,
      ours: claim.id,
    });
    await expect(ours.claim("theirs")).rejects.toMatchObject({ code: "held" });
    await expect(python.resolve("ours")).rejects.toMatchObject({ type: "RegistryLockError" });
  },
);

test("two MADSci versions with different filelocks and we exclude one another on one name [G2]", async () => {
  await using lab = new Lab();
  const [older, newer, ours] = await Promise.all([
    lab.python({ madsci: "0.7.1", filelock: "3.25.0" }),
    lab.python({ madsci: "0.8.1", filelock: "4.2.12" }),
    lab.namehold(),
  ]);
  const attempts = async (): Promise<number> => {
    const results = await Promise.allSettled([older.resolve("arm_1"), newer.resolve("arm_1"), ours.claim("arm_1")]);
    return results.filter((result) => result.status === "fulfilled").length;
  };
  const ids = new Set<string | undefined>();
  for (let round = 0; round < 20; round += 1) {
    expect(await attempts()).toBe(1);
    ids.add((await lab.entry("arm_1"))?.id);
    const holder = (await lab.entry("arm_1"))?.lock?.holder_pid;
    if (holder === ours.pid) await ours.release("arm_1");
    else await (holder === older.pid ? older : newer).release("arm_1");
  }
  expect(ids.size).toBe(1);
});

test("a name of ours is Python's as soon as our lock has run out after kill -9 [G6]", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold({ lockTtlMs: 2000, heartbeatIntervalMs: 400 })]);
  const { id } = await ours.claim("arm_1");
  await ours.kill();
  await expect(python.resolve("arm_1")).rejects.toMatchObject({ type: "RegistryLockError" });
  await eventually(5000, async () => (await python.resolve("arm_1").catch(() => null)) === id);
});
