import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import type { Store } from "../../src/stores/store.js";
import type { StoreFixture, StoreHarness } from "../../src/testing/store-contract.js";
import type { EtcdCluster } from "./etcd-cluster.js";

const NO_PROOF = "etcd ends a process's life with its lease, and has no proof of death";

/**
 * One etcd, each case under a prefix of its own. Time really passes: leases are whole seconds, and etcd ends one up to a
 * second late, so a tenth of the TTL is more than that.
 */
export function etcdHarness(cluster: Promise<EtcdCluster>): StoreHarness {
  return {
    name: "the etcd store",
    ttlMs: 14_500,
    patienceMs: 20_000,
    tellMs: 500,
    unsupported: {
      "a takeover is refused when the old holder has shown a sign of life since the look [G7]":
        "a lease that has ended is over, and no heartbeat brings a life back",
      "the names of a killed process are free at once, and it waits for none any more [G6]": NO_PROOF,
      "a watch tells of the death of a name's holder [G6]": NO_PROOF,
      "the name of a dead former holder is free at once [G6]": NO_PROOF,
      "releaseNow releases what its holder holds, but for what an operator has revoked":
        "nothing can be sent to etcd and waited for synchronously",
      "releaseNow gives up all locks and places of the holder, and nobody else's [G6]":
        "nothing can be sent to etcd and waited for synchronously",
      "a removal or a rename that rests on a holder's silence is done while it is silent":
        "the end of its lease is news of a holder: who has not seen it looks again",
    },
    open: async () => new EtcdFixture(await cluster),
  };
}

class EtcdFixture implements StoreFixture {
  readonly store: Store;
  readonly #cluster: EtcdCluster;
  readonly #prefix = `/test/${randomUUID()}/`;
  readonly #stores: Store[] = [];

  constructor(cluster: EtcdCluster) {
    this.#cluster = cluster;
    this.store = this.#open();
  }

  async another(): Promise<Store> {
    return this.#open();
  }

  async elapse(ms: number): Promise<void> {
    await sleep(ms);
  }

  async readBackup(backup: string): Promise<string> {
    const key = /(\/test\/.*?)'?$/.exec(backup)?.[1] ?? "";
    const body = { key: Buffer.from(key).toString("base64") };
    const member = this.#cluster.members[0];
    const found = await member?.ask<{ kvs?: { value: string }[] }>("/v3/kv/range", body);
    return Buffer.from(found?.kvs?.[0]?.value ?? "", "base64").toString();
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
  }

  #open(): Store {
    const store = new EtcdStore({ endpoints: this.#cluster.endpoints, prefix: this.#prefix, timeoutMs: 20_000 });
    this.#stores.push(store);
    return store;
  }
}
