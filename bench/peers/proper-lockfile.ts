import { join } from "node:path";
import type { Locks, Peer } from "./peer.ts";

/** How often a waiter tries. The library leaves it to its caller; this is on the eager side. */
const RETRY_MS = 20;

export const properLockfile: Peer = {
  id: "proper-lockfile",
  title: "proper-lockfile",
  includes: {
    durability: "none: a directory is made, nothing is synced",
    history: false,
    presence: false,
    token: false,
  },
  waits: `tries again every ${RETRY_MS} ms`,
  pollMs: RETRY_MS,
  lossIsTold: true,
  floor: "calibration/flock",
  death: {
    kind: "ttl",
    usual: { ttlMs: 10_000, heartbeatMs: 5_000, why: "its defaults: stale 10 s, update 5 s" },
    shortest: { ttlMs: 2_000, heartbeatMs: 1_000, why: "the least that it accepts: stale 2 s, update 1 s" },
  },
  locate: (directory) => directory,

  async connect({ location, ttlMs, heartbeatMs }): Promise<Locks> {
    const { lock } = await import("proper-lockfile");
    return {
      async acquire(name) {
        let held = true;
        const release = await lock(join(location, name), {
          realpath: false,
          ...(ttlMs === undefined ? {} : { stale: ttlMs }),
          ...(heartbeatMs === undefined ? {} : { update: heartbeatMs }),
          retries: { forever: true, factor: 1, minTimeout: RETRY_MS, maxTimeout: RETRY_MS },
          onCompromised: () => {
            held = false;
          },
        });
        return {
          get held() {
            return held;
          },
          async release() {
            held = false;
            await release();
          },
        };
      },
      async close() {},
    };
  },
};
