import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Holder } from "../../src/core/entry.js";
import type { Registry } from "../../src/registry/registry.js";
import type { PostgresSettings } from "../../src/stores/postgres/settings.js";
import { openLab, SHORT } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

let server: PostgresServer;
let settings: PostgresSettings;
let labs: Registry[];

beforeAll(async () => {
  server = await PostgresServer.start({ settings: ["fsync=off"] });
});

afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  settings = settingsOf(server, newSchema());
  labs = [];
  const maker = lab();
  await maker.resolve("arm", { type: "node" });
  await server.query(`CREATE TABLE "${settings.schema}".stepped (us bigint); INSERT INTO "${settings.schema}".stepped VALUES (0);
    CREATE OR REPLACE FUNCTION "${settings.schema}".now_us() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
    BEGIN RETURN floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + (SELECT us FROM "${settings.schema}".stepped); END $$`);
});

afterEach(async () => {
  await Promise.all(labs.map((one) => one.close()));
});

function lab(): Registry {
  const one = openLab(settings, SHORT);
  labs.push(one);
  return one;
}

async function stepClock(ms: number): Promise<void> {
  await server.query(`UPDATE "${settings.schema}".stepped SET us = us + $1`, [ms * 1000]);
}

const TTL_MS = SHORT.lockTtlMs;
const STEPS = [60_000, -60_000, 3_600_000, -3_600_000, 1_000, -1_000] as const;

/** A process that was granted the name, and does nothing any more. */
async function dead(registry: Registry): Promise<Holder> {
  const holder = { ...registry.lockManager.holder, instance: "dead", ttlMs: TTL_MS };
  const { record } = await registry.store.read("arm");
  const part = {
    kind: "put",
    name: "arm",
    expect: record?.version ?? "absent",
    write: { lock: { kind: "grant" } },
  } as const;
  expect((await registry.store.commit({ holder, parts: [part] })).kind).toBe("done");
  return holder;
}

describe.each(STEPS)("a server's clock that steps by %i ms", (ms) => {
  it("takes no name from a living holder, whoever asks, long known or new [G7]", async () => {
    const [a, b] = [lab(), lab()];
    const claim = await a.claim("arm", { type: "node" });
    await b.lookup("arm");
    await stepClock(ms);
    const start = performance.now();
    while (performance.now() - start < 2.2 * TTL_MS) {
      for (const asker of [b, lab()])
        await expect(asker.claim("arm", { type: "node" })).rejects.toMatchObject({ code: "held" });
      await sleep(TTL_MS / 5);
    }
    expect(claim.held).toBe(true);
    await stepClock(-ms);
    await expect(b.claim("arm", { type: "node", waitMs: 1.5 * TTL_MS })).rejects.toMatchObject({
      code: "wait-timeout",
    });
    expect(claim.held).toBe(true);
  });

  it("gives the name of a dead holder no earlier than after its TTL, and not much later [G6, G7]", async () => {
    const [a, b] = [lab(), lab()];
    await b.lookup("arm");
    const sentAt = performance.now();
    await dead(a);
    await sleep(TTL_MS / 4);
    await stepClock(ms);
    const claim = await b.claim("arm", { type: "node", waitMs: 10 * TTL_MS });
    const tookMs = performance.now() - sentAt;
    expect(claim.held).toBe(true);
    expect(tookMs).toBeGreaterThan(0.99 * TTL_MS);
    // It is watched for a TTL from when the step was seen.
    expect(tookMs).toBeLessThan(2.25 * TTL_MS + 1_500);
  });
});

describe("a server's clock that steps back and soon forward again", () => {
  it("makes no living holder look silent to those who have not looked meanwhile [G7]", async () => {
    const [holder, judge] = [lab(), lab()];
    await judge.lookup("arm");
    await holder.lookup("arm");
    await sleep(2 * TTL_MS);
    await stepClock(-1.5 * TTL_MS);
    // This look sees the step, so that the grant is made in the new time.
    await holder.lookup("arm");
    const claim = await holder.claim("arm", { type: "node" });
    await stepClock(1.5 * TTL_MS);
    await expect(judge.claim("arm", { type: "node" })).rejects.toMatchObject({ code: "held" });
    expect(claim.held).toBe(true);
  });
});

describe("a process that has just started", () => {
  it("trusts what a process of its host has noted of the server's clock, and watches nothing that long [G6]", async () => {
    const [a, b] = [lab(), lab()];
    await a.resolve("other", { type: "node" });
    await a.claim("other", { type: "node" });
    await sleep(2 * SHORT.heartbeatIntervalMs);
    await dead(b);
    await sleep(1.1 * TTL_MS);
    expect((await lab().claim("arm", { type: "node" })).held).toBe(true);
  });

  it("without such a note watches the lock of a silent holder for its TTL, and says that this is not decided [G7]", async () => {
    await dead(lab());
    await sleep(1.1 * TTL_MS);
    const late = lab();
    await expect(late.claim("arm", { type: "node" })).rejects.toMatchObject({
      code: "held",
      message: expect.stringContaining("cannot be trusted"),
    });
    expect((await late.claim("arm", { type: "node", waitMs: 3 * TTL_MS })).held).toBe(true);
  });
});
