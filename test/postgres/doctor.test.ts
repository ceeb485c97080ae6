import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Checkup } from "../../src/core/finding.js";
import { namesCheck } from "../../src/registry/doctor/names-check.js";
import type { Registry } from "../../src/registry/registry.js";
import { openLab } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start();
});

afterAll(() => server[Symbol.asyncDispose]());

async function lookAt(lab: Registry): Promise<readonly Checkup[]> {
  const found: Checkup[] = [];
  for await (const checkup of lab.store.diagnose?.({ fix: false }) ?? []) found.push(checkup);
  return found;
}

async function codesOf(lab: Registry): Promise<readonly string[]> {
  return (await lookAt(lab)).flatMap(({ findings }) => findings.map(({ code }) => code));
}

describe("doctor on a registry in PostgreSQL", () => {
  it("finds nothing wrong with one that is sound, and makes nothing where there is none", async () => {
    const settings = settingsOf(server, newSchema());
    const lab = openLab(settings);
    try {
      expect((await lookAt(lab)).map(({ check, looked }) => [check, /none yet|version \d+/.test(looked)])).toEqual([
        ["server", true],
        ["registry", true],
      ]);
      expect(await server.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [settings.schema])).toEqual([]);
      await lab.resolve("arm", { type: "node" });
      expect(await codesOf(lab)).toEqual([]);
    } finally {
      await lab.close();
    }
  });

  it("speaks of nothing left out, since what other stores look at here is looked at by the server's checks", async () => {
    const lab = openLab(settingsOf(server, newSchema()));
    try {
      await lab.resolve("arm", { type: "node" });
      const { looked } = await namesCheck.examine({ registry: lab, checkups: await lookAt(lab) });
      expect(looked).toBe("1 name");
    } finally {
      await lab.close();
    }
  });

  it("tells a user without rights what its owner must run, and that it is so", async () => {
    const settings = settingsOf(server, newSchema());
    await server.query("CREATE ROLE visitor LOGIN");
    const [owner, visitor] = [openLab(settings), openLab({ ...settings, user: "visitor" })];
    try {
      await owner.resolve("arm", { type: "node" });
      const [finding] = (await lookAt(visitor)).flatMap(({ findings }) => findings);
      expect(finding).toMatchObject({ severity: "problem", remedy: expect.stringContaining("GRANT") });
    } finally {
      await Promise.all([owner.close(), visitor.close()]);
    }
  });

  it("says when the server cannot be reached, refuses the user, or has no such database [G11]", async () => {
    const settings = settingsOf(server, newSchema());
    for (const [change, code] of [
      [{ hosts: [{ host: "127.0.0.1", port: 1 }] }, "server.unreachable"],
      [{ user: "nobody at all" }, "server.invalid-input"],
      [{ database: "none" }, "server.invalid-input"],
    ] as const) {
      const lab = openLab({ ...settings, ...change });
      try {
        expect(await codesOf(lab)).toEqual([code, code]);
      } finally {
        await lab.close();
      }
    }
  });

  it("finds settings that lose what was committed, and a transaction level that the store cannot use", async () => {
    const settings = settingsOf(server, newSchema());
    await server.query(
      "CREATE ROLE odd SUPERUSER LOGIN; ALTER ROLE odd SET default_transaction_isolation = 'repeatable read'",
    );
    await server.query("ALTER SYSTEM SET full_page_writes = off");
    await server.query("SELECT pg_reload_conf(), pg_sleep(0.2)");
    const lab = openLab({ ...settings, user: "odd" });
    try {
      expect(await codesOf(lab)).toEqual(["server.isolation", "server.unsafe"]);
    } finally {
      await lab.close();
    }
  });
});
