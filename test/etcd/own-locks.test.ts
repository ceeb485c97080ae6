import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ulid } from "ulid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Holder } from "../../src/core/entry.js";
import type { EntryRecord } from "../../src/core/record.js";
import { wallMs } from "../../src/core/timing.js";
import { systemClock } from "../../src/platform/clock.js";
import { EtcdStore, type EtcdStoreOptions } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";
import { TreacherousProxy } from "./treacherous-proxy.js";

describe("the locks of one holder in etcd", () => {
  let cluster: EtcdCluster;
  const stores: EtcdStore[] = [];

  beforeAll(async () => {
    cluster = await EtcdCluster.start(1);
  });

  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await cluster[Symbol.asyncDispose]();
  });

  function open(prefix: string, options: Partial<EtcdStoreOptions> = {}): EtcdStore {
    const store = new EtcdStore({ endpoints: cluster.endpoints, prefix, ...options });
    stores.push(store);
    return store;
  }

  function holderOf(ttlMs: number): Holder {
    return { instance: ulid(), pid: 1, host: "h", ttlMs };
  }

  async function grant(store: EtcdStore, holder: Holder, name: string): Promise<number> {
    const write = { id: ulid(), componentType: "node", lock: { kind: "grant" } } as const;
    const result = await store.commit({ holder, parts: [{ kind: "put", name, expect: "absent", write }] });
    if (result.kind !== "done") throw new Error(`${name} was not granted`);
    return result.snapshots.get(name)?.record?.token ?? 0;
  }

  async function revoke(store: EtcdStore, name: string): Promise<void> {
    const { record } = await store.read(name);
    if (record === null) throw new Error(`there is no ${name}`);
    const write = { lock: { kind: "revoke", reason: "maintenance" } } as const;
    const holder = holderOf(10_000);
    const result = await store.commit({ holder, parts: [{ kind: "put", name, expect: record.version, write }] });
    expect(result.kind).toBe("done");
  }

  it("one that is refreshed alone has its full TTL, however old the last heartbeat of all is [G2, G4]", async () => {
    const prefix = `/${randomUUID()}/`;
    const store = open(prefix);
    const holder = holderOf(6_000);
    const tokens = new Map<string, number>();
    for (const name of ["a", "b", "c", "d"]) tokens.set(name, await grant(store, holder, name));
    await store.heartbeat(holder, tokens);
    await sleep(2_500);
    await store.heartbeat(holder, new Map([["a", tokens.get("a") ?? 0]]));
    await sleep(5_300);
    const other = open(prefix);
    const ages = await Promise.all(["a", "b"].map(async (name) => (await other.read(name)).record?.holder?.evidence));
    expect(ages).toEqual([
      { kind: "beat", ageMs: 0, ttlMs: 6_000 },
      { kind: "beat", ageMs: 6_000, ttlMs: 6_000 },
    ]);
  });

  it("goes on as long as some of many are refreshed, and the others lapse [G6, G7]", async () => {
    const prefix = `/${randomUUID()}/`;
    const store = open(prefix);
    const holder = holderOf(3_000);
    const tokens = new Map<string, number>();
    for (const name of ["a", "b", "c", "d", "e"]) tokens.set(name, await grant(store, holder, name));
    const one = new Map([["a", tokens.get("a") ?? 0]]);
    for (let i = 0; i < 8; i += 1) {
      await sleep(1_000);
      expect((await store.heartbeat(holder, one)).size).toBe(0);
    }
    const other = open(prefix);
    const ages = await Promise.all(["a", "e"].map(async (name) => (await other.read(name)).record?.holder?.evidence));
    expect(ages).toEqual([
      { kind: "beat", ageMs: 0, ttlMs: 3_000 },
      { kind: "beat", ageMs: 3_000, ttlMs: 3_000 },
    ]);
  });

  it("that have lapsed may be removed by who has looked since, and by nobody who has not [G6, G7]", async () => {
    const prefix = `/${randomUUID()}/`;
    const store = open(prefix);
    const holder = holderOf(2_000);
    await grant(store, holder, "a");
    const other = open(prefix);
    const remove = async (seen: EntryRecord | null): Promise<string> => {
      if (seen?.holder == null) throw new Error("there should be a lock");
      const part = { kind: "remove", name: "a", expect: seen.version, expectHolder: seen.holder.version } as const;
      return (await other.commit({ holder: holderOf(2_000), parts: [part] })).kind;
    };
    const early = (await other.read("a")).record;
    await expect
      .poll(async () => (await other.read("a")).record?.holder?.evidence, { timeout: 10_000 })
      .toMatchObject({
        ageMs: 2_000,
      });
    expect(await remove(early)).toBe("conflict");
    expect(await remove((await other.read("a")).record)).toBe("done");
  });

  it("are free at once when its handle is closed, those that were refreshed alone too [G6]", async () => {
    const prefix = `/${randomUUID()}/`;
    const store = open(prefix);
    const holder = holderOf(20_000);
    const tokens = new Map<string, number>();
    for (const name of ["a", "b", "c"]) tokens.set(name, await grant(store, holder, name));
    await store.heartbeat(holder, new Map([["a", tokens.get("a") ?? 0]]));
    await revoke(open(prefix), "b");
    await store.close();
    const other = open(prefix);
    for (const name of tokens.keys()) {
      expect((await other.read(name)).record?.holder?.evidence).toMatchObject({ ageMs: 20_000 });
    }
  });

  it("that were granted in the same millisecond have tokens of their own, and each revocation is told [G4]", async () => {
    const prefix = `/${randomUUID()}/`;
    const store = open(prefix, { clock: { ...systemClock, wallMs: () => wallMs(1_800_000_000_000) } });
    const holder = holderOf(20_000);
    const names = ["a", "b", "c"];
    const granted = await Promise.all(names.map((name) => grant(store, holder, name)));
    expect(new Set(granted).size).toBe(3);
    const other = open(prefix);
    for (const name of names) await revoke(other, name);
    const lost = await store.heartbeat(holder, new Map(names.map((name, i) => [name, granted[i] ?? 0])));
    expect([...lost.keys()].toSorted()).toEqual(names);
  });

  it("are not given up for a look that was made before the first of them was written [G4]", async () => {
    const prefix = `/${randomUUID()}/`;
    const proxy = await TreacherousProxy.before(cluster.members[0]?.port ?? 0);
    try {
      const store = open(prefix, { endpoints: [proxy.endpoint] });
      const holder = holderOf(20_000);
      await open(prefix).commit({
        holder: holderOf(10_000),
        parts: [{ kind: "put", name: "other", expect: "absent", write: { id: ulid(), componentType: "node" } }],
      });
      const { record } = await store.read("other");
      await store.read("arm");
      proxy.delayWrites = true;
      const granting = grant(store, holder, "arm");
      await proxy.hasDelayed();
      // It was touched by somebody else meanwhile: this is refused, and looks again.
      const touch = {
        kind: "put",
        name: "other",
        expect: record?.version ?? "absent",
        write: { touch: true },
      } as const;
      await open(prefix).commit({ holder: holderOf(10_000), parts: [touch] });
      proxy.delayWrites = false;
      await store.commit({ holder, parts: [touch] });
      proxy.letGo();
      const token = await granting;
      expect((await store.heartbeat(holder, new Map([["arm", token]]))).size).toBe(0);
    } finally {
      await proxy[Symbol.asyncDispose]();
    }
  });
});
