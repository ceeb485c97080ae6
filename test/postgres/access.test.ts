import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parsePostgresLocation } from "../../src/registry/postgres-location.js";
import type { Registry } from "../../src/registry/registry.js";
import { openLab } from "./lab.js";
import { newSchema } from "./postgres-harness.js";
import { PostgresServer } from "./postgres-server.js";

const SECRET = "correct horse";
let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.start({ settings: ["fsync=off"] });
  const { uid, gid } = statSync(server.data);
  const [key, cert] = [join(server.data, "server.key"), join(server.data, "server.crt")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
  execFileSync("openssl", [...request, "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], {
    stdio: "ignore",
  });
  for (const file of [key, cert]) chownSync(file, uid, gid);
  chmodSync(key, 0o600);
  await server.query(`CREATE ROLE guarded SUPERUSER LOGIN PASSWORD '${SECRET}'; CREATE ROLE private SUPERUSER LOGIN`);
  const hba = join(server.data, "pg_hba.conf");
  const lines = [
    "host all guarded all scram-sha-256",
    "hostssl all private all trust",
    "hostnossl all private all reject",
  ];
  writeFileSync(hba, `${lines.join("\n")}\n${readFileSync(hba, "utf8")}`);
  await server.configure("ssl=on");
  await server.stop();
  await server.begin();
});

afterAll(() => server[Symbol.asyncDispose]());

function labAt(userInfo: string, host: string, query = "", env: Readonly<Record<string, string>> = {}): Registry {
  const location = `postgres://${userInfo}@${host}:${server.port}/postgres?schema=${encodeURIComponent(newSchema())}${query}`;
  return openLab(parsePostgresLocation(location, { env, home: "/nowhere", userName: "nobody" }), { timeoutMs: 3_000 });
}

describe("a user with a password", () => {
  it("is let in with it, from the location or the environment", async () => {
    const labs = [
      labAt(`guarded:${encodeURIComponent(SECRET)}`, "localhost"),
      labAt("guarded", "localhost", "", { PGPASSWORD: SECRET }),
    ];
    for (const lab of labs) {
      expect(await lab.resolve("arm", { type: "node" })).toMatch(/^\w{26}$/);
      expect(inspect(lab, { depth: 9, showHidden: true })).not.toContain(SECRET);
      await lab.close();
    }
  });

  it("is refused with another one, and no word of the error has it [G11]", async () => {
    for (const lab of [labAt("guarded:swordfish", "localhost"), labAt("guarded", "localhost")]) {
      const error = await lab.lookup("arm").catch((failure: unknown) => failure);
      expect(error).toMatchObject({ code: "invalid-input", message: expect.stringContaining("PGPASSWORD") });
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("swordfish");
      await lab.close();
    }
  });
});

describe("TLS", () => {
  it("is used where the server has it, and asked for by sslmode", async () => {
    for (const query of ["", "&sslmode=require"]) {
      const lab = labAt("private", "localhost", query);
      expect(await lab.lookup("arm")).toBeNull();
      await lab.close();
    }
    const plain = labAt("private", "localhost", "&sslmode=disable");
    await expect(plain.lookup("arm")).rejects.toMatchObject({ code: "invalid-input" });
    await plain.close();
  });

  it("with verify-full takes the authority's certificate for the host that was named, and no other [G11]", async () => {
    const root = `&sslrootcert=${encodeURIComponent(join(server.data, "server.crt"))}`;
    const good = labAt("private", "localhost", `&sslmode=verify-full${root}`);
    expect(await good.lookup("arm")).toBeNull();
    await good.close();
    for (const [host, query] of [
      ["127.0.0.1", `&sslmode=verify-full${root}`],
      ["localhost", "&sslmode=verify-full"],
    ] as const) {
      const lab = labAt("private", host, query);
      await expect(lab.lookup("arm")).rejects.toMatchObject({
        code: "unreachable",
        message: expect.stringContaining("sslmode"),
      });
      await lab.close();
    }
    const byAddress = labAt("private", "127.0.0.1", `&sslmode=verify-ca${root}`);
    expect(await byAddress.lookup("arm")).toBeNull();
    await byAddress.close();
  });
});
