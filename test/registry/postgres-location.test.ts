import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parsePostgresLocation } from "../../src/registry/postgres-location.js";

const SECRET = "hunter2";

function parse(location: string, env: Readonly<Record<string, string>> = {}, home = "/nowhere") {
  return parsePostgresLocation(location, { env, home, userName: "me" });
}

describe("a location of a registry in PostgreSQL", () => {
  test("names servers, user, database and schema", () => {
    const { hosts, user, database, schema, location, connectionsMax, timeoutMs } = parse(
      "postgres://bob@db1:6432,db2/lab?schema=cell%207&pool=2&timeout=1500",
    );
    expect({ hosts, user, database, schema, connectionsMax, timeoutMs }).toEqual({
      hosts: [
        { host: "db1", port: 6432 },
        { host: "db2", port: 5432 },
      ],
      user: "bob",
      database: "lab",
      schema: "cell 7",
      connectionsMax: 2,
      timeoutMs: 1500,
    });
    expect(location).toBe("postgres://db1:6432,db2/lab?schema=cell%207");
  });

  test("that leaves something away has it from libpq's environment, and then libpq's defaults", () => {
    const env = { PGHOST: "/run/postgresql", PGPORT: "5433", PGUSER: "alice", PGDATABASE: "lab", PGPASSWORD: SECRET };
    const fromEnv = parse("postgres://", env);
    expect([fromEnv.hosts, fromEnv.user, fromEnv.database, fromEnv.password()]).toEqual([
      [{ host: "/run/postgresql", port: 5433 }],
      "alice",
      "lab",
      SECRET,
    ]);
    const { hosts, user, database, schema } = parse("postgresql://localhost");
    expect({ hosts, user, database, schema }).toEqual({
      hosts: [{ host: "localhost", port: 5432 }],
      user: "me",
      database: "me",
      schema: "namehold",
    });
    expect(parse("postgres://[::1]:6000/x").hosts).toEqual([{ host: "::1", port: 6000 }]);
  });

  test("keeps its secrets to itself: neither what is shown nor an error has them [G11]", () => {
    const there = parse(`postgres://bob:${SECRET}@db/lab?password=${SECRET}`);
    expect(there.password()).toBe(SECRET);
    expect(JSON.stringify(there)).not.toContain(SECRET);
    const broken = [
      `postgres://bob:${SECRET}@db:port/lab`,
      `postgres://bob:${SECRET}@db/lab?what=${SECRET}`,
      `postgres://bob:${SECRET}/x@db`,
      `postgres://bob:${SECRET}%zz@db/`,
      `postgres://bob:some@${SECRET}@db/lab`,
      `postgres://bob:some@${SECRET}@db@other:1/lab`,
      `postgres://bob:1/${SECRET}@db/lab`,
      `postgres://bob:1?${SECRET}@db/lab`,
      `postgres://bob:1?schema=${SECRET}@db/lab`,
      `postgres://bob/${SECRET}:x@db/lab`,
    ];
    for (const location of broken) {
      expect(() => parse(location)).toThrow(
        expect.objectContaining({ code: "invalid-input", message: expect.not.stringContaining(SECRET) }),
      );
    }
  });

  test("has its password from a file that nobody else may read", async () => {
    const home = await mkdtemp(join(tmpdir(), "namehold-pgpass-"));
    try {
      const file = join(home, ".pgpass");
      await writeFile(file, `# comment\nother:*:*:*:wrong\ndb:5432:lab:bob:se\\:cr\\\\et\n*:*:*:*:last\n`);
      await chmod(file, 0o600);
      expect(parse("postgres://bob@db/lab", {}, home).password()).toBe("se:cr\\et");
      expect(parse("postgres://eve@db/lab", {}, home).password()).toBe("last");
      await chmod(file, 0o644);
      expect(parse("postgres://bob@db/lab", {}, home).password()).toBeUndefined();
    } finally {
      await rm(home, { recursive: true });
    }
  });

  test("asks for TLS as libpq does", () => {
    expect(parse("postgres://db/x?sslmode=disable").ssl).toBe(false);
    expect(parse("postgres://db/x")).toMatchObject({ ssl: { rejectUnauthorized: false }, isTlsOptional: true });
    expect(parse("postgres://db/x?sslmode=require")).toMatchObject({
      ssl: { rejectUnauthorized: false },
      isTlsOptional: false,
    });
    expect(parse("postgres://db/x?sslmode=verify-full").ssl).toEqual({ rejectUnauthorized: true });
    expect(parse("postgres://db/x", { PGSSLMODE: "verify-full" }).ssl).toEqual({ rejectUnauthorized: true });
    expect(() => parse("postgres://db/x?sslmode=verify-ca")).toThrow(/sslrootcert/);
    expect(() => parse("postgres://db/x?sslmode=maybe")).toThrow(/one of disable/);
    expect(() => parse("postgres://db/x?sslrootcert=/no/such/file")).toThrow(/\/no\/such\/file/);
  });

  test.each([
    "postgres:/db",
    "postgres://db/x?pool=0",
    "postgres://db/x?timeout=soon",
    "postgres://db/x?schema=pg_x",
    `postgres://db/x?schema=${"é".repeat(32)}`,
  ])("%s is refused", (location) => {
    expect(() => parse(location)).toThrow(expect.objectContaining({ code: "invalid-input" }));
  });
});
