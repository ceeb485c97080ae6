import { type Locks, type Peer, SHORT_TIMES } from "./peer.ts";

const TTL_MS = 30_000;

const common = {
  waits: "its defaults: tries again after 200 ms ± 100 ms",
  pollMs: 300,
  lossIsTold: true,
  floor: "calibration/loopback",
  death: {
    kind: "ttl",
    usual: { ttlMs: TTL_MS, heartbeatMs: TTL_MS / 3, why: "no default: namehold's and MADSci's 30 s" },
    shortest: { ...SHORT_TIMES, why: "as short as namehold's own shortest in these tables" },
  },
  locate: (_directory: string, url: string) => url,
  connect,
} as const;

export const redlock: Peer = {
  ...common,
  id: "redlock",
  title: "redlock on one Redis",
  needs: "redis",
  includes: { durability: "none: memory only", history: false, presence: false, token: false },
};

export const redlockAof: Peer = {
  ...common,
  id: "redlock-aof",
  title: "redlock on one Redis, AOF always",
  needs: "redis-aof",
  includes: { durability: "fsync before each reply", history: false, presence: false, token: false },
};

interface Times {
  readonly location: string;
  readonly ttlMs?: number | undefined;
  readonly heartbeatMs?: number | undefined;
}

async function connect({ location, ttlMs = TTL_MS, heartbeatMs = ttlMs / 3 }: Times): Promise<Locks> {
  const [{ Redis }, { default: Redlock }] = await Promise.all([import("ioredis"), import("redlock")]);
  const client = new Redis(location, { lazyConnect: true, retryStrategy: () => null });
  await client.connect();
  // -1: as long as it takes.
  const redlockClient = new Redlock([client], { retryCount: -1 });
  return {
    async acquire(name) {
      let lock = await redlockClient.acquire([name], ttlMs);
      let held = true;
      // What its `using` does, one timer a lock.
      const extend = async (): Promise<void> => {
        try {
          lock = await lock.extend(ttlMs);
          if (held) timer = setTimeout(() => void extend(), heartbeatMs);
        } catch {
          // It could not be extended: to its holder that is the loss.
          held = false;
        }
      };
      let timer = setTimeout(() => void extend(), heartbeatMs);
      return {
        get held() {
          return held;
        },
        async release() {
          held = false;
          clearTimeout(timer);
          await lock.release();
        },
      };
    },
    async close() {
      client.disconnect();
    },
  };
}
