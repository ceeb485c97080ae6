import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore, type EtcdStoreOptions } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";
import { TreacherousProxy } from "./treacherous-proxy.js";

const TYPE = { type: "node" } as const;

describe("a claim that arrives at etcd after its asker has given up", () => {
  let cluster: EtcdCluster;
  const ends: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    cluster = await EtcdCluster.start(1);
  });

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  function open(options: Partial<EtcdStoreOptions>): Registry {
    const store = new EtcdStore({ endpoints: cluster.endpoints, timeoutMs: 1_000, ...options });
    const registry = new Registry(
      store.location,
      store,
      new LockManager({ lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 }),
    );
    ends.push(() => registry.close());
    return registry;
  }

  /** A holder of one name, that has asked for `arm` in vain; and whom it is in the way of. */
  async function prepare(): Promise<{ proxy: TreacherousProxy; registry: Registry; other: Registry }> {
    const proxy = await TreacherousProxy.before(cluster.members[0]?.port ?? 0);
    ends.push(() => proxy[Symbol.asyncDispose]());
    const prefix = `/${randomUUID()}/`;
    const registry = open({ endpoints: [proxy.endpoint], prefix });
    await registry.claim("leg", TYPE);
    proxy.delayWrites = true;
    const claim = registry.claim("arm", TYPE);
    claim.catch(() => undefined);
    await proxy.hasDelayed();
    proxy.mode = "swallow";
    await expect(claim).rejects.toMatchObject({ code: "unreachable" });
    proxy.mode = "pass";
    proxy.delayWrites = false;
    return { proxy, registry, other: open({ prefix, timeoutMs: 5_000 }) };
  }

  it("is given up with the next heartbeat, though its process lives on [G6]", async () => {
    const { proxy, registry, other } = await prepare();
    proxy.letGo();
    await expect.poll(async () => (await other.store.read("arm")).record?.holder?.evidence).toMatchObject({ ageMs: 0 });
    await registry.refresh("leg");
    expect((await other.claim("arm", { ...TYPE, waitMs: 10_000 })).held).toBe(true);
  });

  it("is refused after the next heartbeat, and nothing is asked about it any more [G2]", async () => {
    const { proxy, registry, other } = await prepare();
    await registry.refresh("leg");
    await sleep(300);
    proxy.letGo();
    await sleep(300);
    expect((await other.store.read("arm")).record).toBeNull();
    proxy.requests.length = 0;
    await registry.refresh("leg");
    await sleep(300);
    expect(proxy.requests.filter((path) => path.startsWith("/v3/kv/"))).toHaveLength(1);
  });
});
