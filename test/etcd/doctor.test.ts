import { afterEach, describe, expect, it } from "vitest";
import type { Checkup } from "../../src/core/finding.js";
import { EtcdStore } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";

describe("the doctor of an etcd registry", () => {
  const ends: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  async function examine(store: EtcdStore): Promise<ReadonlyMap<string, Checkup>> {
    const found = new Map<string, Checkup>();
    for await (const checkup of store.diagnose({ fix: false })) found.set(checkup.check, checkup);
    return found;
  }

  function codes(found: ReadonlyMap<string, Checkup>): readonly string[] {
    return [...found.values()].flatMap(({ findings }) => findings.map(({ code }) => code));
  }

  it("tells version and members, changes nothing, and finds nothing wrong with a sound cluster", async () => {
    await using cluster = await EtcdCluster.start(1);
    const store = new EtcdStore({ endpoints: cluster.endpoints });
    ends.push(() => store.close());
    const found = await examine(store);
    expect(codes(found)).toEqual([]);
    expect(found.get("etcd-members")?.looked).toMatch(/^1 of 1 answer, version 3\./);
    expect(found.get("etcd-leases")?.looked).toBe("the shortest lasts 2 s");
    expect(found.get("etcd-access")?.looked).toContain("may read and write /namehold/v1/");
    const [member] = cluster.members;
    expect(
      (await member?.ask<{ count?: string }>("/v3/kv/range", { key: "AA==", range_end: "AA==" }))?.count,
    ).toBeUndefined();
  });

  it("finds members that are down, and says so when no majority is left [G11]", async () => {
    await using cluster = await EtcdCluster.start(3);
    const store = new EtcdStore({ endpoints: cluster.endpoints, timeoutMs: 2_000 });
    ends.push(() => store.close());
    await cluster.members[0]?.kill();
    await cluster.ready();
    expect(codes(await examine(store))).toEqual(["etcd-members.down"]);
    await cluster.members[1]?.kill();
    const found = codes(await examine(store));
    expect(found.filter((code) => code === "etcd-members.down")).toHaveLength(2);
    expect(found).toContain("etcd-access.unreachable");
  });

  it("finds addresses of two clusters, and leases that last long", async () => {
    const slow = ["--election-timeout", "30000", "--heartbeat-interval", "1000"];
    await using one = await EtcdCluster.start(1);
    await using other = await EtcdCluster.start(1, slow);
    const both = new EtcdStore({ endpoints: [...one.endpoints, ...other.endpoints] });
    ends.push(() => both.close());
    expect(codes(await examine(both))).toEqual(["etcd-members.clusters"]);
    const late = new EtcdStore({ endpoints: other.endpoints });
    ends.push(() => late.close());
    const found = await examine(late);
    expect(codes(found)).toEqual(["etcd-leases.long"]);
    expect(found.get("etcd-leases")?.looked).toBe("the shortest lasts 45 s");
  });

  it("finds that its space is used up, and a commit says so [G11]", async () => {
    await using cluster = await EtcdCluster.start(1, ["--quota-backend-bytes", "1000000"]);
    const store = new EtcdStore({ endpoints: cluster.endpoints });
    ends.push(() => store.close());
    const [member] = cluster.members;
    const value = Buffer.alloc(500_000, "x").toString("base64");
    const fill = async (): Promise<void> => {
      for (let i = 0; i < 20; i += 1)
        await member?.ask("/v3/kv/put", { key: Buffer.from(`fill ${i}`).toString("base64"), value });
    };
    await expect(fill()).rejects.toThrow("space exceeded");
    expect(codes(await examine(store))).toContain("etcd-alarms.nospace");
    const holder = { instance: "i", pid: 1, host: "h", ttlMs: 10_000 };
    const write = { id: "01JQ0000000000000000000000", componentType: "node" } as const;
    const commit = store.commit({ holder, parts: [{ kind: "put", name: "a", expect: "absent", write }] });
    await expect(commit).rejects.toMatchObject({ code: "storage-failed" });
  });
});
