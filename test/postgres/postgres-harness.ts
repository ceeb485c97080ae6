import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { promisify } from "node:util";
import pg from "pg";
import { PostgresStore } from "../../src/stores/postgres/postgres-store.js";
import type { PostgresSettings } from "../../src/stores/postgres/settings.js";
import type { Store } from "../../src/stores/store.js";
import type { StoreFixture, StoreHarness } from "../../src/testing/store-contract.js";
import { SkippingClock } from "../contract/skipping-clock.js";
import { type PostgresServer, SUPERUSER } from "./postgres-server.js";

/** How a store is told where the server is. */
export function settingsOf(server: PostgresServer, schema: string): PostgresSettings {
  return {
    hosts: [{ host: "127.0.0.1", port: server.port }],
    user: SUPERUSER,
    database: "postgres",
    ssl: false,
    schema,
    location: `postgres://127.0.0.1:${server.port}/postgres?schema=${schema}`,
  };
}

export function newSchema(): string {
  return `lab ${randomUUID()}`;
}

/** One real server for all cases, each with a schema of its own, and handles with connections of their own. */
export function postgresHarness(server: () => PostgresServer): StoreHarness {
  return { name: "the PostgreSQL store", tellMs: 100, open: () => PostgresFixture.open(server()) };
}

const DEATH = "a server elsewhere cannot prove that a process is dead";
const RELEASE_NOW = "a network store cannot give up anything in the last moment of a process";

/** The cases that cannot hold. */
export const UNSUPPORTED: Readonly<Record<string, string>> = {
  "the names of a killed process are free at once, and it waits for none any more [G6]": DEATH,
  "a watch tells of the death of a name's holder [G6]": DEATH,
  "the name of a dead former holder is free at once [G6]": DEATH,
  "releaseNow gives up all locks and places of the holder, and nobody else's [G6]": RELEASE_NOW,
  "releaseNow releases what its holder holds, but for what an operator has revoked": RELEASE_NOW,
};

/** Time is cut out for this process and the server alike, by a server clock of the schema's own. */
class PostgresFixture implements StoreFixture {
  readonly store: Store;
  readonly #clock = new SkippingClock();
  readonly #server: PostgresServer;
  readonly #schema: string;
  readonly #admin: pg.Client;
  readonly #stores: Store[] = [];

  private constructor(server: PostgresServer, schema: string, admin: pg.Client) {
    this.#server = server;
    this.#schema = schema;
    this.#admin = admin;
    this.store = this.#open();
  }

  static async open(server: PostgresServer): Promise<PostgresFixture> {
    const admin = new pg.Client(server.url());
    admin.on("error", () => undefined);
    await admin.connect();
    const schema = newSchema();
    const fixture = new PostgresFixture(server, schema, admin);
    const maker = fixture.#open();
    await maker.commit({ holder: { instance: "maker", pid: 1, host: "", ttlMs: 1_000 }, parts: [] });
    await maker.close();
    await admin.query(`CREATE TABLE "${schema}".skipped (us bigint); INSERT INTO "${schema}".skipped VALUES (0);
      CREATE OR REPLACE FUNCTION "${schema}".now_us() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
      BEGIN RETURN floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + (SELECT us FROM "${schema}".skipped); END $$`);
    return fixture;
  }

  async another(): Promise<Store> {
    return this.#open();
  }

  async elapse(ms: number): Promise<void> {
    await this.#admin.query(`UPDATE "${this.#schema}".skipped SET us = us + $1`, [Math.round(ms * 1000)]);
    this.#clock.skip(ms);
  }

  /** Runs the command as an operator would. */
  async readBackup(backup: string): Promise<string> {
    const { stdout } = await promisify(execFile)("sh", ["-c", backup], { env: { ...process.env, PGUSER: SUPERUSER } });
    return stdout;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    await this.#admin.query(`DROP SCHEMA "${this.#schema}" CASCADE`);
    await this.#admin.end();
  }

  #open(): Store {
    const store = new PostgresStore(pg, settingsOf(this.#server, this.#schema), { clock: this.#clock });
    this.#stores.push(store);
    return store;
  }
}
