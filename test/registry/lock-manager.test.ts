import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { RegistryEntry } from "../../src/core/entry.js";
import { NameholdError, RegistryLockError } from "../../src/core/errors.js";
import { wallMs } from "../../src/core/timing.js";
import { LocalRegistryManager } from "../../src/registry/local-registry-manager.js";
import { LockManager, type LockManagerOptions } from "../../src/registry/lock-manager.js";
import { ManualClock } from "../../src/testing/manual-clock.js";
import { HEARTBEAT_MS, HOLD_MS, Lab, RETRY_MS, TTL_MS } from "./lab.js";
import { temporaryDirectory } from "./temporary-directory.js";

/** 2026-01-01T00:00:00Z, where a manual clock begins. */
const NOW = wallMs(1_767_225_600_000);

const UNLOCKED: RegistryEntry = deepFreeze({
  id: "01JQ0000000000000000000000",
  componentType: "node",
  createdAt: wallMs(1_000),
  lastSeen: wallMs(2_000),
  metadata: { module: { name: "liquidhandler" } },
  lock: null,
  workcellId: "wc",
});

function managerAt(clock: ManualClock, options: LockManagerOptions = {}): LockManager {
  return new LockManager({ clock, ...options });
}

describe("the reference's documented example", () => {
  it("runs: make a manager, acquire an entry, start the heartbeat, stop it, release", async () => {
    const lockManager = new LockManager({ lockTtlMs: 10_000, heartbeatIntervalMs: 30 });
    await using registry = new LocalRegistryManager({ registryPath: registryPath(), lockManager });
    await registry.resolve("my_node", "node");
    const found = await registry.getEntry("my_node");
    if (found === null) throw new Error("my_node is not there");
    const lost = vi.fn();
    lockManager.on("lost", lost);

    let entry = lockManager.acquire(found);
    lockManager.startHeartbeat("my_node", registry);
    const acquiredAt = entry.lock?.heartbeatAt ?? 0;
    await vi.waitFor(async () => {
      expect((await registry.getEntry("my_node"))?.lock?.heartbeatAt).toBeGreaterThan(acquiredAt + 60);
    });
    lockManager.stopHeartbeat("my_node");
    entry = lockManager.release(entry);

    expect(entry.lock).toBeNull();
    expect(entry.id).toBe(found.id);
    await registry.release("my_node");
    expect((await registry.getEntry("my_node"))?.lock).toBeNull();
    expect(lost).not.toHaveBeenCalled();
  });
});

describe("createLock", () => {
  it("has pid, host, instance, and the times of one TTL from now", () => {
    const manager = managerAt(new ManualClock(), { instanceId: "me" });
    expect(manager.createLock()).toEqual({
      holderPid: process.pid,
      holderHost: hostname(),
      holderInstance: "me",
      acquiredAt: NOW,
      heartbeatAt: NOW,
      expiresAt: NOW + TTL_MS,
    });
  });
});

describe("canAcquire", () => {
  it("says yes to an entry without a lock", () => {
    expect(new LockManager().canAcquire(UNLOCKED)).toEqual({ canAcquire: true, reason: "No existing lock" });
  });

  it("says yes to what is already ours, even when it has expired", async () => {
    const clock = new ManualClock();
    const manager = managerAt(clock);
    const entry = manager.acquire(UNLOCKED);
    const yes = { canAcquire: true, reason: "Already locked by this instance" };
    expect(manager.canAcquire(entry)).toEqual(yes);
    await clock.advance(TTL_MS);
    expect(manager.canAcquire(entry)).toEqual(yes);
  });

  it("says no to another's lock, by whom and until when, and yes from the moment that it expires", async () => {
    const clock = new ManualClock();
    const entry = managerAt(clock).acquire(UNLOCKED);
    const other = managerAt(clock);
    await clock.advance(TTL_MS - 1);
    expect(other.canAcquire(entry)).toEqual({
      canAcquire: false,
      reason: `Locked by ${hostname()} (PID ${process.pid}) until 2026-01-01T00:00:30.000Z`,
    });
    await clock.advance(1);
    expect(other.canAcquire(entry)).toEqual({ canAcquire: true, reason: "Lock expired at 2026-01-01T00:00:30.000Z" });
  });
});

describe("acquire, refresh and release of an entry", () => {
  it("acquire gives a locked entry, seen now, and keeps everything else", async () => {
    const clock = new ManualClock();
    const manager = managerAt(clock);
    expect(manager.acquire(UNLOCKED)).toEqual({ ...UNLOCKED, lock: manager.createLock(), lastSeen: NOW });
    const own = deepFreeze(manager.acquire(UNLOCKED));
    await clock.advance(5);
    expect(manager.acquire(own)).toEqual({ ...own, lock: manager.createLock(), lastSeen: NOW + 5 });
  });

  it("refresh prolongs by one TTL from now and keeps when the lock was acquired", async () => {
    const clock = new ManualClock();
    const manager = managerAt(clock);
    const entry = deepFreeze(manager.acquire(UNLOCKED));
    await clock.advance(HEARTBEAT_MS);
    const now = NOW + HEARTBEAT_MS;
    expect(manager.refresh(entry)).toEqual({
      ...entry,
      lastSeen: now,
      lock: { ...entry.lock, heartbeatAt: now, expiresAt: now + TTL_MS },
    });
  });

  it("release takes our lock away, and leaves another's and none as they are", () => {
    const manager = new LockManager();
    const entry = deepFreeze(manager.acquire(UNLOCKED));
    expect(manager.release(entry)).toEqual({ ...entry, lock: null });
    expect(new LockManager().release(entry)).toEqual(entry);
    expect(manager.release(UNLOCKED)).toEqual(UNLOCKED);
  });

  it("mutate nothing", () => {
    const manager = new LockManager();
    const entry = deepFreeze(manager.acquire(UNLOCKED));
    const before = structuredClone([UNLOCKED, entry]);
    manager.acquire(entry);
    manager.refresh(entry);
    manager.release(entry);
    expect([UNLOCKED, entry]).toEqual(before);
  });

  it("acquire of another's lock is refused, with who, since when and until when [G2, G11]", async () => {
    const clock = new ManualClock();
    const entry = deepFreeze(managerAt(clock, { instanceId: "first" }).acquire(UNLOCKED));
    const error = errorOf(() => managerAt(clock).acquire(entry));
    expect(error).toBeInstanceOf(RegistryLockError);
    expect(error).toMatchObject({ name: "RegistryLockError", code: "held" });
    expect(error.details).toEqual({
      heldBy: { pid: process.pid, host: hostname(), instance: "first" },
      since: NOW,
      until: NOW + TTL_MS,
    });
    expect(error.message).toBe(
      `Cannot acquire lock for '${UNLOCKED.id}': Locked by ${hostname()} (PID ${process.pid}) until 2026-01-01T00:00:30.000Z`,
    );
  });

  it("refresh without a lock, and of another's, is refused as lost [G5, G11]", () => {
    const entry = deepFreeze(new LockManager({ instanceId: "first" }).acquire(UNLOCKED));
    const manager = new LockManager();
    const others = errorOf(() => manager.refresh(entry));
    expect(others).toBeInstanceOf(RegistryLockError);
    expect(others).toMatchObject({ code: "lost", details: { heldBy: { instance: "first" } } });
    const none = errorOf(() => manager.refresh(UNLOCKED));
    expect(none).toBeInstanceOf(RegistryLockError);
    expect(none).toMatchObject({ code: "lost", details: {} });
  });
});

describe("the options of a lock manager", () => {
  it("default to 30 s and 10 s, and a new ULID as instance", () => {
    const managers = Array.from({ length: 1_000 }, () => new LockManager());
    expect(managers[0]).toMatchObject({ lockTtlMs: TTL_MS, heartbeatIntervalMs: HEARTBEAT_MS });
    expect([LockManager.LOCK_TTL, LockManager.HEARTBEAT_INTERVAL]).toEqual([TTL_MS, HEARTBEAT_MS]);
    const instances = managers.map(({ instanceId }) => instanceId);
    expect(new Set(instances).size).toBe(1_000);
    for (const instance of instances) expect(instance).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  });

  it("are taken when given, and make the lock's times and the holder", () => {
    const manager = managerAt(new ManualClock(), { instanceId: "me", lockTtlMs: 9_000, heartbeatIntervalMs: 1_500 });
    expect(manager.timing).toEqual({ lockTtlMs: 9_000, heartbeatIntervalMs: 1_500, holdMs: 8_550, retryMs: 600 });
    expect(manager.holder).toEqual({ instance: "me", pid: process.pid, host: hostname(), ttlMs: 9_000 });
    expect(manager.createLock().expiresAt).toBe(NOW + 9_000);
  });

  it("leave a margin before the TTL, and time for several retries", () => {
    expect(new LockManager().timing).toMatchObject({ holdMs: HOLD_MS, retryMs: RETRY_MS });
  });

  it("may have other defaults in a subclass, which options still override", () => {
    class SlowLockManager extends LockManager {
      static override readonly LOCK_TTL: number = 90_000;
      static override readonly HEARTBEAT_INTERVAL: number = 20_000;
    }
    class Slower extends SlowLockManager {
      static override readonly LOCK_TTL = 120_000;
    }
    expect(new SlowLockManager()).toMatchObject({ lockTtlMs: 90_000, heartbeatIntervalMs: 20_000 });
    expect(new Slower()).toMatchObject({ lockTtlMs: 120_000, heartbeatIntervalMs: 20_000 });
    expect(new Slower({ lockTtlMs: 60_000 })).toMatchObject({ lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 });
    class Impossible extends LockManager {
      static override readonly LOCK_TTL = 1_000;
    }
    expect(() => new Impossible()).toThrow(/heartbeatIntervalMs \(10000\) must fit at least 2 times/);
  });

  const NONSENSE = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 0.5, "30000", 86_400_001, true, 10n];
  for (const option of ["lockTtlMs", "heartbeatIntervalMs"] as const) {
    it.each(NONSENSE)(`refuse %s as ${option}, naming it and what is allowed [G12]`, (value) => {
      const error = errorOf(() => new LockManager({ [option]: value }));
      expect(error.code).toBe("invalid-input");
      expect(error.message).toBe(
        `${option} must be a whole number of milliseconds from 1 to 86400000 (one day), not ${String(value)}.`,
      );
    });
  }

  it("refuse a heartbeat that does not fit twice into the TTL, naming both and the usual part", () => {
    const error = errorOf(() => new LockManager({ lockTtlMs: 10_000, heartbeatIntervalMs: 5_001 }));
    expect(error.code).toBe("invalid-input");
    expect(error.message).toContain("heartbeatIntervalMs (5001) must fit at least 2 times into lockTtlMs (10000)");
    expect(error.message).toContain("A third of it is usual");
    expect(new LockManager({ lockTtlMs: 10_000, heartbeatIntervalMs: 5_000 }).lockTtlMs).toBe(10_000);
    expect(() => new LockManager({ lockTtlMs: 10_000 })).toThrow(NameholdError);
  });

  it.each(["", "x".repeat(257), 7, {}, true])("refuse %j as instanceId [G12]", (instanceId) => {
    const error = errorOf(() => new LockManager({ instanceId: instanceId as string }));
    expect(error.code).toBe("invalid-input");
    expect(error.message).toContain("instanceId must be a string of 1 to 256 characters");
  });
});

describe("a heartbeat that was started by name", () => {
  it("for a name that is not ours reports it, lost, and drops it [G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await b.claim("robot");
    const manager = a.registry.lockManager;
    const lost = vi.fn();
    manager.on("lost", lost);
    for (const name of ["robot", "nobody's", "unknown"]) {
      if (name === "nobody's") await b.registry.resolve(name, { type: "node" });
      manager.startHeartbeat(name, a.registry);
      manager.startHeartbeat(name, { registry: a.registry });
    }
    const before = await lab.record("robot");
    await lab.clock.advance(HEARTBEAT_MS - 1);
    expect(lost).not.toHaveBeenCalled();
    await lab.clock.advance(1);
    const { pid, host, instance } = b.holder;
    expect(lost.mock.calls).toEqual([
      [{ name: "robot", loss: { reason: "taken", by: { pid, host, instance } } }],
      [{ name: "nobody's", loss: { reason: "removed" } }],
      [{ name: "unknown", loss: { reason: "removed" } }],
    ]);
    await lab.clock.advance(5 * HEARTBEAT_MS);
    expect(lost).toHaveBeenCalledTimes(3);
    expect(claim.held).toBe(true);
    expect((await lab.record("robot")).token).toBe(before.token);
  });

  it("warns of a loss that nobody listens to", async () => {
    const lab = new Lab();
    const a = lab.open();
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    onTestFinished(() => warn.mockRestore());
    a.registry.lockManager.startHeartbeat("unknown", a.registry);
    await lab.clock.advance(HEARTBEAT_MS);
    expect(warn.mock.calls).toEqual([['The lock on "unknown" is lost (removed).', "NameholdWarning"]]);
  });

  it("reports jeopardy, then the loss at the deadline [G4]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const manager = a.registry.lockManager;
    const told: unknown[] = [];
    manager.on("jeopardy", ({ name, error }) => told.push(`${name}: ${String(error)}`));
    manager.on("lost", ({ name, loss }) => told.push(`${name}: ${loss.reason}`));
    manager.startHeartbeat("robot", { refreshLocks: () => Promise.reject(new Error("no network")) });
    await lab.clock.advance(TTL_MS);
    expect(new Set(told)).toEqual(new Set(["robot: Error: no network", "robot: expired"]));
    expect(told.at(-1)).toBe("robot: expired");
    expect(told.filter((word) => word === "robot: expired")).toHaveLength(1);
  });

  it("is refreshed at any target that keeps it, until it is stopped", async () => {
    const clock = new ManualClock();
    const manager = managerAt(clock);
    const refreshLocks = vi.fn(async () => new Map<string, never>());
    const lost = vi.fn();
    manager.on("lost", lost);
    manager.startHeartbeat("robot", { refreshLocks });
    manager.startHeartbeat("robot", { registry: { refreshLocks: vi.fn() } });
    manager.stopHeartbeat("robot");
    manager.startHeartbeat("robot", { refreshLocks });
    await clock.advance(3 * TTL_MS);
    expect(refreshLocks.mock.calls).toHaveLength(9);
    manager.stopAllHeartbeats();
    manager.stopAllHeartbeats();
    await clock.advance(TTL_MS);
    expect(refreshLocks.mock.calls).toHaveLength(9);
    expect(lost).not.toHaveBeenCalled();
    expect(clock.timersPending).toBe(0);
  });

  it("takes up the claim of that name: stopped, it ends at its deadline; started again before it, it goes on [G4]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const { lockManager } = a.registry;
    const claim = await a.claim("robot");
    lockManager.stopHeartbeat("robot");
    await lab.clock.advance(HOLD_MS - 1);
    expect(claim.held).toBe(true);
    lockManager.startHeartbeat("robot", a.registry);
    await lab.clock.advance(2 * TTL_MS);
    expect(claim.held).toBe(true);
    lockManager.stopAllHeartbeats();
    await lab.clock.advance(TTL_MS);
    expect(claim.loss).toEqual({ reason: "expired" });
  });
});

function registryPath(): string {
  return join(temporaryDirectory(), "registry.json");
}

function errorOf(call: () => unknown): NameholdError {
  try {
    call();
  } catch (error) {
    if (error instanceof NameholdError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) if (typeof member === "object" && member !== null) deepFreeze(member);
  return Object.freeze(value);
}
