import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { LocalRegistryManager, type LocalRegistryManagerOptions } from "../../src/registry/local-registry-manager.js";
import { LockManager } from "../../src/registry/lock-manager.js";
import { ManualClock } from "../../src/testing/manual-clock.js";
import { HEARTBEAT_MS, HOLD_MS, TTL_MS } from "./lab.js";
import { temporaryDirectory } from "./temporary-directory.js";

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const DAY_MS = 24 * 60 * 60 * 1000;

/** A registry file and a clock that all managers over it share. */
class Lab {
  readonly clock = new ManualClock();
  readonly registryPath = join(temporaryDirectory(), "registry.json");

  /** A manager as another process would have it, closed with the test. */
  manager(options: LocalRegistryManagerOptions = {}): LocalRegistryManager {
    const lockManager = new LockManager({ clock: this.clock });
    const manager = new LocalRegistryManager({ registryPath: this.registryPath, lockManager, ...options });
    onTestFinished(async () => {
      const closing = manager.close();
      // The file's turns keep gaps, which take time.
      const passTime = (): Promise<boolean> => this.clock.advance(1).then(() => false);
      for (let isClosed = false; !isClosed; ) isClosed = await Promise.race([closing.then(() => true), passTime()]);
    });
    return manager;
  }

  lockOf(name: string): { readonly holder_instance: string; readonly heartbeat_at: string } | null {
    return JSON.parse(readFileSync(this.registryPath, "utf8")).entries[name].lock;
  }

  /** Lets time go by, and waits until the file shows a heartbeat of that moment for the name. */
  async beat(name: string): Promise<void> {
    await this.clock.advance(HEARTBEAT_MS);
    const at = this.clock.wallMs();
    await vi.waitFor(() => expect(Date.parse(this.lockOf(name)?.heartbeat_at ?? "")).toBe(at));
  }
}

describe("resolve", () => {
  it("makes an ID, holds the name, and keeps it by a heartbeat [G1, G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    const id = await a.resolve("robot", "node", { metadata: { module: "arm" } });
    expect(id).toMatch(ULID);
    expect(lab.lockOf("robot")?.holder_instance).toBe(a.lockManager.instanceId);
    await lab.beat("robot");
    await lab.beat("robot");
    await lab.beat("robot");
    await expect(b.resolve("robot", "node")).rejects.toMatchObject({
      name: "RegistryLockError",
      code: "held",
      details: { heldBy: { instance: a.lockManager.instanceId } },
    });
    expect((await b.getEntry("robot"))?.metadata).toEqual({ module: "arm" });
  });

  it("by the same instance again is fine: the same ID, more metadata, the same lock [G1]", async () => {
    const lab = new Lab();
    const a = lab.manager();
    const first = await a.resolveWithInfo("robot", "node", { metadata: { a: 1 } });
    const { token } = (await a.registry.entry("robot")) ?? {};
    const again = await a.resolveWithInfo("robot", "node", { metadata: { b: 2 } });
    expect([first.isNew, again]).toEqual([true, { id: first.id, isNew: false }]);
    expect(await a.registry.entry("robot")).toMatchObject({ token, entry: { metadata: { a: 1, b: 2 } } });
    await lab.beat("robot");
  });

  it("by the same instance again starts a heartbeat that was stopped, in time [G4]", async () => {
    const lab = new Lab();
    const a = lab.manager();
    await a.resolve("robot", "node");
    a.lockManager.stopHeartbeat("robot");
    await lab.clock.advance(HOLD_MS - 1);
    await a.resolve("robot", "node");
    await lab.clock.settle();
    const at = lab.clock.wallMs();
    await vi.waitFor(() => expect(Date.parse(lab.lockOf("robot")?.heartbeat_at ?? "")).toBe(at));
    await lab.beat("robot");
    expect(a.registry.claimed("robot")?.held).toBe(true);
  });

  it("several times at once by the same instance is fine, with and without waiting [G2]", async () => {
    const a = new Lab().manager({ lockManager: new LockManager() });
    const asked = [undefined, 60_000, undefined, 60_000].map((retryTimeoutMs) =>
      a.resolveWithInfo("robot", "node", retryTimeoutMs === undefined ? {} : { retryTimeoutMs }),
    );
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect((await a.registry.entry("robot"))?.waiters).toEqual([]);
  });

  it("of a lost name takes it anew", async () => {
    const lab = new Lab();
    const a = lab.manager();
    const id = await a.resolve("robot", "node");
    const lost = a.registry.claimed("robot");
    a.lockManager.stopAllHeartbeats();
    await lab.clock.advance(TTL_MS);
    expect(lost?.held).toBe(false);
    expect(await a.resolve("robot", "node")).toBe(id);
    expect(a.registry.claimed("robot")?.held).toBe(true);
    expect(a.registry.claimed("robot")).not.toBe(lost);
  });

  it("without a lock holds nothing, and does not mind who does", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    const id = await a.resolve("robot", "node", { acquireLock: false });
    expect(lab.lockOf("robot")).toBeNull();
    expect(await b.resolve("robot", "node")).toBe(id);
    expect(await a.resolve("robot", "node", { acquireLock: false, metadata: { a: 1 } })).toBe(id);
    expect(lab.lockOf("robot")?.holder_instance).toBe(b.lockManager.instanceId);
  });

  it("of another type is refused, with and without a lock, unless the mismatch is allowed", async () => {
    const lab = new Lab();
    const a = lab.manager();
    const id = await a.resolve("robot", "node", { acquireLock: false });
    for (const acquireLock of [false, true]) {
      const refused = a.resolve("robot", "manager", { acquireLock });
      await expect(refused).rejects.toMatchObject({ code: "type-mismatch" });
      expect(await a.resolve("robot", "manager", { acquireLock, allowTypeMismatch: true })).toBe(id);
    }
  });

  it("with a retry timeout is woken by the release; in real time, long before the reference's 2 s", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager({ lockManager: new LockManager() }), lab.manager({ lockManager: new LockManager() })];
    const id = await a.resolve("robot", "node");
    const resolving = b.resolve("robot", "node", { retryTimeoutMs: 10_000 });
    await vi.waitFor(async () => expect((await a.registry.entry("robot"))?.waiters).toHaveLength(1));
    const releasedAt = performance.now();
    await a.release("robot");
    expect(await resolving).toBe(id);
    expect(performance.now() - releasedAt).toBeLessThan(1_500);
  });

  it("with a retry timeout that is in vain says so [G12]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    await a.resolve("robot", "node");
    const resolving = b.resolve("robot", "node", { retryTimeoutMs: 3_000 });
    resolving.catch(() => undefined);
    await vi.waitFor(async () => expect((await a.registry.entry("robot"))?.waiters).toHaveLength(1));
    await lab.clock.advance(3_000);
    await expect(resolving).rejects.toMatchObject({ code: "wait-timeout", name: "RegistryLockError" });
  });
});

describe("looking", () => {
  it("answers null for what is not there, and the ID or the entry for what is", async () => {
    const lab = new Lab();
    const a = lab.manager();
    expect([await a.lookup("robot"), await a.getEntry("robot")]).toEqual([null, null]);
    const id = await a.resolve("robot", "node");
    expect(await a.lookup("robot")).toBe(id);
    expect(await a.getEntry("robot")).toMatchObject({ id, lock: { holderInstance: a.lockManager.instanceId } });
  });

  it("in a damaged registry fails, where the reference answers 'none' or exports nothing [G8, G11]", async () => {
    const lab = new Lab();
    writeFileSync(lab.registryPath, "{ torn");
    const a = lab.manager();
    const looks = [
      () => a.lookup("robot"),
      () => a.getEntry("robot"),
      () => a.listEntries(),
      () => a.export(),
      () => a.cleanStale(),
    ];
    for (const look of looks) {
      // It might be a file that is just being written: it is looked at for a while.
      const looked = look();
      await Promise.all([expect(looked).rejects.toMatchObject({ code: "damaged" }), lab.clock.advance(1_000)]);
    }
  });

  it("lists by name and type, and without what is stale unless asked", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    await a.resolve("stale", "node");
    a.lockManager.stopHeartbeat("stale");
    await lab.clock.advance(TTL_MS);
    await b.resolve("held", "node");
    await b.resolve("free", "manager", { acquireLock: false });
    const names = async (options: Parameters<typeof b.listEntries>[0]): Promise<readonly string[]> =>
      (await b.listEntries(options)).map(([name, { id }]) => (id === "" ? "no id" : name));
    expect(await names({})).toEqual(["held", "free"]);
    expect(await names({ includeStale: true })).toEqual(["stale", "held", "free"]);
    expect(await names({ componentType: "node", includeStale: true })).toEqual(["stale", "held"]);
    expect(await names({ componentType: "manager" })).toEqual(["free"]);
  });
});

describe("refreshLock", () => {
  it("refreshes what is held, now", async () => {
    const lab = new Lab();
    const a = lab.manager();
    await a.resolve("robot", "node");
    await lab.clock.advance(4_000);
    await a.refreshLock("robot");
    expect(Date.parse(lab.lockOf("robot")?.heartbeat_at ?? "")).toBe(lab.clock.wallMs());
    expect(a.registry.claimed("robot")?.deadlineInMs).toBe(HOLD_MS);
  });

  it("of what is not ours, or not there, is refused as lost [G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    await b.resolve("robot", "node");
    for (const name of ["robot", "unknown"]) {
      await expect(a.refreshLock(name)).rejects.toMatchObject({ code: "lost", name: "RegistryLockError" });
    }
  });
});

describe("release", () => {
  it("gives the lock up, and may be done twice", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    const id = await a.resolve("robot", "node");
    await a.release("robot");
    await a.release("robot");
    expect(lab.lockOf("robot")).toBeNull();
    expect(await b.resolve("robot", "node")).toBe(id);
  });

  it("leaves another's lock alone, and does not mind an unknown name [G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    await a.resolve("robot", "node");
    const before = readFileSync(lab.registryPath, "utf8");
    await b.release("robot");
    await b.release("unknown");
    expect(readFileSync(lab.registryPath, "utf8")).toBe(before);
  });

  it("of all releases all, in the file, where the reference releases nothing", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    for (const name of ["robot", "arm", "hand"]) await a.resolve(name, "node");
    await b.resolve("other", "node");
    await a.releaseAll();
    expect(["robot", "arm", "hand"].map((name) => lab.lockOf(name))).toEqual([null, null, null]);
    expect(lab.lockOf("other")?.holder_instance).toBe(b.lockManager.instanceId);
    await b.resolve("robot", "node");
    await a.resolve("arm", "node");
  });

  it("by closing or disposing releases all, too", async () => {
    const lab = new Lab();
    {
      await using manager = new LocalRegistryManager({ registryPath: lab.registryPath });
      await manager.resolve("robot", "node");
    }
    expect(lab.lockOf("robot")).toBeNull();
    const a = lab.manager();
    await a.resolve("robot", "node");
    await a.close();
    await a.close();
    expect(lab.lockOf("robot")).toBeNull();
    await expect(a.resolve("robot", "node")).rejects.toMatchObject({ code: "closed" });
  });
});

describe("two managers on one lock manager", () => {
  it("and one file are refused: one instance is one life, and its end would free the other's names [G2]", async () => {
    const lab = new Lab();
    const lockManager = new LockManager({ clock: lab.clock });
    const [a, b] = [lab.manager({ lockManager }), lab.manager({ lockManager })];
    const id = await a.resolve("robot", "node");
    for (const retryTimeoutMs of [0, 60_000]) {
      const refused = b.resolve("arm", "node", { retryTimeoutMs });
      await expect(refused).rejects.toMatchObject({ code: "held" });
      await expect(refused).rejects.toThrow("is a living process already");
    }
    await b.close();
    expect(lab.lockOf("robot")?.holder_instance).toBe(lockManager.instanceId);
    expect(await a.lookup("robot")).toBe(id);
  });
});

describe("two managers on one lock manager, each with a file of its own", () => {
  it("do not end each other's heartbeats by releasing a name or all of them [G4]", async () => {
    const [one, two] = [new Lab(), new Lab()];
    const lockManager = new LockManager({ clock: one.clock });
    const [a, b] = [one.manager({ lockManager }), two.manager({ lockManager })];
    await a.resolve("robot", "node");
    await a.resolve("arm", "node");
    await b.resolve("robot", "node");
    await a.release("robot");
    await a.releaseAll();
    for (let beats = 0; beats < 4; beats++) {
      await one.clock.advance(HEARTBEAT_MS);
      const at = one.clock.wallMs();
      await vi.waitFor(() => expect(Date.parse(two.lockOf("robot")?.heartbeat_at ?? "")).toBe(at));
    }
    expect(b.registry.claimed("robot")?.held).toBe(true);
  });
});

describe("rename, clean, export and import", () => {
  it("rename keeps the ID, needs force for a held name, and tells its holder [G1, G4]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    const id = await a.resolve("robot", "node");
    const claim = a.registry.claimed("robot");
    await expect(b.rename("robot", "arm")).rejects.toMatchObject({ code: "held", name: "RegistryLockError" });
    await expect(b.rename("unknown", "arm")).rejects.toMatchObject({ code: "not-found", name: "RegistryError" });
    expect(await b.rename("robot", "arm", { force: true })).toBe(id);
    await lab.clock.advance(HEARTBEAT_MS);
    await vi.waitFor(() => expect(claim?.loss).toEqual({ reason: "renamed", renamedTo: "arm" }));
    await a.release("robot");
    expect(await b.resolve("arm", "node")).toBe(id);
  });

  it("cleanStale removes what is old and free, or only tells", async () => {
    const lab = new Lab();
    const [a, b] = [lab.manager(), lab.manager()];
    await a.resolve("old", "node", { acquireLock: false });
    await lab.clock.advance(8 * DAY_MS);
    await b.resolve("held", "node");
    expect(await b.cleanStale({ dryRun: true })).toEqual(["old"]);
    expect(await b.lookup("old")).not.toBeNull();
    expect(await b.cleanStale({ olderThanDays: 9 })).toEqual([]);
    expect(await b.cleanStale()).toEqual(["old"]);
    expect((await b.listEntries()).map(([name]) => name)).toEqual(["held"]);
  });

  it("export and importEntries carry entries to another file, without locks, to the letter [G1, G10]", async () => {
    const [one, two] = [new Lab(), new Lab()];
    const [a, b] = [one.manager(), two.manager()];
    const odd =
      '{"id": "01JQ000000000000000000000A", "component_type": "node", "metadata": {"v": 1.0, "n": 12345678901234567890}}';
    expect(await a.importEntries(`{"entries": {"odd": ${odd}}}`)).toMatchObject({ added: ["odd"] });
    const id = await a.resolve("robot", "node");
    const text = await a.export();
    expect(JSON.parse(text).entries.robot.lock).toBeNull();
    expect(text).toContain('"v": 1.0, "n": 12345678901234567890');
    expect(await b.importEntries(text)).toMatchObject({ added: ["odd", "robot"], kept: [] });
    expect(two.lockOf("robot")).toBeNull();
    expect(await b.resolve("robot", "node")).toBe(id);
    expect(readFileSync(two.registryPath, "utf8")).toContain('"v": 1.0, "n": 12345678901234567890');
    await expect(b.importEntries('{"entries": {}}', { merge: false })).rejects.toMatchObject({ code: "held" });
  });
});

describe("where the file is", () => {
  it("is told by registryPath, by MADSCI_REGISTRY_PATH when not given, and made when missing", async () => {
    const path = join(temporaryDirectory(), "deep", "er", "registry.json");
    vi.stubEnv("MADSCI_REGISTRY_PATH", path);
    onTestFinished(() => void vi.unstubAllEnvs());
    await using manager = new LocalRegistryManager();
    expect(manager.registryPath).toBe(path);
    const id = await manager.resolve("robot", "node");
    expect(JSON.parse(readFileSync(path, "utf8")).entries.robot.id).toBe(id);
  });
});
