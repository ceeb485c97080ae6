import { join } from "node:path";
import BetterSqlite3 from "better-sqlite3";
import { ulid } from "ulid";
import { onTestFinished } from "vitest";
import type { Holder } from "../../../src/core/entry.js";
import type { EntryRecord } from "../../../src/core/record.js";
import { type OpenRegistryOptions, openRegistry, type Registry } from "../../../src/index.js";
import { SqliteStore, type SqliteStoreOptions } from "../../../src/stores/sqlite/sqlite-store.js";
import type { ChangePart, CommitResult, EntryWrite, Store } from "../../../src/stores/store.js";
import { temporaryDirectory } from "../json-file/lab-files.js";

export const NODE = { type: "node" } as const;
/** Nothing ends by its TTL while a test runs. */
export const LONG = { lockTtlMs: 600_000, heartbeatIntervalMs: 200_000 } as const;
const TTL_MS = 30_000;

/** A registry in an SQLite database, in a directory of its own, removed with the test. */
export class SqliteLab {
  readonly directory: string;
  readonly path: string;
  readonly location: string;
  readonly holders: string;

  constructor(directory = temporaryDirectory()) {
    this.directory = directory;
    this.path = join(directory, "lab.db");
    this.location = `sqlite:${this.path}`;
    this.holders = `${this.path}.holders`;
  }

  get idPath(): string {
    return join(this.holders, "registry-id");
  }

  /** A registry of this process over the database, closed with the test. */
  async open(options: OpenRegistryOptions = LONG): Promise<Registry> {
    const registry = await openRegistry(this.location, options);
    onTestFinished(() => registry.close());
    return registry;
  }

  /** A store of this process over the database, closed with the test. */
  store(options: SqliteStoreOptions = {}): SqliteStore {
    const store = new SqliteStore(this.path, options);
    onTestFinished(() => store.close());
    return store;
  }

  /** The database as any program sees it, closed with the test. */
  database(): BetterSqlite3.Database {
    const db = new BetterSqlite3(this.path, { timeout: 5_000 });
    onTestFinished(() => void db.close());
    return db;
  }
}

export function newHolder(): Holder {
  return { instance: ulid(), pid: process.pid, host: "here", ttlMs: TTL_MS };
}

export function creation(name: string, write: EntryWrite = {}): ChangePart {
  return { kind: "put", name, expect: "absent", write: { id: ulid(), componentType: "node", ...write } };
}

export async function done(result: Promise<CommitResult>): Promise<Extract<CommitResult, { readonly kind: "done" }>> {
  const it = await result;
  if (it.kind !== "done") throw new Error(`the commit should be done, not ${it.kind}`);
  return it;
}

/** Makes the name, or takes it when it is free, for the holder. */
export async function grant(
  store: Store,
  holder: Holder,
  name: string,
): Promise<EntryRecord & { readonly token: number }> {
  const { record } = await store.read(name);
  const lock = { lock: { kind: "grant" } } as const;
  const part: ChangePart =
    record === null ? creation(name, lock) : { kind: "put", name, expect: record.version, write: lock };
  const { snapshots } = await done(store.commit({ holder, parts: [part] }));
  return granted(snapshots.get(name)?.record ?? null);
}

function granted(record: EntryRecord | null): EntryRecord & { readonly token: number } {
  if (record === null || record.token === null) throw new Error("there should be a lock with a token");
  return { ...record, token: record.token };
}
