import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RECOVERY_INSTANCE } from "../../src/core/lock-rules.js";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";

function keyOf(key: string): string {
  return Buffer.from(key).toString("base64");
}

describe("an older snapshot of etcd", () => {
  it("that was restored takes locks away from holders, who are told, and nobody else is granted them before [G2, G4]", async () => {
    await using cluster = await EtcdCluster.start(1);
    const [member] = cluster.members;
    if (member === undefined) throw new Error("no member");
    const store = new EtcdStore({ endpoints: cluster.endpoints, timeoutMs: 3_000 });
    const lockManager = new LockManager({ lockTtlMs: 30_000, heartbeatIntervalMs: 15_000 });
    await using registry = new Registry(store.location, store, lockManager);
    const kept = await registry.claim("kept", { type: "node" });
    await registry.resolve("free", { type: "node" });
    const snapshot = join(cluster.directory, "snapshot.db");
    const environment = { ...process.env, ETCDCTL_API: "3" };
    const etcdctl = (...args: string[]): void => {
      execFileSync("etcdctl", args, { env: environment, stdio: "ignore" });
    };
    etcdctl("--endpoints", `http://127.0.0.1:${member.port}`, "snapshot", "save", snapshot);
    const forgotten = await registry.claim("forgotten", { type: "node" });
    await registry.refresh("forgotten");
    await member.kill();
    const data = join(cluster.directory, "m0");
    await rm(data, { recursive: true });
    etcdctl("snapshot", "restore", snapshot, "--name", "m0", "--data-dir", data, ...member.identity);
    await member.start();
    await cluster.ready();
    const newcomer = new EtcdStore({ endpoints: cluster.endpoints });
    await using others = new Registry(newcomer.location, newcomer, new LockManager());
    expect(await others.lookup("forgotten")).toBeNull();
    // The answers themselves say that the history is another. Who has known the earlier one tells everybody.
    expect(await registry.lookup("forgotten")).toBeNull();
    for (const name of ["free", "forgotten"]) {
      for (const one of [registry, others]) {
        await expect(one.claim(name, { type: "node" })).rejects.toMatchObject({
          code: "held",
          details: { heldBy: { instance: RECOVERY_INSTANCE } },
        });
      }
    }
    const lost = await registry.refreshLocks(["kept", "forgotten"]);
    expect([...lost.keys()]).toEqual(["forgotten"]);
    expect(kept.held).toBe(true);
    const again = await registry.store.read("kept");
    expect(again.record?.token).toBe(kept.token);
    expect(forgotten.token).toBeGreaterThan(kept.token);
    const held = await member.ask<{ kvs: { lease: string }[] }>("/v3/kv/range", {
      key: keyOf("/namehold/v1/recovery"),
    });
    const ID = held.kvs[0]?.lease;
    const { grantedTTL } = await member.ask<{ grantedTTL: string }>("/v3/lease/timetolive", { ID });
    expect(Number(grantedTTL)).toBeGreaterThanOrEqual(30);
    await member.ask("/v3/lease/revoke", { ID });
    for (const name of ["free", "forgotten"]) expect((await others.claim(name, { type: "node" })).held).toBe(true);
  });
});
