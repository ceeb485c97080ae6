import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLab } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: ["fsync=off"] });
});

afterAll(() => server[Symbol.asyncDispose]());

describe("those who wait for a name", () => {
  it("have it in the order in which they came, each soon after it was released [G12]", async () => {
    const settings = settingsOf(server, newSchema());
    const labs = Array.from({ length: 5 }, () => openLab(settings));
    const served: number[] = [];
    const waits: number[] = [];
    let releasedAt = 0;
    try {
      const [first, ...others] = labs;
      const held = await first?.claim("arm", { type: "node" });
      const all = others.map(async (lab, i) => {
        await sleep(i * 150);
        const claim = await lab.claim("arm", { type: "node", waitMs: 30_000 });
        waits.push(performance.now() - releasedAt);
        served.push(i);
        await sleep(50);
        releasedAt = performance.now();
        await claim.release();
      });
      await sleep(1_000);
      releasedAt = performance.now();
      await held?.release();
      await Promise.all(all);
      expect(served).toEqual([0, 1, 2, 3]);
      expect(Math.max(...waits)).toBeLessThan(1_000);
      expect(await server.query(`SELECT 1 FROM "${settings.schema}".waiters`)).toEqual([]);
    } finally {
      await Promise.all(labs.map((lab) => lab.close()));
    }
  });

  it("and have gone without a word are passed over [G12]", async () => {
    const settings = settingsOf(server, newSchema());
    const [a, b] = [openLab(settings), openLab(settings)];
    try {
      const claim = await a.claim("arm", { type: "node" });
      const gone = { ...a.lockManager.holder, instance: "gone", ttlMs: 60_000 };
      await a.store.commit({ holder: gone, parts: [{ kind: "enqueue", name: "arm", ticket: "gone" }] });
      const waiting = b.claim("arm", { type: "node", waitMs: 20_000 });
      await sleep(500);
      const start = performance.now();
      await claim.release();
      expect((await waiting).held).toBe(true);
      expect(performance.now() - start).toBeLessThan(3_000);
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  });

  it("keep their place for longer than a TTL, though they hold nothing [G12]", async () => {
    const settings = settingsOf(server, newSchema());
    const timing = { lockTtlMs: 900, heartbeatIntervalMs: 200 };
    const [a, b] = [openLab(settings, timing), openLab(settings, timing)];
    try {
      const claim = await a.claim("arm", { type: "node" });
      const waiting = b.claim("arm", { type: "node", waitMs: 20_000 });
      await sleep(3_000);
      expect((await a.entry("arm"))?.entry.id).toBe(claim.id);
      const { record } = await a.store.read("arm");
      expect(record?.waiters.map(({ instance }) => instance)).toEqual([b.lockManager.holder.instance]);
      await claim.release();
      expect((await waiting).held).toBe(true);
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  });

  it("leave nothing listening when nobody waits any more, so that a release tells nobody [G12]", async () => {
    const settings = settingsOf(server, newSchema());
    const lab = openLab(settings);
    try {
      const controller = new AbortController();
      for await (const _ of lab.store.watch({ names: ["arm"], signal: controller.signal })) {
        const watchers = await server.query(`SELECT 1 FROM "${settings.schema}".watchers`).catch(() => []);
        if (watchers.length > 0) break;
        await lab.resolve("arm", { type: "node" });
      }
      controller.abort();
      await expect
        .poll(() => server.query(`SELECT 1 FROM "${settings.schema}".watchers`), { timeout: 5_000 })
        .toEqual([]);
    } finally {
      await lab.close();
    }
  });
});
