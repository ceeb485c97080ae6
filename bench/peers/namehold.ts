/** Our own stores, through the public face of the built package. */
import { basename, join } from "node:path";
import { loadNamehold } from "../harness/namehold.ts";
import { nameAt } from "../harness/protocol.ts";
import { type ConnectOptions, type Locks, type Peer, SHORT_TIMES } from "./peer.ts";

const WAIT_MS = 600_000;
/** New names that are made at once: in a file they share a write. */
const FILL_BATCH = { file: 2_000, engine: 256 };
const DEFAULT_TTL_MS = 30_000;

const common = {
  waits: "is woken, in the order of asking",
  pollMs: 0,
  lossIsTold: true,
  death: { kind: "seen" },
  connect: (options: ConnectOptions) => connect(options, FILL_BATCH.file),
} as const;

const engine = {
  ...common,
  death: {
    kind: "ttl",
    usual: { ttlMs: DEFAULT_TTL_MS, heartbeatMs: DEFAULT_TTL_MS / 3, why: "its defaults" },
    shortest: { ...SHORT_TIMES, why: "as short as elsewhere in these tables" },
  },
  connect: (options: ConnectOptions) => connect(options, FILL_BATCH.engine),
} as const;

export const nameholdJson: Peer = {
  ...common,
  id: "json",
  title: "namehold, JSON file",
  includes: { durability: "fdatasync of each write", history: true, presence: true, token: true },
  floor: "calibration/fdatasync",
  locate: (directory) => join(directory, "registry.json"),
};

export const nameholdSqlite: Peer = {
  ...common,
  id: "sqlite",
  title: "namehold, SQLite",
  includes: {
    durability: "identities synced; locks survive a crash, not a power loss",
    history: true,
    presence: true,
    token: true,
  },
  floor: "calibration/sqlite",
  locate: (directory) => `sqlite:${join(directory, "registry.db")}`,
};

export const nameholdSqliteFull: Peer = {
  ...common,
  id: "sqlite-full",
  dataOf: "sqlite",
  title: "namehold, SQLite, durability=full",
  includes: { durability: "each commit synced", history: true, presence: true, token: true },
  floor: "calibration/sqlite-full",
  locate: (directory) => `sqlite:${join(directory, "registry.db")}?durability=full`,
};

export const nameholdPostgres: Peer = {
  ...engine,
  id: "postgres",
  title: "namehold, PostgreSQL",
  needs: "postgres",
  includes: { durability: "WAL synced at each commit", history: true, presence: false, token: true },
  floor: "calibration/postgres-update",
  // A schema each, in one database.
  locate: (directory, url) => `${url}?schema=bench_${basename(directory)}`,
};

export const nameholdEtcd: Peer = {
  ...engine,
  id: "etcd",
  title: "namehold, etcd",
  needs: "etcd",
  includes: { durability: "raft log synced at each write", history: true, presence: false, token: true },
  floor: "calibration/etcd-transaction",
  locate: (directory, url) => `etcd://${new URL(url).host}/bench-${basename(directory)}`,
};

async function connect({ location, ttlMs, heartbeatMs }: ConnectOptions, fillBatch: number): Promise<Locks> {
  const { openRegistry } = await loadNamehold();
  const registry = await openRegistry(location, {
    ...(ttlMs === undefined ? {} : { lockTtlMs: ttlMs }),
    ...(heartbeatMs === undefined ? {} : { heartbeatIntervalMs: heartbeatMs }),
  });
  return {
    store: registry.store,
    async acquire(name) {
      const claim = await registry.claim(name, { type: "node", waitMs: WAIT_MS });
      return {
        get held() {
          return claim.held;
        },
        async release() {
          if (!(await claim.release())) throw new Error(`${name} was not ours any more`);
        },
      };
    },
    lookup: (name) => registry.lookup(name),
    resolve: (name) => registry.resolve(name, { type: "node" }),
    async fill(population) {
      for (let from = 0; from < population; from += fillBatch) {
        const size = Math.min(fillBatch, population - from);
        await Promise.all(Array.from({ length: size }, (_, i) => registry.resolve(nameAt(from + i), { type: "node" })));
      }
    },
    close: () => registry.close(),
  };
}
