import { copyFileSync, cpSync, existsSync, readdirSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { itAsRoot } from "../../platform/requirements.js";
import { LabFiles, temporaryDirectory } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

/** Longer than any test: what is free was proved dead, not waited for. */
const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const NODE = { type: "node" } as const;
/** Where real time is the subject. */
const SHORT = { lockTtlMs: 900, heartbeatIntervalMs: 300 };

describe("the death of a holder's process", () => {
  it("frees its names at once [G6]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    const first = await holder.call("claim", "robot");
    const registry = await lab.open(LONG);
    await expect(registry.claim("robot", NODE)).rejects.toMatchObject({ code: "held" });
    await holder.kill();
    const claim = await registry.claim("robot", NODE);
    expect(claim.id).toBe(first.id);
    expect(claim.token).toBeGreaterThan(first.token);
  });

  itAsRoot("is seen from another PID namespace, and so is its life, though both have one pid [G6, G7]", async () => {
    const lab = new LabFiles();
    const inside = ["unshare", "--pid", "--fork", "--kill-child"];
    const holder = await NodeProcess.over(lab.path, { ...LONG, inside });
    const other = await NodeProcess.over(lab.path, { ...LONG, inside });
    expect([await holder.call("pid"), await other.call("pid")]).toEqual([1, 1]);
    await holder.call("claim", "robot");
    expect(await other.failure("claim", "robot")).toMatchObject({ code: "held" });
    await holder.kill();
    await other.call("claim", "robot");
    await expect((await lab.open(LONG)).claim("robot", NODE)).rejects.toMatchObject({ code: "held" });
  });

  itAsRoot.each(["root", "nobody"])(
    "of %s is seen by the other user, and so is its life [G6, G7]",
    async (holderUser) => {
      const lab = new LabFiles(temporaryDirectory(0o777));
      const root = await NodeProcess.start();
      const nobody = await NodeProcess.start();
      await nobody.call("becomeNobody");
      for (const one of [root, nobody]) await one.call("open", lab.path, LONG);
      const [holder, other] = holderUser === "root" ? [root, nobody] : [nobody, root];
      await holder.call("claim", "robot");
      expect(await other.failure("claim", "robot")).toMatchObject({ code: "held" });
      await holder.kill();
      await other.call("claim", "robot");
      expect(lab.entry("robot")?.lock?.holder_pid).toBe(await other.call("pid"));
    },
  );

  it("frees all its names and its places in queues, and leaves nothing behind [G6]", async () => {
    const lab = new LabFiles();
    const doomed = await NodeProcess.over(lab.path, LONG);
    const registry = await lab.open(LONG);
    await registry.claim("mine", NODE);
    await doomed.call("claim", "a");
    await doomed.call("claim", "b");
    await doomed.call("beginWait", "mine", 60_000);
    await doomed.kill();
    for (const name of ["a", "b"]) await registry.claim(name, NODE);
    await registry.claimed("mine")?.release();
    await registry.claim("mine", NODE);
    const another = await lab.open(LONG);
    await another.claim("c", NODE);
    const instances = [registry.lockManager.instanceId, another.lockManager.instanceId];
    expect(
      readdirSync(lab.holders)
        .filter((name) => name.length === 26)
        .sort(),
    ).toEqual(instances.sort());
  });
});

describe("a living holder is never robbed", () => {
  it("because its lock names a pid that lives, or that is the taker's own, or the taker's host [G7]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    const registry = await lab.open(LONG);
    for (const name of ["a", "b"]) await holder.call("claim", name);
    const lock = lab.entry("a")?.lock;
    expect(lock?.holder_host).toBe(hostname());
    // Another process would now have the pid.
    lab.writeLock("a", { ...required(lock), holder_pid: process.pid });
    lab.writeLock("b", { ...required(lock), holder_pid: 1 });
    for (const name of ["a", "b"]) {
      await expect(registry.claim(name, NODE)).rejects.toMatchObject({ code: "held" });
    }
    await holder.kill();
    for (const name of ["a", "b"]) await registry.claim(name, NODE);
  });

  it("because its presence was deleted, file or directory: the written TTL counts, and it makes a new one [G7]", async () => {
    const spoils: readonly ((lab: LabFiles) => void)[] = [
      (lab) => unlinkSync(join(lab.holders, required(presences(lab)[0]))),
      (lab) => rmSync(lab.holders, { recursive: true }),
    ];
    await Promise.all(
      spoils.map(async (spoil) => {
        const lab = new LabFiles();
        const holder = await NodeProcess.over(lab.path, SHORT);
        await holder.call("claim", "robot");
        const before = presences(lab);
        spoil(lab);
        const registry = await lab.open(SHORT);
        await expect(registry.claim("robot", NODE)).rejects.toMatchObject({ code: "held" });
        const waitMs = 2 * SHORT.lockTtlMs;
        await expect(registry.claim("robot", { ...NODE, waitMs })).rejects.toMatchObject({ code: "wait-timeout" });
        expect(await holder.call("state", "robot")).toMatchObject({ held: true });
        expect(presences(lab)).toEqual(expect.arrayContaining([...before]));
      }),
    );
  });

  it("nor loses its names when the directory of presences is deleted under it: its heartbeat makes a new one [G4]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, { lockTtlMs: 1_500, heartbeatIntervalMs: 100 });
    await holder.call("claim", "robot");
    rmSync(lab.holders, { recursive: true });
    await expect.poll(() => existsSync(lab.holders) && presences(lab).length, { timeout: 5_000 }).toBe(1);
    expect(await holder.call("refresh", "robot")).toBeNull();
    expect(await holder.call("state", "robot")).toMatchObject({ held: true });
    await holder.call("claim", "other");
  });

  it("because a presence was copied or restored: nobody locks the copy, which proves nothing [G7]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "robot");
    const copy = new LabFiles();
    cpSync(lab.directory, copy.directory, { recursive: true });
    const overCopy = await copy.open(LONG);
    await expect(overCopy.claim("robot", NODE)).rejects.toMatchObject({ code: "held" });
    const file = join(lab.holders, required(presences(lab)[0]));
    copyFileSync(file, `${file}.restored`);
    renameSync(`${file}.restored`, file);
    const registry = await lab.open(LONG);
    await expect(registry.claim("robot", NODE)).rejects.toMatchObject({ code: "held" });
  });

  it("because it was seen silent just before: a refresh before the takeover's write refuses it [G7]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "robot");
    const { store, lockManager } = await lab.open(LONG);
    const { record } = await store.read("robot");
    const { version, holder: seen } = required(record);
    expect(await holder.call("refresh", "robot")).toBeNull();
    const now = required((await store.read("robot")).record);
    const grant = { kind: "put", name: "robot", write: { lock: { kind: "grant" } } } as const;
    const attempts = [
      { ...grant, expect: version, expectHolder: required(seen).version },
      { ...grant, expect: version },
      { ...grant, expect: now.version, expectHolder: required(seen).version },
    ];
    for (const part of attempts) {
      expect(await store.commit({ holder: lockManager.holder, parts: [part] })).toMatchObject({ kind: "conflict" });
    }
    expect(await holder.call("state", "robot")).toMatchObject({ held: true });
  });
});

describe("a holder that was stopped (SIGSTOP) past its TTL", () => {
  it("is taken over, and finds its claim lost on its first instruction after SIGCONT [G4, G6]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, SHORT);
    const { token } = await holder.call("claim", "robot");
    const watched = holder.call("watchUntilLost", "robot");
    // The stall shall begin in the middle of the watching, with heartbeats behind it.
    await sleep(500);
    await holder.stopOutsideTurns(lab.path);
    const taker = await NodeProcess.over(lab.path, SHORT);
    const taken = await taker.call("claim", "robot", { waitMs: 5_000 });
    holder.signal("SIGCONT");
    const seen = await watched;
    expect(seen).toMatchObject({ held: false, aborted: true, loss: "expired" });
    expect(seen.heldAfter.claim).toBeLessThan(taken.at);
    expect(seen.heldAfter.signal).toBeLessThan(taken.at);
    expect(taken.token).toBeGreaterThan(token);
  });

  it("cannot refresh nor release what another holds now [G5]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, SHORT);
    await holder.call("claim", "robot");
    await holder.stopOutsideTurns(lab.path);
    const taker = await NodeProcess.over(lab.path, LONG);
    await taker.call("claim", "robot", { waitMs: 5_000 });
    const before = lab.entry("robot");
    holder.signal("SIGCONT");
    expect(await holder.call("refresh", "robot")).toBe("taken");
    expect(await holder.call("release", "robot")).toMatchObject({ wasOurs: false });
    expect(lab.entry("robot")).toEqual(before);
    expect(await taker.call("state", "robot")).toMatchObject({ held: true });
  });

  it("is not robbed when it runs on before its TTL is over [G7]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, { lockTtlMs: 2_500, heartbeatIntervalMs: 300 });
    await holder.call("claim", "robot");
    const taker = await NodeProcess.over(lab.path, SHORT);
    await taker.call("beginWait", "robot", 60_000);
    await holder.stopOutsideTurns(lab.path);
    await sleep(1_000);
    holder.signal("SIGCONT");
    await sleep(400);
    expect(await holder.call("state", "robot")).toMatchObject({ held: true });
    await holder.call("release", "robot");
    await taker.call("endWait", "robot");
  });
});

describe("a name whose heartbeat was stopped", () => {
  it("is free one TTL after its last refresh, while the others of its process live on [G6, G7]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, SHORT);
    for (const name of ["stopped", "kept"]) await holder.call("claim", name);
    await holder.call("stopHeartbeat", "stopped");
    const registry = await lab.open(SHORT);
    await expect(registry.claim("stopped", NODE)).rejects.toMatchObject({ code: "held" });
    await registry.claim("stopped", { ...NODE, waitMs: 5_000 });
    expect(await holder.call("state", "stopped")).toMatchObject({ held: false, aborted: true, loss: "expired" });
    await sleep(SHORT.heartbeatIntervalMs);
    expect(await holder.call("state", "kept")).toMatchObject({ held: true });
    await expect(registry.claim("kept", NODE)).rejects.toMatchObject({ code: "held" });
  });
});

function presences(lab: LabFiles): readonly string[] {
  return readdirSync(lab.holders).filter((name) => name.length === 26);
}

function required<T>(value: T | null | undefined): T {
  if (value == null) throw new Error("it is not there");
  return value;
}
