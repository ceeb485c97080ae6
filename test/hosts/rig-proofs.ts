/** What the rig must convict, so that its acquittals mean something. */
import type { Violation } from "../chaos/history.ts";
import type { PlannedFault } from "../chaos/schedule.ts";
import { type Place, TTL_MS } from "./campaign.ts";
import type { PlannedOutage } from "./schedule.ts";

export interface RigProof {
  /** How the client on the first of the hosts is broken. */
  readonly client?: Omit<Place, "host">;
  /** How those on both hosts are. Default: they hold for a moment, so that all names pass through all hands. */
  readonly clients?: Omit<Place, "host">;
  readonly faults: readonly PlannedFault[];
  readonly outages?: readonly PlannedOutage[];
  readonly isFenced?: boolean;
  /** One of these must be found. Which, a busy machine may decide. */
  readonly convictions: readonly Violation["guarantee"][];
}

/** Long enough for another to be given what the stopped client held, leases of etcd rounded up. */
const STOPPED_MS = 2 * TTL_MS;

/** The broken client's clock runs ahead, and it is stopped past its TTL, twice. */
const AHEAD_AND_STOPPED: readonly PlannedFault[] = [
  { kind: "clock-step", atMs: 300, slot: 0, offsetSeconds: 3_600 },
  { kind: "stop", atMs: 1_500, slot: 0, forMs: STOPPED_MS, thenKill: false },
  { kind: "stop", atMs: 2_500 + STOPPED_MS, slot: 0, forMs: STOPPED_MS, thenKill: false },
];

/**
 * More than once: who happens to hold a name for long just then asks for nothing. Shorter than a TTL, and after the first
 * time while the broken clients of that host are stopped, so that their own lies are not cut short.
 */
const ISOLATED_AT_MS = [1_000, 5_000, 9_000, 12_000] as const;

export const RIG_MS = 3_500 + 2 * STOPPED_MS;

/** The broken client is on the first, and another on the second. */
export const RIG_HOSTS = ["d", "a"] as const;

export const RIG_PROOFS: Readonly<Record<string, RigProof>> = {
  "a client that ignores its loss": {
    client: { misbehaviour: "always-held", holdsLong: true },
    faults: AHEAD_AND_STOPPED,
    convictions: ["G4"],
  },
  "a client that shows no token": {
    client: { misbehaviour: "no-token", holdsLong: true },
    faults: AHEAD_AND_STOPPED,
    convictions: ["G5"],
  },
  "a wrapper that answers from a cache": {
    client: { broken: "stale-held", holdsLong: true },
    faults: AHEAD_AND_STOPPED,
    convictions: ["G2", "G4"],
  },
  "a client that judges by its own clock": {
    client: { broken: "own-clock", holdsLong: false },
    clients: { holdsLong: true },
    faults: AHEAD_AND_STOPPED.filter((fault) => fault.kind === "clock-step"),
    convictions: ["G2", "G4", "G7"],
  },
  "a resource that looks at no token": {
    client: { holdsLong: true },
    isFenced: false,
    faults: AHEAD_AND_STOPPED,
    convictions: ["G5"],
  },
  "a store that a partition does not stop": {
    clients: { isBesideNetwork: true },
    faults: [],
    outages: ISOLATED_AT_MS.map((atMs) => ({ kind: "isolate", host: RIG_HOSTS[0], atMs, forMs: 2_000 })),
    convictions: ["G2", "G11"],
  },
};
