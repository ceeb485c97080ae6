import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { isNameholdError } from "../../src/core/errors.js";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import { EtcdStore, type EtcdStoreOptions } from "../../src/stores/etcd/etcd-store.js";
import { EtcdCluster } from "./etcd-cluster.js";
import { TreacherousProxy } from "./treacherous-proxy.js";

const TYPE = { type: "node" } as const;

describe("etcd in trouble", () => {
  const ends: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  async function cluster(size: number): Promise<EtcdCluster> {
    const made = await EtcdCluster.start(size);
    ends.push(() => made[Symbol.asyncDispose]());
    return made;
  }

  async function proxyOf(made: EtcdCluster): Promise<TreacherousProxy> {
    const proxy = await TreacherousProxy.before(made.members[0]?.port ?? 0);
    ends.push(() => proxy[Symbol.asyncDispose]());
    return proxy;
  }

  function open(options: EtcdStoreOptions, lockTtlMs = 6_000): Registry {
    const store = new EtcdStore({ timeoutMs: 3_000, ...options });
    const manager = new LockManager({ lockTtlMs, heartbeatIntervalMs: Math.floor(lockTtlMs / 4) });
    const registry = new Registry(store.location, store, manager);
    ends.push(() => registry.close());
    return registry;
  }

  it("goes on when the leader is killed: holders keep their names, and others get theirs [G4, G7]", async () => {
    const made = await cluster(3);
    const holder = open({ endpoints: made.endpoints });
    const other = open({ endpoints: made.endpoints });
    const claim = await holder.claim("arm", TYPE);
    await (await made.leader()).kill();
    await sleep(8_000);
    expect(claim.held).toBe(true);
    await expect(other.claim("arm", TYPE)).rejects.toMatchObject({ code: "held" });
    expect((await other.claim("leg", TYPE)).held).toBe(true);
    await claim.release();
    const next = await other.claim("arm", TYPE);
    expect(next.token).toBeGreaterThan(claim.token);
  });

  it("is unreachable without a majority, never held, and a holder goes on until its own deadline [G4, G11]", async () => {
    const made = await cluster(3);
    const holder = open({ endpoints: made.endpoints }, 30_000);
    const claim = await holder.claim("arm", TYPE);
    made.members[1]?.pause();
    made.members[2]?.pause();
    const error = await holder.claim("leg", TYPE).catch((reason: unknown) => reason);
    expect(isNameholdError(error, "unreachable", "outcome-unknown")).toBe(true);
    expect(claim.held).toBe(true);
    made.members[1]?.resume();
    made.members[2]?.resume();
    await made.ready();
    await holder.refresh("arm");
    expect((await holder.claim("leg", TYPE)).held).toBe(true);
  });

  it("leaves a member that is cut off from the others for one that is not", async () => {
    const made = await cluster(3);
    const leader = await made.leader();
    leader.pause();
    const stopped = made.endpoints.find(({ port }) => port === leader.port);
    const others = made.endpoints.filter(({ port }) => port !== leader.port);
    const registry = open({ endpoints: [stopped, ...others].filter((one) => one !== undefined), timeoutMs: 6_000 });
    expect((await registry.claim("arm", TYPE)).held).toBe(true);
    leader.resume();
  });

  it("keeps names over a restart of all members, and IDs too [G1, G7]", async () => {
    const made = await cluster(3);
    const holder = open({ endpoints: made.endpoints }, 12_000);
    const claim = await holder.claim("arm", TYPE);
    await Promise.all(made.members.map((member) => member.kill()));
    await Promise.all(made.members.map((member) => member.start()));
    await made.ready();
    await holder.refresh("arm");
    expect(claim.held).toBe(true);
    const other = open({ endpoints: made.endpoints });
    await expect(other.claim("arm", TYPE)).rejects.toMatchObject({ code: "held" });
    expect(await other.lookup("arm")).toBe(claim.id);
  });

  it("tells a holder that it is lost when its lease has ended while it stood still [G4, G5]", async () => {
    const made = await cluster(1);
    const store = new EtcdStore({ endpoints: made.endpoints });
    ends.push(() => store.close());
    const { holder } = new LockManager({ lockTtlMs: 2_000, heartbeatIntervalMs: 500 });
    const write = { id: "01JQ0000000000000000000000", componentType: "node", lock: { kind: "grant" } } as const;
    const result = await store.commit({ holder, parts: [{ kind: "put", name: "arm", expect: "absent", write }] });
    const token = result.kind === "done" ? (result.snapshots.get("arm")?.record?.token ?? 0) : 0;
    await sleep(5_000);
    const lost = await store.heartbeat(holder, new Map([["arm", token]]));
    expect(lost.get("arm")?.reason).toBe("expired");
    const taker = await open({ endpoints: made.endpoints }).claim("arm", TYPE);
    expect(taker.token).toBeGreaterThan(token);
    expect((await store.heartbeat(holder, new Map([["arm", token]]))).get("arm")?.reason).toBe("taken");
    expect(taker.held).toBe(true);
  });

  it("refuses a takeover by who has seen the holder before its last heartbeat [G7]", async () => {
    const made = await cluster(1);
    const registry = open({ endpoints: made.endpoints });
    await registry.claim("arm", TYPE);
    const taker = new EtcdStore({ endpoints: made.endpoints });
    ends.push(() => taker.close());
    const seen = (await taker.read("arm")).record;
    await registry.refresh("arm");
    const { holder } = new LockManager();
    const expectHolder = seen?.holder?.version;
    if (seen === null || expectHolder === undefined) throw new Error("the name should be held");
    const write = { lock: { kind: "grant" } } as const;
    const part = { kind: "put", name: "arm", expect: seen.version, expectHolder, write } as const;
    expect((await taker.commit({ holder, parts: [part] })).kind).toBe("conflict");
  });

  it("finds out by reading back whether a claim came about whose answer was lost [G2]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const registry = open({ endpoints: [proxy.endpoint] });
    await registry.resolve("arm", TYPE);
    proxy.afterCut = "pass";
    proxy.mode = "cut-replies";
    const claim = await registry.claim("arm", TYPE);
    expect(proxy.cuts).toBe(1);
    expect(claim.held).toBe(true);
    await registry.refresh("arm");
    const other = open({ endpoints: made.endpoints });
    await expect(other.claim("arm", TYPE)).rejects.toMatchObject({ code: "held" });
    await claim.release();
    expect((await other.claim("arm", TYPE)).held).toBe(true);
  });

  it("is not kept from a name by its own claim, of which it never heard whether it came about [G2, G6]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const registry = open({ endpoints: [proxy.endpoint], timeoutMs: 1_000 }, 20_000);
    await registry.claim("leg", TYPE);
    proxy.afterCut = "swallow";
    proxy.mode = "cut-replies";
    await expect(registry.claim("arm", TYPE)).rejects.toMatchObject({ code: "unreachable" });
    proxy.mode = "pass";
    const claim = await registry.claim("arm", TYPE);
    expect(claim.held).toBe(true);
    await registry.refresh("arm");
    const other = open({ endpoints: made.endpoints });
    await expect(other.claim("arm", TYPE)).rejects.toMatchObject({ code: "held" });
  });

  it("claims further names at once when the answer to its first claim was lost [G12]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const store = new EtcdStore({ endpoints: [proxy.endpoint], timeoutMs: 3_000 });
    ends.push(() => store.close());
    const { holder } = new LockManager({ lockTtlMs: 20_000 });
    const grant = (name: string, id: string) => {
      const write = { id, componentType: "node", lock: { kind: "grant" } } as const;
      return store.commit({ holder, parts: [{ kind: "put", name, expect: "absent", write }] });
    };
    // So that the change is the first that is answered with success.
    for (const name of ["arm", "leg"]) await store.read(name);
    proxy.afterCut = "pass";
    proxy.mode = "cut-replies";
    expect((await grant("arm", "01JQ0000000000000000000000")).kind).toBe("unknown");
    const leg = await grant("leg", "01JQ0000000000000000000001");
    if (leg.kind !== "done") throw new Error("it was not granted");
    const tokens = ["arm", "leg"].map(async (name) => [name, (await store.read(name)).record?.token ?? 0] as const);
    expect((await store.heartbeat(holder, new Map(await Promise.all(tokens)))).size).toBe(0);
  });

  it("does not take a beat whose answer was lost for the end of a life [G4]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const registry = open({ endpoints: [proxy.endpoint] });
    const claim = await registry.claim("arm", TYPE);
    proxy.afterCut = "pass";
    proxy.mode = "cut-replies";
    await expect(registry.refresh("arm")).rejects.toMatchObject({ code: "unreachable" });
    await registry.refresh("arm");
    expect(claim.held).toBe(true);
  });

  it("gives up in time on connections that lead nowhere, and recovers when they do again [G11, G12]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const registry = open({ endpoints: [proxy.endpoint], timeoutMs: 1_000 }, 30_000);
    const claim = await registry.claim("arm", TYPE);
    proxy.mode = "swallow";
    const start = performance.now();
    await expect(registry.lookup("arm")).rejects.toMatchObject({ code: "unreachable" });
    expect(performance.now() - start).toBeLessThan(4_000);
    const both = open({ endpoints: [proxy.endpoint, ...made.endpoints], timeoutMs: 4_000 });
    expect((await both.claim("leg", TYPE)).held).toBe(true);
    proxy.mode = "pass";
    await registry.refresh("arm");
    expect(claim.held).toBe(true);
  });

  it("tells watchers that anything may have changed when etcd has forgotten what they missed [G12]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const prefix = `/${randomUUID()}/`;
    const store = new EtcdStore({ endpoints: [proxy.endpoint], prefix });
    ends.push(() => store.close());
    const writer = open({ endpoints: made.endpoints, prefix });
    const controller = new AbortController();
    const told = store.watch({ signal: controller.signal })[Symbol.asyncIterator]();
    expect((await told.next()).value).toBeNull();
    await writer.resolve("first", TYPE);
    expect((await told.next()).value).toEqual(["first"]);
    proxy.mode = "swallow";
    proxy.cutAll();
    await writer.resolve("second", TYPE);
    await writer.resolve("third", TYPE);
    const { header } = await (made.members[0] as NonNullable<(typeof made.members)[0]>).ask<{
      header: { revision: string };
    }>("/v3/kv/range", { key: "YQ==" });
    await made.members[0]?.ask("/v3/kv/compaction", { revision: header.revision, physical: true });
    proxy.cutAll();
    proxy.mode = "pass";
    expect((await told.next()).value).toBeNull();
    await writer.resolve("fourth", TYPE);
    expect((await told.next()).value).toEqual(["fourth"]);
    controller.abort();
  });

  it("frees the names of a handle that is closed at once", async () => {
    const made = await cluster(1);
    const store = new EtcdStore({ endpoints: made.endpoints });
    const holder = { instance: "one", pid: 1, host: "h", ttlMs: 20_000 };
    const write = { id: "01JQ0000000000000000000000", componentType: "node", lock: { kind: "grant" } } as const;
    await store.commit({ holder, parts: [{ kind: "put", name: "arm", expect: "absent", write }] });
    await store.close();
    expect((await open({ endpoints: made.endpoints }).claim("arm", TYPE)).held).toBe(true);
  });

  it("closes in time when etcd is gone [G12]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const store = new EtcdStore({ endpoints: [proxy.endpoint] });
    const holder = { instance: "one", pid: 1, host: "h", ttlMs: 20_000 };
    const write = { id: "01JQ0000000000000000000000", componentType: "node", lock: { kind: "grant" } } as const;
    await store.commit({ holder, parts: [{ kind: "put", name: "arm", expect: "absent", write }] });
    proxy.mode = "swallow";
    const start = performance.now();
    await store.close();
    await store.close();
    expect(performance.now() - start).toBeLessThan(4_000);
  });

  it("resumes a watch that was cut without missing a change [G12]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const prefix = `/${randomUUID()}/`;
    const store = new EtcdStore({ endpoints: [proxy.endpoint], prefix });
    ends.push(() => store.close());
    const writer = open({ endpoints: made.endpoints, prefix });
    const controller = new AbortController();
    const told = store.watch({ signal: controller.signal })[Symbol.asyncIterator]();
    await told.next();
    proxy.mode = "swallow";
    await writer.resolve("missed", TYPE);
    proxy.cutAll();
    proxy.mode = "pass";
    expect((await told.next()).value).toEqual(["missed"]);
    controller.abort();
  });

  it("finds a watch that leads nowhere, and misses nothing of what was swallowed [G12]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const prefix = `/${randomUUID()}/`;
    const store = new EtcdStore({ endpoints: [proxy.endpoint], prefix });
    ends.push(() => store.close());
    const writer = open({ endpoints: made.endpoints, prefix });
    const controller = new AbortController();
    const told = store.watch({ signal: controller.signal })[Symbol.asyncIterator]();
    await told.next();
    proxy.mode = "swallow";
    await writer.resolve("missed", TYPE);
    await sleep(500);
    proxy.mode = "pass";
    expect((await told.next()).value).toEqual(["missed"]);
    controller.abort();
  });

  it("gives a lock its full TTL, however old the last heartbeat of its holder is [G4, G7]", async () => {
    const made = await cluster(1);
    const store = new EtcdStore({ endpoints: made.endpoints });
    ends.push(() => store.close());
    const holder = { instance: "one", pid: 1, host: "h", ttlMs: 4_000 };
    const grant = (name: string, id: string) => {
      const write = { id, componentType: "node", lock: { kind: "grant" } } as const;
      return store.commit({ holder, parts: [{ kind: "put", name, expect: "absent", write }] });
    };
    await grant("first", "01JQ0000000000000000000000");
    await sleep(3_300);
    await grant("second", "01JQ0000000000000000000001");
    await sleep(3_300);
    const evidence = (await store.read("second")).record?.holder?.evidence;
    expect(evidence).toEqual({ kind: "beat", ageMs: 0, ttlMs: 4_000 });
  });

  it("tells of a revocation that came while the answer of a beat was lost [G4]", async () => {
    const made = await cluster(1);
    const proxy = await proxyOf(made);
    const registry = open({ endpoints: [proxy.endpoint] }, 30_000);
    const claim = await registry.claim("arm", TYPE);
    await open({ endpoints: made.endpoints }).revoke("arm", { reason: "maintenance" });
    proxy.afterCut = "pass";
    proxy.mode = "cut-replies";
    await expect(registry.refresh("arm")).rejects.toMatchObject({ code: "unreachable" });
    await expect(registry.refresh("arm")).rejects.toMatchObject({ code: "lost" });
    expect(claim.loss).toMatchObject({ reason: "revoked", detail: "maintenance" });
  });

  it("asks for user and password, gets another token when its own is not valid any more, and shows neither [G11]", async () => {
    const made = await cluster(1);
    const [member] = made.members;
    if (member === undefined) throw new Error("no member");
    for (const [user, password] of [
      ["root", "r00t"],
      ["lab", "s3cret"],
      ["guest", "s3cret"],
    ]) {
      await member.ask("/v3/auth/user/add", { name: user, password });
    }
    await member.ask("/v3/auth/role/add", { name: "root" });
    await member.ask("/v3/auth/user/grant", { user: "root", role: "root" });
    await member.ask("/v3/auth/role/add", { name: "lab" });
    const key = Buffer.from("/lab/").toString("base64");
    const range_end = Buffer.from("/lab0").toString("base64");
    await member.ask("/v3/auth/role/grant", { name: "lab", perm: { permType: "READWRITE", key, range_end } });
    await member.ask("/v3/auth/user/grant", { user: "lab", role: "lab" });
    await member.ask("/v3/auth/enable", {});
    const options = { endpoints: made.endpoints, prefix: "/lab/" };
    const refusals: [EtcdStoreOptions, string][] = [
      [options, "invalid-input"],
      [{ ...options, user: "lab", password: "wr0ng" }, "invalid-input"],
      [{ ...options, user: "guest", password: "s3cret" }, "read-only"],
    ];
    for (const [given, code] of refusals) {
      const error = await open(given)
        .claim("arm", TYPE)
        .catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code });
      expect(JSON.stringify([String(error), (error as Error).stack, String((error as Error).cause)])).not.toMatch(
        /s3cret|wr0ng/,
      );
    }
    const registry = open({ ...options, user: "lab", password: "s3cret" }, 20_000);
    const claim = await registry.claim("arm", TYPE);
    await member.kill();
    await member.start();
    await sleep(2_000);
    await registry.refresh("arm");
    expect(claim.held).toBe(true);
    expect(registry.location).not.toContain("s3cret");
  });
});
