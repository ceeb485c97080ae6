import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RECOVERY_INSTANCE } from "../../src/core/lock-rules.js";
import type { PostgresSettings } from "../../src/stores/postgres/settings.js";
import { openLab } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

let primary: PostgresServer;
let replica: PostgresServer;

beforeEach(async () => {
  primary = await PostgresServer.start({ settings: ["fsync=off", "wal_level=replica", "hot_standby=on"] });
  replica = await primary.replica();
});

afterEach(async () => {
  await replica[Symbol.asyncDispose]();
  await primary[Symbol.asyncDispose]();
});

/** Both servers, the primary first; the one that takes writes is used. */
function bothHosts(): PostgresSettings {
  const schema = newSchema();
  const hosts = [primary, replica].map(({ port }) => ({ host: "127.0.0.1", port }));
  return { ...settingsOf(primary, schema), hosts };
}

async function replicated(): Promise<void> {
  for (;;) {
    const [row] = await primary.query(
      "SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) AS done FROM pg_stat_replication",
    );
    if (row?.["done"] === true) return;
    await sleep(50);
  }
}

/** From now on nothing that is committed reaches the replica. */
async function cutReplication(): Promise<void> {
  await replica.query("ALTER SYSTEM SET primary_conninfo = ''");
  await replica.query("SELECT pg_reload_conf()");
  while ((await primary.query("SELECT 1 FROM pg_stat_replication")).length > 0) await sleep(50);
}

async function failOver(): Promise<void> {
  await primary.stop("immediate");
  await replica.promote();
}

describe("a replica that is promoted", () => {
  it("keeps the locks that it has, and holds back what is free, since its holder may be unknown [G2, G3]", async () => {
    const settings = bothHosts();
    const [a, b] = [openLab(settings, { timeoutMs: 2_000 }), openLab(settings, { timeoutMs: 2_000 })];
    try {
      const known = await a.claim("known", { type: "node" });
      await b.resolve("free", { type: "node" });
      await replicated();
      await cutReplication();
      const lost = await a.claim("free", { type: "node" });
      const made = await a.claim("new", { type: "node" });
      await failOver();
      await expect(b.claim("free", { type: "node" })).rejects.toMatchObject({
        code: "held",
        details: { heldBy: { instance: RECOVERY_INSTANCE } },
      });
      await expect(b.claim("new", { type: "node" })).rejects.toMatchObject({ code: "held" });
      await expect(b.claim("known", { type: "node" })).rejects.toMatchObject({
        code: "held",
        details: { heldBy: { instance: a.lockManager.holder.instance } },
      });
      await a.refresh("known");
      expect(known.held).toBe(true);
      // What it had been granted in what was lost, it learns at its next beat.
      await expect(a.refresh("free")).rejects.toMatchObject({ code: "lost" });
      await expect(a.refresh("new")).rejects.toMatchObject({ code: "lost" });
      expect([lost.held, made.held]).toEqual([false, false]);
      const row = (await replica.query(`SELECT holdback_ms FROM "${settings.schema}".registry`))[0];
      expect(Number(row?.["holdback_ms"])).toBeGreaterThanOrEqual(30_000);
      // As if that time had gone by.
      await replica.query(`UPDATE "${settings.schema}".registry SET holdback_ms = 1500`);
      await b.lookup("free");
      const next = await b.claim("free", { type: "node", waitMs: 20_000 });
      expect(next.token).toBeGreaterThan(lost.token);
    } finally {
      await Promise.allSettled([a.close(), b.close()]);
    }
  });

  it("brings no lock back that its holder had given up, for longer than its TTL [G6]", async () => {
    const settings = bothHosts();
    const timing = { timeoutMs: 2_000, lockTtlMs: 3_000, heartbeatIntervalMs: 500 };
    const [a, b] = [openLab(settings, timing), openLab(settings, timing)];
    try {
      const other = await a.claim("other", { type: "node" });
      const given = await a.claim("arm", { type: "node" });
      await replicated();
      await cutReplication();
      await given.release();
      await failOver();
      await a.refresh("other").catch(() => a.refresh("other"));
      await sleep(1_500);
      await replica.query(`UPDATE "${settings.schema}".registry SET holdback_ms = 3000`);
      const next = await b.claim("arm", { type: "node", waitMs: 20_000 });
      expect(next.held).toBe(true);
      expect(other.held).toBe(true);
    } finally {
      await Promise.allSettled([a.close(), b.close()]);
    }
  });
});

describe("a standby", () => {
  it("is read from, and says that it takes no writes [G11]", async () => {
    const settings = settingsOf(primary, newSchema());
    const owner = openLab(settings);
    const id = await owner.resolve("arm", { type: "node" });
    await replicated();
    const reader = openLab({ ...settings, hosts: [{ host: "127.0.0.1", port: replica.port }] });
    try {
      expect(await reader.lookup("arm")).toBe(id);
      await expect(reader.claim("arm", { type: "node" })).rejects.toMatchObject({
        code: "read-only",
        message: expect.stringContaining("standby"),
      });
    } finally {
      await Promise.allSettled([owner.close(), reader.close()]);
    }
  });
});
