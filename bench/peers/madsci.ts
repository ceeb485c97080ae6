import { join } from "node:path";
import type { Peer } from "./peer.ts";

/** MADSci's own registry, in Python: spoken for by madsci_worker.py, with the same commands as our worker. */
export const madsci: Peer = {
  id: "madsci",
  title: "Python MADSci",
  needs: "madsci",
  runtime: "python",
  includes: { durability: "none: written in place, never synced", history: false, presence: false, token: false },
  waits: "tries again every 2 s (fixed)",
  pollMs: 2_000,
  lossIsTold: false,
  floor: "calibration/flock",
  death: {
    kind: "ttl",
    usual: { ttlMs: 30_000, heartbeatMs: 10_000, why: "its defaults" },
    shortest: { ttlMs: 3_000, heartbeatMs: 1_000, why: "its heartbeat is in whole seconds; three a TTL" },
  },
  locate: (directory) => join(directory, "registry.json"),
};
