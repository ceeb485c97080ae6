import { randomUUID } from "node:crypto";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LockManager } from "../../src/registry/lock-manager.js";
import { migrate } from "../../src/registry/migrate.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";

const COUNT = 55;

describe("what is more than etcd takes in one change", () => {
  let cluster: EtcdCluster;

  beforeAll(async () => {
    cluster = await EtcdCluster.start(1);
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  function open(): Registry {
    const store = new EtcdStore({ endpoints: cluster.endpoints, prefix: `/${randomUUID()}/` });
    return new Registry(store.location, store, new LockManager());
  }

  function document(ids: readonly string[]): string {
    const entry = (id: string): object => ({
      id,
      component_type: "node",
      created_at: "2020-01-02T03:04:05.000000Z",
      last_seen: "2020-01-02T03:04:05.000000Z",
      metadata: {},
      lock: null,
      workcell_id: null,
    });
    return JSON.stringify({ version: 1, entries: Object.fromEntries(ids.map((id, i) => [`name ${i}`, entry(id)])) });
  }

  it("is imported, cleaned and migrated in several, and each report says so", async () => {
    await using registry = open();
    await using target = open();
    const ids = Array.from({ length: COUNT }, () => ulid());
    const preview = await registry.importEntries(document(ids), { dryRun: true });
    expect(preview.steps).toBe(3);
    const report = await registry.importEntries(document(ids), { preview });
    expect(report.added).toHaveLength(COUNT);
    expect(report.steps).toBe(3);
    expect((await migrate(registry, target)).moved).toBe(COUNT);
    const cleaned = await target.clean({ olderThanDays: 1 });
    expect(cleaned.removed).toHaveLength(COUNT);
    expect(cleaned.steps).toBe(3);
    expect(cleaned.backup?.split("\n")).toHaveLength(3);
    for await (const { name } of target.list()) expect.fail(`${name} should be gone`);
  });

  it("does not let IDs pass between names half way: they pass in one change, or the import is refused [G2]", async () => {
    await using registry = open();
    const ids = Array.from({ length: COUNT }, () => ulid());
    await registry.importEntries(document(ids));
    const swapped = ids.with(0, ids[COUNT - 1] ?? "").with(COUNT - 1, ids[0] ?? "");
    await registry.importEntries(document(swapped), { merge: false });
    expect(await registry.lookup("name 0")).toBe(ids[COUNT - 1]);
    const turned = [...ids.slice(1), ids[0] ?? ""];
    await expect(registry.importEntries(document(turned), { merge: false })).rejects.toMatchObject({
      code: "invalid-input",
    });
    expect(await registry.lookup("name 0")).toBe(ids[COUNT - 1]);
  });
});
