import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Registry } from "../../src/registry/registry.js";
import type { PostgresSettings } from "../../src/stores/postgres/settings.js";
import { FaultyNetwork } from "./faulty-network.js";
import { type LabOptions, openLab, SHORT } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: ["fsync=off"] });
});

afterAll(() => server[Symbol.asyncDispose]());

/** Two processes of one lab, closed at the end of the test. */
class Pair implements AsyncDisposable {
  readonly settings: PostgresSettings;
  readonly a: Registry;
  readonly b: Registry;

  constructor(options: LabOptions = {}, through: Partial<PostgresSettings> = {}) {
    this.settings = settingsOf(server, newSchema());
    this.a = openLab({ ...this.settings, ...through }, options);
    this.b = openLab(this.settings, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([this.a.close(), this.b.close()]);
  }
}

describe("a server that is restarted", () => {
  it("at once and without a checkpoint has every lock that it has granted, and its holder goes on [G2, G7]", async () => {
    await using lab = new Pair();
    const claim = await lab.a.claim("arm", { type: "node" });
    await server.stop("immediate");
    await expect(lab.b.claim("arm", { type: "node" })).rejects.toMatchObject({ code: "unreachable" });
    expect(claim.held).toBe(true);
    await server.begin();
    await lab.a.refresh("arm");
    expect(claim.held).toBe(true);
    await expect(lab.b.claim("arm", { type: "node" })).rejects.toMatchObject({ code: "held" });
    expect(await claim.release()).toBe(true);
    const next = await lab.b.claim("arm", { type: "node" });
    expect(next.token).toBeGreaterThan(claim.token);
  });

  it("tells those who wait of the outage, or gives them the name after it [G11, G12]", async () => {
    await using lab = new Pair();
    const claim = await lab.a.claim("arm", { type: "node" });
    const waiting = lab.b.claim("arm", { type: "node", waitMs: 30_000 });
    const outcome = waiting.then(
      () => "given",
      (error: { readonly code: string }) => error.code,
    );
    await sleep(500);
    await server.stop("immediate");
    await server.begin();
    await claim.release();
    expect(await outcome).toMatch(/^(given|unreachable)$/);
    // Its place in the queue, which could not be given back, is passed over.
    if ((await outcome) !== "given")
      expect((await lab.b.claim("arm", { type: "node", waitMs: 10_000 })).held).toBe(true);
  });

  it("which is down is unreachable within the deadline, and the holder learns in time that it has lost [G4, G11]", async () => {
    await using lab = new Pair({ ...SHORT, timeoutMs: 500 });
    const claim = await lab.a.claim("arm", { type: "node" });
    const jeopardy: unknown[] = [];
    claim.on("jeopardy", (event) => jeopardy.push(event));
    await server.stop("immediate");
    const start = performance.now();
    await expect(lab.b.lookup("arm")).rejects.toMatchObject({ code: "unreachable" });
    expect(performance.now() - start).toBeLessThan(2_000);
    await sleep(SHORT.lockTtlMs);
    expect(claim.held).toBe(false);
    expect(claim.loss?.reason).toBe("expired");
    expect(jeopardy.length).toBeGreaterThan(0);
    await server.begin();
    const next = await lab.b.claim("arm", { type: "node", waitMs: 10_000 });
    expect(next.held).toBe(true);
  });
});

describe("a server process that is ended", () => {
  it("takes no lock and no call with it [G7]", async () => {
    await using lab = new Pair();
    const claim = await lab.a.claim("arm", { type: "node" });
    for (let round = 0; round < 5; round += 1) {
      await server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'namehold'");
      // The next call may still be sent on a connection that has just ended.
      await lab.a.refresh("arm").catch((error: unknown) => expect(error).toMatchObject({ code: "unreachable" }));
      await lab.a.refresh("arm");
    }
    expect(claim.held).toBe(true);
  });

  it("does not stop a waiter's listening for long [G12]", async () => {
    await using lab = new Pair();
    const claim = await lab.a.claim("arm", { type: "node" });
    const waiting = lab.b.claim("arm", { type: "node", waitMs: 20_000 });
    await sleep(500);
    await server.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'namehold' AND query LIKE 'LISTEN%'",
    );
    await sleep(700);
    const start = performance.now();
    await claim.release();
    expect((await waiting).held).toBe(true);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe("a network", () => {
  it("that swallows packets is found out by the deadline, and forgotten when it is over [G4, G12]", async () => {
    await using proxy = await FaultyNetwork.start(server.port);
    const through = { hosts: [{ host: "127.0.0.1", port: proxy.port }] };
    await using lab = new Pair({ lockTtlMs: 3_000, heartbeatIntervalMs: 500, timeoutMs: 1_000 }, through);
    const claim = await lab.a.claim("arm", { type: "node" });
    proxy.mode = "swallow";
    const start = performance.now();
    await expect(lab.a.lookup("arm")).rejects.toMatchObject({ code: "unreachable" });
    expect(performance.now() - start).toBeLessThan(2_500);
    proxy.mode = "pass";
    await lab.a.refresh("arm");
    expect(claim.held).toBe(true);
    await sleep(3_500);
    expect(claim.held).toBe(true);
  });

  it("that loses the answer to a claim leaves it given or not given, and blocks nobody [G2, G5]", async () => {
    await using proxy = await FaultyNetwork.start(server.port);
    const through = { hosts: [{ host: "127.0.0.1", port: proxy.port }] };
    await using lab = new Pair({ timeoutMs: 1_000 }, through);
    await lab.a.resolve("arm", { type: "node" });
    const { store, lockManager } = lab.a;
    const { record } = await store.read("arm");
    proxy.mode = "cut answers";
    const part = {
      kind: "put",
      name: "arm",
      expect: record?.version ?? "absent",
      write: { lock: { kind: "grant" } },
    } as const;
    expect((await store.commit({ holder: lockManager.holder, parts: [part] })).kind).toBe("unknown");
    proxy.mode = "pass";
    const after = await store.read("arm");
    const token = after.record?.token ?? 0;
    // It was done: the server had it, only its answer was cut off.
    expect(token).toBeGreaterThan(0);
    await expect(lab.b.claim("arm", { type: "node" })).rejects.toMatchObject({ code: "held" });
    expect(await store.heartbeat(lockManager.holder, new Map([["arm", token]]))).toEqual(new Map());
  });

  it("that loses the answer to a claim, which is then given up, leaves no lock behind [G6]", async () => {
    await using proxy = await FaultyNetwork.start(server.port);
    const through = { hosts: [{ host: "127.0.0.1", port: proxy.port }] };
    await using lab = new Pair({ timeoutMs: 1_000, heartbeatIntervalMs: 300, lockTtlMs: 30_000 }, through);
    await lab.a.claim("other", { type: "node" });
    await lab.a.resolve("arm", { type: "node" });
    proxy.mode = "cut answers";
    await expect(lab.a.claim("arm", { type: "node" })).rejects.toMatchObject({ code: "unreachable" });
    proxy.mode = "pass";
    // Known by the process's own heartbeat, long before the TTL.
    const next = await lab.b.claim("arm", { type: "node", waitMs: 10_000 });
    expect(next.held).toBe(true);
  });
});

describe("a server without room", () => {
  it("for more connections is busy, and says what to do [G11]", async () => {
    await using lab = new Pair();
    await lab.b.resolve("arm", { type: "node" });
    const others: pg.Client[] = [];
    try {
      for (;;) {
        const client = new pg.Client(server.url());
        client.on("error", () => undefined);
        await client.connect();
        others.push(client);
      }
    } catch (error) {
      expect(error).toMatchObject({ code: "53300" });
    }
    try {
      await expect(lab.a.lookup("arm")).rejects.toMatchObject({
        code: "busy",
        message: expect.stringContaining("max_connections"),
      });
    } finally {
      await Promise.all(others.map((client) => client.end()));
    }
  });

  it("since others keep rows locked is busy, and goes on when they let go [G11, G12]", async () => {
    await using lab = new Pair();
    await lab.a.resolve("arm", { type: "node" });
    const other = new pg.Client(server.url());
    await other.connect();
    try {
      await other.query(`BEGIN; SELECT * FROM "${lab.settings.schema}".entries FOR UPDATE`);
      expect(await lab.a.lookup("arm")).not.toBeNull();
      await expect(lab.b.claim("arm", { type: "node" })).rejects.toMatchObject({ code: "busy" });
      await other.query("ROLLBACK");
      expect((await lab.b.claim("arm", { type: "node" })).held).toBe(true);
    } finally {
      await other.end();
    }
  });
});
