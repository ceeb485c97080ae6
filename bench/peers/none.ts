import type { Peer } from "./peer.ts";

/** A lock that excludes nobody, which no table shows: the proof of exclusion must find it out. */
export const none: Peer = {
  id: "none",
  title: "no lock",
  includes: { durability: "none", history: false, presence: false, token: false },
  waits: "never",
  pollMs: 0,
  lossIsTold: true,
  floor: "calibration/flock",
  death: { kind: "seen" },
  locate: (directory) => directory,
  connect: async () => ({
    acquire: async () => ({ held: true, release: async () => undefined }),
    close: async () => undefined,
  }),
};
