/** The lock of etcd3, the usual npm client: a lease and a key a lock, over gRPC. Who does not get it must try again. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Locks, Peer } from "./peer.ts";

const TTL_MS = 30_000;
/** The library leaves it to its caller; this is on the eager side, as for the others. */
const RETRY_MS = 20;

export const etcd3: Peer = {
  id: "etcd3",
  title: "etcd3 lock (npm)",
  needs: "etcd",
  includes: { durability: "raft log synced at each write", history: false, presence: false, token: false },
  waits: `tries again every ${RETRY_MS} ms`,
  pollMs: RETRY_MS,
  // Its lease has an event for it, which its lock keeps to itself.
  lossIsTold: false,
  floor: "calibration/etcd-transaction",
  death: {
    kind: "ttl",
    usual: { ttlMs: TTL_MS, heartbeatMs: TTL_MS / 3, why: "its defaults" },
    shortest: {
      ttlMs: 2_000,
      heartbeatMs: 2_000 / 3,
      why: "the least that etcd grants with its default election timeout",
    },
  },
  locate: (_directory, url) => url,

  async connect({ location, ttlMs = TTL_MS }): Promise<Locks> {
    const { Etcd3, EtcdLockFailedError } = await import("etcd3");
    const client = new Etcd3({ hosts: location });
    return {
      async acquire(name) {
        const take = async () => {
          for (;;) {
            try {
              return await client
                .lock(name)
                .ttl(ttlMs / 1_000)
                .acquire();
            } catch (error) {
              if (!(error instanceof EtcdLockFailedError)) throw error;
            }
            await sleep(RETRY_MS);
          }
        };
        const lock = await take();
        let held = true;
        return {
          get held() {
            return held;
          },
          async release() {
            held = false;
            await lock.release();
          },
        };
      },
      async close() {
        client.close();
      },
    };
  },
};
