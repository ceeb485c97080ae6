import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Lab } from "./lab.js";

const HOUR_SECONDS = 3600;
const PYTHON_TTL = { ttlSeconds: 3, intervalSeconds: 0.5 };

describe("real time: a dead Python holder", () => {
  test("blocks us no longer than its lock is written to last [G6]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python(PYTHON_TTL), lab.namehold()]);
    await ours.resolve("warm_up"); // A namehold process has been here, so the wall clock is known since then.
    const id = await python.resolve("arm_1");
    await sleep(1200);
    await python.kill();
    await expect(ours.claim("arm_1")).rejects.toMatchObject({ code: "held" });
    const { result, tookMs } = await ours.process.timed<{ id: string }>("claim", {
      name: "arm_1",
      options: { waitMs: 20_000 },
    });
    expect(result.id).toBe(id);
    expect(tookMs).toBeLessThan(2 * PYTHON_TTL.ttlSeconds * 1000 + 1000);
    expect(tookMs).toBeGreaterThan((PYTHON_TTL.ttlSeconds - PYTHON_TTL.intervalSeconds) * 1000 - 800);
  });

  test("is passed at once when its lock had run out before we came [G6]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python(PYTHON_TTL), lab.namehold()]);
    await ours.resolve("warm_up");
    const id = await python.resolve("arm_1");
    await python.kill();
    await sleep(PYTHON_TTL.ttlSeconds * 1000 + 300);
    expect((await ours.claim("arm_1")).id).toBe(id);
  });
});

describe.each([
  { whose: "the machine's", python: true, namehold: true },
  { whose: "Python's", python: true, namehold: false },
  { whose: "our", python: false, namehold: true },
])("real time: $whose wall clock steps by an hour", ({ python: stepPython, namehold: stepOurs }) => {
  test.each([HOUR_SECONDS, -HOUR_SECONDS])("%i s: a live Python holder is not robbed [G7]", async (offset) => {
    await using lab = new Lab();
    const [pythonClock, ourClock] = [lab.clock("python"), lab.clock("ours")];
    const [python, ours] = await Promise.all([
      lab.python({ ...PYTHON_TTL, env: pythonClock.env }),
      lab.namehold({ env: ourClock.env }),
    ]);
    await ours.resolve("warm_up");
    await python.resolve("arm_1");
    await sleep(750); // Between two heartbeats: the next instruction must not stop it while it writes.
    // Stopped for a moment, so that it cannot refresh by the new clock before we have looked.
    python.process.signal("SIGSTOP");
    if (stepPython) pythonClock.step(offset);
    if (stepOurs) ourClock.step(offset);
    await expect(ours.claim("arm_1")).rejects.toMatchObject({ code: "held" });
    python.process.signal("SIGCONT");
    const waitMs = 1.5 * PYTHON_TTL.ttlSeconds * 1000;
    await expect(ours.claim("arm_1", { waitMs })).rejects.toMatchObject({ code: "wait-timeout" });
    // One who comes later has watched nothing yet.
    const later = await lab.namehold({ env: ourClock.env });
    await expect(later.claim("arm_1")).rejects.toMatchObject({ code: "held" });
    expect((await python.heartbeats()).failures).toEqual([]);
    expect((await lab.entry("arm_1"))?.lock?.holder_instance).toBe(python.instance);
  });

  test.each([HOUR_SECONDS, -HOUR_SECONDS])(
    "%i s: a dead Python holder does not block us for an hour [G6]",
    async (offset) => {
      await using lab = new Lab();
      const [pythonClock, ourClock] = [lab.clock("python"), lab.clock("ours")];
      const [python, ours] = await Promise.all([
        lab.python({ ...PYTHON_TTL, env: pythonClock.env }),
        lab.namehold({ env: ourClock.env }),
      ]);
      await ours.resolve("warm_up");
      const id = await python.resolve("arm_1");
      if (stepPython) pythonClock.step(offset);
      if (stepOurs) ourClock.step(offset);
      await sleep(800); // Python has refreshed by its stepped clock.
      await python.kill();
      const { result, tookMs } = await ours.process.timed<{ id: string }>("claim", {
        name: "arm_1",
        options: { waitMs: 30_000 },
      });
      expect(result.id).toBe(id);
      expect(tookMs).toBeLessThan(2 * PYTHON_TTL.ttlSeconds * 1000 + 1000);
    },
  );
});

test("real time: our lock is ours through clock steps, for as long as Python's clock does not say otherwise [G4]", async () => {
  await using lab = new Lab();
  const clock = lab.clock("ours");
  const ours = await lab.namehold({ env: clock.env, lockTtlMs: 3000, heartbeatIntervalMs: 500 });
  await ours.claim("arm_1");
  for (const offset of [HOUR_SECONDS, -HOUR_SECONDS, 0]) {
    clock.step(offset);
    await sleep(1200);
    expect(await ours.claimState("arm_1")).toMatchObject({ held: true, aborted: false });
  }
});
