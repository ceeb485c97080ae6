import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";

describe("an older snapshot of etcd", () => {
  it("that was restored takes locks away from holders, who are told at their next heartbeat [G4]", async () => {
    await using cluster = await EtcdCluster.start(1);
    const [member] = cluster.members;
    if (member === undefined) throw new Error("no member");
    const store = new EtcdStore({ endpoints: cluster.endpoints, timeoutMs: 3_000 });
    const lockManager = new LockManager({ lockTtlMs: 30_000, heartbeatIntervalMs: 15_000 });
    await using registry = new Registry(store.location, store, lockManager);
    const kept = await registry.claim("kept", { type: "node" });
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
    // The answers themselves say that the history is another.
    expect(await registry.lookup("forgotten")).toBeNull();
    const lost = await registry.refreshLocks(["kept", "forgotten"]);
    expect([...lost.keys()]).toEqual(["forgotten"]);
    expect(kept.held).toBe(true);
    const again = await registry.store.read("kept");
    expect(again.record?.token).toBe(kept.token);
    expect(forgotten.token).toBeGreaterThan(kept.token);
  });
});
