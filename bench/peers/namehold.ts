/** Our own stores, through the public face of the built package. */
import { join } from "node:path";
import { loadNamehold } from "../harness/namehold.ts";
import { nameAt } from "../harness/protocol.ts";
import type { ConnectOptions, Locks, Peer } from "./peer.ts";

const WAIT_MS = 600_000;
/** New names that are made at once: they share a write. */
const FILL_BATCH = 2_000;

const common = {
  waits: "is woken, in the order of asking",
  pollMs: 0,
  lossIsTold: true,
  death: { kind: "seen" },
  connect,
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

async function connect({ location, ttlMs, heartbeatMs }: ConnectOptions): Promise<Locks> {
  const { openRegistry } = await loadNamehold();
  const registry = await openRegistry(location, {
    ...(ttlMs === undefined ? {} : { lockTtlMs: ttlMs }),
    ...(heartbeatMs === undefined ? {} : { heartbeatIntervalMs: heartbeatMs }),
  });
  return {
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
      for (let from = 0; from < population; from += FILL_BATCH) {
        const size = Math.min(FILL_BATCH, population - from);
        await Promise.all(Array.from({ length: size }, (_, i) => registry.resolve(nameAt(from + i), { type: "node" })));
      }
    },
    close: () => registry.close(),
  };
}
