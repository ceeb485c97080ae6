import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram, freePort } from "../../bench/servers/server-process.ts";
import type { PostgresSettings } from "../../src/stores/postgres/settings.js";
import { openLab } from "./lab.js";
import { newSchema, settingsOf } from "./postgres-harness.js";
import { PostgresServer, SUPERUSER } from "./postgres-server.js";

let server: PostgresServer;
let pooler: { readonly port: number; stop(): Promise<void> };

beforeAll(async () => {
  server = await PostgresServer.start({ settings: ["fsync=off"] });
  pooler = await startPooler(server.port);
});

afterAll(async () => {
  await pooler.stop();
  await server[Symbol.asyncDispose]();
});

/** PgBouncer as it is run in production: each transaction may go to another server process. */
async function startPooler(target: number): Promise<typeof pooler> {
  const file = findProgram("pgbouncer");
  if (file === undefined) throw new Error("pgbouncer is not installed. Run: apt install pgbouncer");
  const directory = await mkdtemp(join(tmpdir(), "namehold-pooler-"));
  const port = await freePort();
  const lines = [
    "[databases]",
    `postgres = host=127.0.0.1 port=${target} user=${SUPERUSER}`,
    "[pgbouncer]",
    `listen_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =`,
    "auth_type = any\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 100",
  ];
  const config = join(directory, "pgbouncer.ini");
  await writeFile(config, `${lines.join("\n")}\n`);
  await chmod(directory, 0o755);
  const args = process.getuid?.() === 0 ? ["-u", "nobody", config] : [config];
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  for await (const line of child.stderr) if (String(line).includes("process up")) break;
  return {
    port,
    async stop() {
      process.removeListener("exit", kill);
      const gone = once(child, "exit");
      kill();
      await gone;
      await rm(directory, { recursive: true });
    },
  };
}

function throughPooler(): PostgresSettings {
  return { ...settingsOf(server, newSchema()), hosts: [{ host: "127.0.0.1", port: pooler.port }] };
}

describe("through a pooler that gives each transaction another server process", () => {
  it("names are made, held, refreshed, listed and released, and their history is told [G1, G2]", async () => {
    const settings = throughPooler();
    const [a, b] = [openLab(settings), openLab(settings)];
    try {
      const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => a.claim(`arm ${i}`, { type: "node" })));
      await Promise.all(claims.map(({ name }) => a.refresh(name)));
      await expect(b.claim("arm 0", { type: "node" })).rejects.toMatchObject({ code: "held" });
      const listed: string[] = [];
      for await (const { name } of b.list()) listed.push(name);
      expect(listed).toHaveLength(20);
      await Promise.all(claims.map((claim) => claim.release()));
      expect(await b.history("arm 0")).toHaveLength(1);
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  });

  it("who waits looks by itself, and has the name within a second of its release [G12]", async () => {
    const settings = throughPooler();
    const [a, b] = [openLab(settings), openLab(settings)];
    try {
      const claim = await a.claim("arm", { type: "node" });
      const waiting = b.claim("arm", { type: "node", waitMs: 20_000 });
      await sleep(1_000);
      const start = performance.now();
      await claim.release();
      expect((await waiting).held).toBe(true);
      expect(performance.now() - start).toBeLessThan(1_500);
      // Nobody listens in a server process that somebody else uses next.
      expect(await server.query("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")).toEqual([]);
    } finally {
      await Promise.all([a.close(), b.close()]);
    }
  });

  it("no session is left in another state than it was in [G12]", async () => {
    const settings = throughPooler();
    const lab = openLab(settings);
    try {
      await (await lab.claim("arm", { type: "node" })).release();
      const { rows } = await inspect(settings);
      expect(rows).toEqual([{ lock_timeout: "0", synchronous_commit: "on", search_path: '"$user", public' }]);
    } finally {
      await lab.close();
    }
  });
});

async function inspect(settings: PostgresSettings) {
  const { default: pg } = await import("pg");
  const client = new pg.Client({
    host: "127.0.0.1",
    port: settings.hosts[0]?.port ?? 0,
    user: SUPERUSER,
    database: "postgres",
  });
  await client.connect();
  try {
    return await client.query(
      "SELECT current_setting('lock_timeout') AS lock_timeout, current_setting('synchronous_commit') AS synchronous_commit, current_setting('search_path') AS search_path",
    );
  } finally {
    await client.end();
  }
}
