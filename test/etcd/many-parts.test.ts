import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LockManager } from "../../src/registry/lock-manager.js";
import { migrate } from "../../src/registry/migrate.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";

const COUNT = 55;
const STEPS = 5;

describe("what is more than etcd takes in one change", () => {
  let cluster: EtcdCluster;

  beforeAll(async () => {
    cluster = await EtcdCluster.start(1);
  });

  afterAll(() => cluster[Symbol.asyncDispose]());

  function open(beside?: Registry): Registry {
    const prefix = beside === undefined ? `/${randomUUID()}/` : new URL(beside.location).pathname;
    const store = new EtcdStore({ endpoints: cluster.endpoints, prefix });
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
    expect(preview.steps).toBe(STEPS);
    const report = await registry.importEntries(document(ids), { preview });
    expect(report.added).toHaveLength(COUNT);
    expect(report.steps).toBe(STEPS);
    expect((await migrate(registry, target)).moved).toBe(COUNT);
    const cleaned = await target.clean({ olderThanDays: 1 });
    expect(cleaned.removed).toHaveLength(COUNT);
    expect(cleaned.steps).toBe(STEPS);
    const commands = cleaned.backup?.split("\n") ?? [];
    expect(commands).toHaveLength(STEPS);
    for await (const { name } of target.list()) expect.fail(`${name} should be gone`);
    for (const command of commands) {
      await target.importEntries(execFileSync("sh", ["-c", command], { encoding: "utf8" }));
    }
    for (const [i, id] of ids.entries()) expect(await target.lookup(`name ${i}`)).toBe(id);
  });

  it("is removed and replaced although all is held, and as many names as a change may have fit into one [G2]", async () => {
    await using holder = open();
    const names = Array.from({ length: COUNT }, (_, i) => `name ${i}`);
    for (const name of names) await holder.claim(name, { type: "node" });
    await using other = open(holder);
    const kept = names.slice(0, Math.ceil(COUNT / 2));
    const data = document(kept.map(() => ulid()));
    const report = await other.importEntries(data, { merge: false, force: true });
    expect(report.replaced).toHaveLength(kept.length);
    expect(report.removed).toHaveLength(COUNT - kept.length);
    expect((await holder.refreshLocks(names)).size).toBe(COUNT);
  });

  it("is listed, though each name has as much with it as it may [G12]", async () => {
    await using registry = open();
    const metadata = { text: "x".repeat(1_000_000) };
    for (let i = 0; i < 70; i += 1) await registry.resolve(`name ${i}`, { type: "node", metadata });
    let count = 0;
    for await (const _ of registry.list()) count += 1;
    expect(count).toBe(70);
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
