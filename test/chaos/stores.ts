import { join } from "node:path";
import { startEtcd } from "../../bench/servers/etcd.ts";
import { startPostgres } from "../../bench/servers/postgres.ts";
import type { Start } from "../../bench/servers/server.ts";
import { listedState, readFinalState } from "./final-state.ts";
import type { RegistryUnderTest, StoreRig } from "./store-rig.ts";

/** What `--store` may name. */
export const STORES = {
  file: { ...ofFile((directory) => join(directory, "registry.json")), isPythons: true },
  sqlite: ofFile((directory) => `sqlite:${join(directory, "lab.db")}`),
  postgres: ofServer(startPostgres, (url, name) => `${url}?schema=${name}`),
  // The server makes leases of two seconds at least.
  etcd: { ...ofServer(startEtcd, (url, name) => `${url.replace("http:", "etcd:")}/${name}`), ttlMs: 3_000 },
} as const satisfies Record<string, StoreRig>;

export type StoreName = keyof typeof STORES;

function ofFile(locationIn: (directory: string) => string): StoreRig {
  return {
    isOnDisk: true,
    isPythons: false,
    ttlMs: 1_500,
    heartbeatMs: 400,
    open: async (directory) => {
      const location = locationIn(directory);
      return {
        location,
        otherLocation: `${location}.other`,
        finalState: async () => readFinalState(location),
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
  };
}

/** One server for one registry, reached over the loopback device. */
function ofServer(start: Start, locationOf: (url: string, registry: string) => string): StoreRig {
  return {
    isOnDisk: false,
    isPythons: false,
    ttlMs: 1_500,
    heartbeatMs: 400,
    open: async (_directory, scratch): Promise<RegistryUnderTest> => {
      const server = await start(scratch);
      if ("missing" in server) throw new Error(server.missing);
      const location = locationOf(server.url, "chaos");
      return {
        location,
        otherLocation: locationOf(server.url, "other"),
        finalState: () => listedState(location),
        [Symbol.asyncDispose]: () => server.stop(),
      };
    },
  };
}
