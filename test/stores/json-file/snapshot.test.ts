import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { LocalRegistryManager, LockManager, type Registry } from "../../../src/index.js";
import { bootId } from "../../../src/platform/clock.js";
import { LabFiles, type LockInFile } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";
import { ShiftedClock } from "./shifted-clock.js";

/** The reference's. */
const TTL_MS = 30_000;
const HOUR_MS = 3_600_000;
const NODE = { type: "node" } as const;

describe("a lock of which only written times speak, beside a clock that has run steadily,", () => {
  it("is held until it expires, and free at once then [G6, G7]", async () => {
    const { registry, clock, pythonTakes } = await labWithName();
    clock.pass(1_000);
    pythonTakes();
    clock.pass(TTL_MS - 5_000);
    expect(await evidence(registry)).toEqual({ kind: "written", clockTrusted: true });
    await expectHeld(registry, { decided: true });
    clock.pass(5_001);
    await registry.claim("robot", NODE);
  });

  it("is judged alike by a process that starts just then [G6]", async () => {
    const { lab, clock, pythonTakes } = await labWithName();
    clock.pass(1_000);
    pythonTakes();
    clock.pass(TTL_MS + 1);
    const newcomer = await open(lab, clock);
    await expect(newcomer.claim("robot", NODE)).resolves.toMatchObject({ held: true });
  });

  it("lives on by each heartbeat that Python writes [G7]", async () => {
    const { registry, clock, pythonTakes } = await labWithName();
    clock.pass(1_000);
    for (let beat = 0; beat < 6; beat += 1) {
      pythonTakes();
      clock.pass(TTL_MS - 5_000);
      await expectHeld(registry, { decided: true });
    }
  });
});

describe("a lock of which only written times speak, beside a clock that is not trusted,", () => {
  it.each<readonly [string, (found: Lab) => void]>([
    ["nobody had noted the clock before", ({ lab }) => unlinkSync(lab.statePath)],
    ["the machine was started anew since", ({ lab }) => replaceIn(lab.statePath, bootId(), "another boot")],
    ["the clock was stepped forward since", ({ clock }) => clock.stepWall(HOUR_MS)],
    ["it was written before the clock was noted", ({ pythonTakes }) => pythonTakes(-HOUR_MS)],
  ])("since %s, is held until it has been seen unchanged for its own TTL [G6, G7]", async (_, distrust) => {
    const found = await labWithName();
    const { registry, clock, pythonTakes } = found;
    clock.pass(1_000);
    pythonTakes();
    clock.pass(TTL_MS + 1);
    distrust(found);
    expect(await evidence(registry)).toEqual({ kind: "written", clockTrusted: false });
    await expectHeld(registry, { decided: false });
    clock.pass(TTL_MS - 5_000);
    await expectHeld(registry, { decided: false });
    clock.pass(5_001);
    await registry.claim("robot", NODE);
  });

  it("is never taken from a Python process that goes on refreshing it [G7]", async () => {
    const { registry, clock, pythonTakes } = await labWithName();
    clock.pass(1_000);
    pythonTakes();
    clock.stepWall(HOUR_MS);
    for (let beat = 0; beat < 6; beat += 1) {
      await expectHeld(registry, {});
      clock.pass(10_000);
      // By the stepped clock from now on, as Python does.
      pythonTakes();
      await expectHeld(registry, {});
      clock.pass(15_000);
    }
  });

  it("does not block a dead Python process's name for an hour that the clock was set back [G6]", async () => {
    const { registry, clock, pythonTakes } = await labWithName();
    clock.pass(1_000);
    pythonTakes();
    clock.stepWall(-HOUR_MS);
    await expectHeld(registry, {});
    clock.pass(TTL_MS - 5_000);
    await expectHeld(registry, {});
    clock.pass(5_001);
    await registry.claim("robot", NODE);
  });

  it("is watched anew when it changed, and by each process for itself [G7]", async () => {
    const { lab, registry, clock, pythonTakes } = await labWithName();
    pythonTakes(-HOUR_MS);
    await expectHeld(registry, { decided: false });
    clock.pass(TTL_MS - 5_000);
    pythonTakes(-HOUR_MS + 5_000);
    await expectHeld(registry, { decided: false });
    clock.pass(TTL_MS - 5_000);
    await expectHeld(registry, { decided: false });
    await expectHeld(await open(lab, clock), { decided: false });
    clock.pass(5_001);
    await registry.claim("robot", NODE);
  });

  it("is taken by a waiter once it has watched for the lock's own TTL [G6]", async () => {
    const { registry, pythonTakes } = await labWithName();
    pythonTakes(-HOUR_MS, 400);
    const from = performance.now();
    await registry.claim("robot", { ...NODE, waitMs: 15_000 });
    expect(performance.now() - from).toBeGreaterThanOrEqual(400);
  });

  it("may be alive though the damage that was recovered from has swallowed its latest heartbeat [G7, G8]", async () => {
    const { lab, registry, clock, pythonTakes } = await labWithName();
    clock.pass(1_000);
    pythonTakes();
    // What somebody of us has seen last.
    await registry.resolve("other", NODE);
    clock.pass(TTL_MS + 1);
    writeFileSync(lab.path, "");
    await expectHeld(registry, {});
    clock.pass(TTL_MS - 5_000);
    await expectHeld(registry, {});
    clock.pass(5_001);
    await registry.claim("robot", NODE);
  });
});

describe("a name of which only the copy tells after damage", () => {
  it("is held back for one TTL, for a Python process may have taken it since [G7, G8]", async () => {
    const { lab, registry, clock, pythonTakes } = await labWithName();
    pythonTakes();
    writeFileSync(lab.path, "");
    await expectHeld(registry, {});
    expect(lab.entry("robot")?.lock?.holder_instance).not.toBe(PYTHON.holder_instance);
    clock.pass(TTL_MS - 5_000);
    await expectHeld(registry, {});
    clock.pass(5_001);
    await registry.claim("robot", NODE);
  });
});

describe("a lock of a namehold process", () => {
  it("is judged by that process's own heartbeat, whatever times are written [G7]", async () => {
    const { lab, registry, clock } = await labWithName();
    const holder = await NodeProcess.over(lab.path);
    await holder.call("claim", "robot");
    const lock = lab.entry("robot")?.lock;
    if (lock == null) throw new Error("no lock");
    lab.writeLock("robot", { ...lock, ...times(Date.now() - HOUR_MS, TTL_MS) });
    clock.pass(TTL_MS - 5_000);
    expect(await evidence(registry)).toMatchObject({ kind: "beat", ttlMs: TTL_MS });
    await expectHeld(registry, { decided: true });
    clock.pass(5_001);
    await registry.claim("robot", NODE);
  });

  it("has no token and no note that were another lock's [G3]", async () => {
    const { lab, registry, pythonTakes } = await labWithName();
    const claim = await registry.claim("robot", NODE);
    expect((await registry.entry("robot"))?.token).toBe(claim.token);
    pythonTakes();
    expect(await registry.entry("robot")).toMatchObject({ token: null, revocation: null });
    expect(lab.entry("robot")?.id).toBe(claim.id);
  });
});

describe("tokens", () => {
  it("rise when the wall clock is set back, and when the record of the last one is lost [G3]", async () => {
    const { lab, registry, clock } = await labWithName();
    const tokens: number[] = [];
    const takeTurn = async () => {
      const claim = await registry.claim("robot", NODE);
      tokens.push(claim.token);
      await claim.release();
    };
    await takeTurn();
    clock.stepWall(-HOUR_MS);
    await takeTurn();
    clock.stepWall(HOUR_MS + 1);
    unlinkSync(lab.statePath);
    await takeTurn();
    expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b));
    expect(tokens).toHaveLength(3);
  });
});

interface Lab {
  readonly lab: LabFiles;
  readonly registry: Registry;
  readonly clock: ShiftedClock;
  /** Python writes its lock, as of so long from now. */
  readonly pythonTakes: (agoMs?: number, ttlMs?: number) => void;
}

/** A registry that knows the name `robot`, and has noted the clock. */
async function labWithName(): Promise<Lab> {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  const registry = await open(lab, clock);
  await registry.resolve("robot", NODE);
  const pythonTakes = (fromNowMs = 0, ttlMs = TTL_MS) =>
    lab.writeLock("robot", { ...PYTHON, ...times(clock.wallMs() + fromNowMs, ttlMs) });
  return { lab, registry, clock, pythonTakes };
}

async function open(lab: LabFiles, clock: ShiftedClock): Promise<Registry> {
  const manager = new LocalRegistryManager({ registryPath: lab.path, lockManager: new LockManager({ clock }) });
  onTestFinished(() => manager.close());
  return manager.registry;
}

async function expectHeld(registry: Registry, expected: { readonly decided?: boolean }): Promise<void> {
  const { decided } = expected;
  const message =
    decided === undefined ? /held/ : decided ? /is held by .* unless it is refreshed/ : /cannot be trusted/;
  await expect(registry.claim("robot", NODE)).rejects.toMatchObject({
    code: "held",
    message: expect.stringMatching(message),
  });
}

async function evidence(registry: Registry) {
  return (await registry.store.read("robot")).record?.holder?.evidence;
}

const PYTHON = { holder_pid: 4_711, holder_host: "elsewhere", holder_instance: "01JPYTHQNPYTHQNPYTHQNPYTHQ" };

function times(heartbeatAt: number, ttlMs: number): Omit<LockInFile, keyof typeof PYTHON> {
  const text = (at: number) => new Date(at).toISOString().replace("Z", "000Z");
  return {
    acquired_at: text(heartbeatAt),
    heartbeat_at: text(heartbeatAt),
    expires_at: text(heartbeatAt + ttlMs),
  };
}

function replaceIn(path: string, from: string, to: string): void {
  writeFileSync(path, readFileSync(path, "utf8").replaceAll(from, to));
}
