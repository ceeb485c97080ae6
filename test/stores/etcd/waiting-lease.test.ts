import { expect, it } from "vitest";
import type { EtcdClient } from "../../../src/stores/etcd/etcd-client.js";
import { WaitingLease } from "../../../src/stores/etcd/waiting-lease.js";
import { ManualClock } from "../../../src/testing/manual-clock.js";

it("a lease is told to nobody before it is granted, however many ask for it at once [G2]", async () => {
  const granting = Promise.withResolvers<void>();
  let asked = 0;
  const grantLease = (): Promise<void> => {
    asked += 1;
    return granting.promise;
  };
  const lease = new WaitingLease({ grantLease } as unknown as EtcdClient, new ManualClock());
  const told: string[] = [];
  const asking = [1, 2, 3].map(async () => told.push(await lease.id(30_000)));
  await new Promise(setImmediate);
  expect(told).toEqual([]);
  granting.resolve();
  await Promise.all(asking);
  expect(new Set(told).size).toBe(1);
  expect(asked).toBe(1);
});
