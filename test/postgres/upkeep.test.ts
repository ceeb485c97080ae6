import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PostgresSettings } from "../../src/stores/postgres/settings.js";
import { openLab } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

let server: PostgresServer;
let settings: PostgresSettings;
let s: string;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: ["fsync=off"] });
});

afterAll(() => server[Symbol.asyncDispose]());

beforeEach(() => {
  settings = settingsOf(server, newSchema());
  s = `"${settings.schema}"`;
});

describe("what is kept in PostgreSQL", () => {
  it("stays bounded by processes that make a few changes each [G12]", async () => {
    const maker = openLab(settings);
    await maker.resolve("arm", { type: "node" });
    await maker.close();
    await server.query(`INSERT INTO ${s}.holds (name, id, instance, pid, host, token, since, last_heartbeat, until, how, observed)
      SELECT 'arm', 'x', 'gone', 1, '', n, n, n, n, 'released', false FROM generate_series(1, 1200) n`);
    // That none of 3,000 changes prunes has a chance of 1 in 100,000.
    for (let process = 0; process < 150; process += 1) {
      const lab = openLab(settings);
      for (let i = 0; i < 20; i += 1) {
        const { record } = await lab.store.read("arm");
        const part = { kind: "put", name: "arm", expect: record?.version ?? "absent", write: { touch: true } } as const;
        await lab.store.commit({ holder: lab.lockManager.holder, parts: [part] });
      }
      await lab.close();
    }
    const [row] = await server.query(`SELECT count(*)::int AS holds FROM ${s}.holds`);
    expect(row?.holds).toBe(1_000);
  }, 60_000);

  it("loses no life to which a name is granted at that moment [G2]", async () => {
    const lab = openLab(settings);
    const granting = new pg.Client(server.url());
    await granting.connect();
    try {
      await lab.resolve("arm", { type: "node" });
      await lab.release("arm");
      await server.query(
        `INSERT INTO ${s}.lives (n, ttl_ms, beat, moved, at, sure, waiting) VALUES (7, 30000, 1, 1, 0, true, 0)`,
      );
      await granting.query(`BEGIN; SELECT 1 FROM ${s}.lives WHERE n = 7 FOR KEY SHARE;
        UPDATE ${s}.entries SET life = 7, instance = 'x', pid = 1, host = '', ttl_ms = 30000, token = version, acquired = 0, refreshed = 0,
          since = 1, sure = true, follows = true WHERE name = 'arm'`);
      const pruning = server.query(`SELECT ${s}.prune('arm')`);
      await sleep(80);
      await granting.query("COMMIT");
      await pruning;
      expect(await server.query(`SELECT 1 FROM ${s}.lives WHERE n = 7`)).toHaveLength(1);
    } finally {
      await granting.end();
      await lab.close();
    }
  });

  it("of a lock that was revoked tells why, whatever the words, when its holder ends [G10]", async () => {
    const [holder, operator] = [openLab(settings), openLab(settings)];
    const reason = 'the "arm"\nsaid \\u0000 and \0';
    const grant = { id: "01K00000000000000000000000", componentType: "node", lock: { kind: "grant" } } as const;
    await holder.store.commit({
      holder: holder.lockManager.holder,
      parts: [{ kind: "put", name: "arm", expect: "absent", write: grant }],
    });
    const { record } = await operator.store.read("arm");
    const part = { kind: "put", name: "arm", expect: record?.version ?? "absent" } as const;
    await operator.store.commit({
      holder: operator.lockManager.holder,
      parts: [{ ...part, write: { lock: { kind: "revoke", reason } } }],
    });
    await holder.store.close();
    expect((await operator.store.read("arm")).record?.entry.lock).toBeNull();
    expect((await operator.history("arm"))[0]).toMatchObject({ ending: { how: "revoked", detail: reason } });
    await holder.close();
    await operator.close();
  });
});
