import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { grantsFor } from "../../src/stores/postgres/schema.js";
import { openLab } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer, SUPERUSER } from "./postgres-server.js";

let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: ["fsync=off"] });
});

afterAll(() => server[Symbol.asyncDispose]());

describe("the schema", () => {
  it("is not made by a look, and made once by many who claim at once [G2, G9]", async () => {
    const settings = settingsOf(server, newSchema());
    const labs = Array.from({ length: 8 }, () => openLab(settings));
    try {
      expect(await labs[0]?.lookup("arm")).toBeNull();
      expect(await server.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [settings.schema])).toEqual([]);
      const claims = await Promise.allSettled(labs.map((lab) => lab.claim("arm", { type: "node" })));
      const given = claims.filter(({ status }) => status === "fulfilled");
      expect(given).toHaveLength(1);
      for (const claim of claims) if (claim.status === "rejected") expect(claim.reason).toMatchObject({ code: "held" });
    } finally {
      await Promise.all(labs.map((lab) => lab.close()));
    }
  });

  it("is made by the first claim, whose token and times are the server's [G1, G3]", async () => {
    const lab = openLab(settingsOf(server, newSchema()));
    try {
      const before = Date.now() - 1_000;
      const claim = await lab.claim("arm", { type: "node" });
      expect(claim.token).toBeGreaterThan(before * 1_000);
      expect((await lab.entry("arm"))?.entry.createdAt).toBeGreaterThan(before);
    } finally {
      await lab.close();
    }
  });

  it("makes no name by a change of nothing, and is there after it", async () => {
    const settings = settingsOf(server, newSchema());
    const lab = openLab(settings);
    try {
      expect((await lab.store.commit({ holder: lab.lockManager.holder, parts: [] })).kind).toBe("done");
      expect(await server.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [settings.schema])).toHaveLength(1);
      expect(await lab.store.lastToken()).toBe(0);
    } finally {
      await lab.close();
    }
  });

  it("of a newer namehold is refused, and says so [G11]", async () => {
    const settings = settingsOf(server, newSchema());
    const s = `"${settings.schema}"`;
    await server.query(`CREATE SCHEMA ${s}; CREATE FUNCTION ${s}.layout() RETURNS integer LANGUAGE sql AS 'SELECT 99'`);
    const lab = openLab(settings);
    try {
      for (const call of [() => lab.lookup("arm"), () => lab.claim("arm", { type: "node" })]) {
        await expect(call()).rejects.toMatchObject({
          code: "unsupported",
          message: expect.stringContaining("newer namehold"),
        });
      }
    } finally {
      await lab.close();
    }
  });

  it("is used by a role that has been granted no more than its functions, and not without them [G11]", async () => {
    const schema = newSchema();
    const settings = settingsOf(server, schema);
    await server.query("DROP ROLE IF EXISTS node; CREATE ROLE node LOGIN");
    const owner = openLab(settings);
    const node = openLab({ ...settings, user: "node" });
    try {
      const refused = await node.claim("arm", { type: "node" }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "read-only" });
      const id = await owner.resolve("arm", { type: "node" });
      const [, grants = ""] =
        /(GRANT USAGE.*;)$/.exec(String(await node.lookup("arm").catch((error: Error) => error.message))) ?? [];
      await server.query(grants.replaceAll("ROLE", "node"));
      const claim = await node.claim("arm", { type: "node" });
      expect(claim.id).toBe(id);
      await node.refresh("arm");
      await claim.release();
      expect(await node.history("arm")).toHaveLength(1);
      await expect(server.query(`SET ROLE node; SELECT * FROM "${schema}".entries`)).rejects.toMatchObject({
        code: "42501",
      });
    } finally {
      await Promise.all([owner.close(), node.close()]);
    }
  });

  it("lends its owner's rights to no function or operator of a role that may use it", async () => {
    const schema = newSchema();
    await server.query("DROP ROLE IF EXISTS intruder; CREATE ROLE intruder LOGIN");
    const owner = openLab(settingsOf(server, schema));
    try {
      await owner.resolve("arm", { type: "node" });
      await server.query(grantsFor(`"${schema}"`, "intruder"));
      await server.query(`CREATE SCHEMA "${schema} trap" AUTHORIZATION intruder`);
      const intrusion = `SET ROLE intruder; SET search_path = "${schema} trap", pg_catalog;
        CREATE FUNCTION trap(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''as %'', current_user; END';
        CREATE OPERATOR <> (LEFTARG = text, RIGHTARG = text, FUNCTION = trap);`;
      for (const call of ["adopt('x')", "begin_writing()", "write_beside('{}', 1)"]) {
        const message = await server.query(`BEGIN; ${intrusion} SELECT "${schema}".${call}`).then(
          () => "",
          (error: Error) => error.message,
        );
        expect(message).not.toContain(`as ${SUPERUSER}`);
      }
    } finally {
      await owner.close();
    }
  });

  it.each(["it's", 'say "hi"', "a$body$b", "a$$b", "back\\slash"])("may be named %s", async (name) => {
    const lab = openLab(settingsOf(server, `${newSchema().slice(0, 20)} ${name}`));
    try {
      const claim = await lab.claim("arm", { type: "node" });
      await lab.refresh("arm");
      await claim.release();
      expect(await lab.history("arm")).toHaveLength(1);
    } finally {
      await lab.close();
    }
  });

  it("is for transactions that are READ COMMITTED, whatever the user's default is: else it says what to change [G11]", async () => {
    const settings = settingsOf(server, newSchema());
    await server.query(
      "DROP ROLE IF EXISTS strict; CREATE ROLE strict SUPERUSER LOGIN; ALTER ROLE strict SET default_transaction_isolation = 'serializable'",
    );
    const lab = openLab({ ...settings, user: "strict" });
    try {
      await expect(lab.claim("arm", { type: "node" })).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringContaining("ALTER ROLE"),
      });
    } finally {
      await lab.close();
    }
  });

  it("keeps what it has committed though the user's commits would not be synced [G1]", async () => {
    const settings = settingsOf(server, newSchema());
    await server.query(
      "DROP ROLE IF EXISTS hasty; CREATE ROLE hasty SUPERUSER LOGIN; ALTER ROLE hasty SET synchronous_commit = off",
    );
    const lab = openLab({ ...settings, user: "hasty" });
    try {
      const claims = await Promise.all(Array.from({ length: 10 }, (_, i) => lab.claim(`arm ${i}`, { type: "node" })));
      await server.stop("immediate");
      await server.begin();
      for (const { name, id } of claims) expect(await lab.lookup(name)).toBe(id);
    } finally {
      await lab.close();
    }
  });
});
