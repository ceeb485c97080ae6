/** The two lines that most people write, `SET NX PX` and a compare-and-delete, without Redlock around them. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Locks, Peer } from "./peer.ts";
import { SHORT_TIMES } from "./peer.ts";

const RELEASE = `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end`;
const RETRY_MS = 20;
const TTL_MS = 30_000;

const common = {
  waits: `tries again every ${RETRY_MS} ms`,
  pollMs: RETRY_MS,
  lossIsTold: false,
  floor: "calibration/loopback",
  death: {
    kind: "ttl",
    usual: { ttlMs: TTL_MS, heartbeatMs: TTL_MS / 3, why: "no default: namehold's and MADSci's 30 s" },
    shortest: { ...SHORT_TIMES, why: "as short as namehold's own shortest in these tables" },
  },
  locate: (_directory: string, url: string) => url,
  connect,
} as const;

export const redis: Peer = {
  ...common,
  id: "redis",
  title: "Redis SET NX PX",
  needs: "redis",
  includes: { durability: "none: memory only", history: false, presence: false, token: false },
};

export const redisAof: Peer = {
  ...common,
  id: "redis-aof",
  title: "Redis SET NX PX, AOF always",
  needs: "redis-aof",
  includes: { durability: "fsync before each reply", history: false, presence: false, token: false },
};

async function connect({ location, ttlMs = TTL_MS }: { location: string; ttlMs?: number | undefined }): Promise<Locks> {
  const { Redis } = await import("ioredis");
  const client = new Redis(location, { lazyConnect: true, retryStrategy: () => null });
  await client.connect();
  client.defineCommand("releaseLock", { numberOfKeys: 1, lua: RELEASE });
  const releaseLock = Reflect.get(client, "releaseLock").bind(client) as (
    key: string,
    value: string,
  ) => Promise<number>;
  return {
    async acquire(name) {
      const value = randomUUID();
      while ((await client.set(name, value, "PX", ttlMs, "NX")) !== "OK") await sleep(RETRY_MS);
      let held = true;
      return {
        get held() {
          return held;
        },
        async release() {
          held = false;
          if ((await releaseLock(name, value)) !== 1) throw new Error(`${name} was not ours any more`);
        },
      };
    },
    async close() {
      client.disconnect();
    },
  };
}
