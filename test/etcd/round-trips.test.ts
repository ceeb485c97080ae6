import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";
import { TreacherousProxy } from "./treacherous-proxy.js";

const TYPE = { type: "node" } as const;
const TXN = "/v3/kv/txn";
const GRANT = "/v3/lease/grant";
const REVOKE = "/v3/lease/revoke";
/** Longer than a lease serves for further grants. */
const LEASE_AGED_MS = 700;

it("asks etcd twice for a new name, once for a known one, a release and a heartbeat, beside the lease", async () => {
  await using cluster = await EtcdCluster.start(1);
  await using proxy = await TreacherousProxy.before(cluster.members[0]?.port ?? 0);
  const store = new EtcdStore({ endpoints: [proxy.endpoint] });
  const manager = new LockManager({ lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 });
  await using registry = new Registry(store.location, store, manager);
  const asked = async (act: () => Promise<unknown>): Promise<readonly string[]> => {
    proxy.requests.length = 0;
    await act();
    // What nobody waits for is sent by then, too.
    await sleep(100);
    return [...proxy.requests];
  };
  // A transaction that overtakes the lease that is sent with it is refused and sent again.
  const costs = (requests: readonly string[], txns: number, leases: number): void => {
    const overtakings = leases;
    const found = requests.filter((path) => path === TXN).length;
    expect(found).toBeGreaterThanOrEqual(txns);
    expect(found).toBeLessThanOrEqual(txns + overtakings);
    expect(requests.filter((path) => path === GRANT)).toHaveLength(leases);
    expect(requests.filter((path) => path !== TXN && path !== GRANT && path !== REVOKE)).toEqual([]);
  };
  const first = await registry.claim("first", TYPE);
  await sleep(LEASE_AGED_MS);
  costs(await asked(() => registry.claim("new", TYPE)), 2, 1);
  costs(await asked(() => registry.claim("new too", TYPE)), 2, 0);
  costs(await asked(() => first.release()), 1, 0);
  costs(await asked(() => registry.claim("first", TYPE)), 1, 0);
  await sleep(LEASE_AGED_MS);
  const again = await asked(() => registry.refreshLocks(["first", "new", "new too"]));
  costs(again, 1, 1);
  expect(again.filter((path) => path === REVOKE)).toHaveLength(1);
});
