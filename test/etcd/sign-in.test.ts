import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";

describe("a user's token in etcd", () => {
  it("that has expired is replaced, for heartbeats and for watches [G4, G12]", async () => {
    await using cluster = await EtcdCluster.start(1, ["--auth-token-ttl", "1"]);
    const [member] = cluster.members;
    if (member === undefined) throw new Error("no member");
    await member.ask("/v3/auth/user/add", { name: "root", password: "r00t" });
    await member.ask("/v3/auth/role/add", { name: "root" });
    await member.ask("/v3/auth/user/grant", { user: "root", role: "root" });
    await member.ask("/v3/auth/enable", {});
    const store = new EtcdStore({ endpoints: cluster.endpoints, user: "root", password: "r00t" });
    const manager = new LockManager({ lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 });
    await using registry = new Registry(store.location, store, manager);
    const claim = await registry.claim("arm", { type: "node" });
    // No request prolongs it meanwhile.
    await sleep(4_000);
    const told = store.watch({ signal: AbortSignal.timeout(15_000) })[Symbol.asyncIterator]();
    expect(await told.next()).toEqual({ done: false, value: null });
    await sleep(4_000);
    await registry.refresh("arm");
    expect(claim.held).toBe(true);
  });
});
