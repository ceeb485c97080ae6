import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Registry } from "../../src/registry/registry.js";
import type { PostgresSettings } from "../../src/stores/postgres/settings.js";
import { type LabOptions, openLab, SHORT } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

const ULID = "01K00000000000000000000000";
/** To within the slowest trip so far is known what the server's clock says. */
const MARGIN_MS = 400;
let server: PostgresServer;
let settings: PostgresSettings;
let labs: Registry[];
/** Somebody else's transaction, which keeps rows locked. */
let other: pg.Client;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: ["fsync=off"] });
});

afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  settings = settingsOf(server, newSchema());
  labs = [];
  other = new pg.Client(server.url());
  await other.connect();
});

afterEach(async () => {
  await other.end();
  await Promise.all(labs.map((one) => one.close()));
});

function lab(options: LabOptions = {}): Registry {
  const one = openLab(settings, options);
  labs.push(one);
  return one;
}

async function lock(table: "entries" | "lives", where: string): Promise<void> {
  await other.query(`BEGIN; SELECT 1 FROM "${settings.schema}".${table} WHERE ${where} FOR UPDATE`);
}

async function untilBlocked(): Promise<void> {
  const look = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'";
  while ((await server.query(look, [settings.schema])).length === 0) await sleep(5);
}

describe("a statement that is done later than its sender waits", () => {
  it("grants nothing [G2, G12]", async () => {
    const [ours, hasty] = [lab(), lab({ timeoutMs: 300 })];
    await ours.resolve("arm", { type: "node" });
    await ours.release("arm");
    await hasty.lookup("arm");
    await lock("entries", "name = 'arm'");
    await expect(hasty.claim("arm", { type: "node" })).rejects.toMatchObject({
      code: expect.stringMatching(/^(outcome-unknown|unreachable)$/),
    });
    await sleep(MARGIN_MS);
    await other.query("COMMIT");
    await sleep(200);
    expect((await ours.entry("arm"))?.entry.lock).toBeNull();
  });

  it("is no sign of life: its holder has given it up [G6]", async () => {
    const { store, lockManager } = lab();
    const holder = { ...lockManager.holder, ttlMs: 1_500 };
    const write = { id: ULID, componentType: "node", lock: { kind: "grant" } } as const;
    const granted = await store.commit({ holder, parts: [{ kind: "put", name: "arm", expect: "absent", write }] });
    const token = granted.kind === "done" ? (granted.snapshots.get("arm")?.record?.token ?? 0) : 0;
    const beats = `SELECT beat FROM "${settings.schema}".lives`;
    const before = await server.query(beats);
    await lock("lives", "true");
    await expect(store.heartbeat(holder, new Map([["arm", token]]))).rejects.toMatchObject({ code: "unreachable" });
    await sleep(MARGIN_MS);
    await other.query("COMMIT");
    await sleep(100);
    expect(await server.query(beats)).toEqual(before);
  });

  it("and whose grant comes about after all, is found and given up, though its holder lives on [G2, G12]", async () => {
    const holder = lab({ ...SHORT, timeoutMs: 400 });
    await holder.claim("held", { type: "node" });
    await holder.resolve("arm", { type: "node" });
    await holder.release("arm");
    const s = `"${settings.schema}"`;
    // As a commit that waits for a replica: everything is done, and nobody can see it.
    await server.query(`CREATE FUNCTION ${s}.stall() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NULL; END';
      CREATE CONSTRAINT TRIGGER stall AFTER UPDATE ON ${s}.entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
      WHEN (NEW.name = 'arm') EXECUTE FUNCTION ${s}.stall()`);
    await expect(holder.claim("arm", { type: "node" })).rejects.toMatchObject({
      // The second, when there was no time to look.
      code: expect.stringMatching(/^(outcome-unknown|unreachable)$/),
    });
    const look = `SELECT instance FROM ${s}.entries WHERE name = 'arm'`;
    while ((await server.query(look))[0]?.instance === null) await sleep(50);
    await server.query(`DROP TRIGGER stall ON ${s}.entries`);
    const deadline = Date.now() + 12_000;
    while ((await server.query(look))[0]?.instance !== null && Date.now() < deadline) await sleep(100);
    expect(await server.query(look)).toEqual([{ instance: null }]);
  }, 30_000);
});

describe("a name that comes and goes while a change waits for others' rows", () => {
  it("is not granted again with a token that is no greater [G3]", async () => {
    const [slow, quick] = [lab(), lab()];
    await quick.resolve("zeta", { type: "node" });
    const { record } = await slow.store.read("zeta");
    await slow.store.read("arm");
    await lock("entries", "name = 'zeta'");
    const change = slow.store.commit({
      holder: slow.lockManager.holder,
      parts: [
        { kind: "put", name: "zeta", expect: record?.version ?? "absent", write: { touch: true } },
        {
          kind: "put",
          name: "arm",
          expect: "absent",
          write: { id: ULID, componentType: "node", lock: { kind: "grant" } },
        },
      ],
    });
    await untilBlocked();
    const claim = await quick.claim("arm", { type: "node" });
    await claim.release();
    const made = await quick.store.read("arm");
    const gone = await quick.store.commit({
      holder: quick.lockManager.holder,
      parts: [{ kind: "remove", name: "arm", expect: made.record?.version ?? "" }] as never,
    });
    expect(gone.kind).toBe("done");
    await other.query("COMMIT");
    expect((await change).kind).toBe("done");
    expect((await quick.store.read("arm")).record?.token).toBeGreaterThan(claim.token);
  });
});
