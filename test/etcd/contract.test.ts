import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineStoreContract, type TestApi } from "../../src/testing/store-contract.js";
import { EtcdCluster } from "./etcd-cluster.js";
import { etcdHarness } from "./etcd-harness.js";

const CASE_TIMEOUT_MS = 170_000;

const starting = Promise.withResolvers<EtcdCluster>();
const starts: (() => void)[] = [];

/** Cases wait for leases most of the time: all run at once, and each test looks at what came of its own. */
const api: TestApi = {
  describe,
  it(title, run) {
    const outcome = Promise.withResolvers<void>();
    outcome.promise.catch(() => undefined);
    starts.push(() => void run().then(outcome.resolve, outcome.reject));
    it(title, () => expect(outcome.promise).resolves.toBeUndefined(), CASE_TIMEOUT_MS);
  },
};

beforeAll(async () => {
  starting.resolve(await EtcdCluster.start(1));
  for (const start of starts) start();
});

afterAll(async () => {
  await (await starting.promise)[Symbol.asyncDispose]();
});

defineStoreContract(api, etcdHarness(starting.promise));
