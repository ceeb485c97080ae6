import type { Store } from "../../src/stores/store.ts";
import type { ServerKind } from "../servers/server.ts";

/** A kind of lock that a user could pick, as this package sees it. One file each; heavy modules load in `connect`. */
export interface Peer {
  readonly id: string;
  readonly title: string;
  readonly includes: Includes;
  /** How a waiter learns that the name is free. */
  readonly waits: string;
  /** The longest time for which a waiter sees nothing; 0 where it is woken. */
  readonly pollMs: number;
  /** Whether a holder can learn from the peer that its lock is gone; else others' view is looked at. */
  readonly lossIsTold: boolean;
  /** A server, or another installation, that it needs. */
  readonly needs?: ServerKind;
  /** The process that speaks for it; this package's worker when not given. */
  readonly runtime?: "python";
  /** The calibration row that shows how near it is to the physical limit. */
  readonly floor: string;
  /** What becomes of the lock of a process that dies. */
  readonly death: Death;
  /** The peer whose data it can share; its own when not given. */
  readonly dataOf?: string;
  /** Where its data lie: in `directory`, or on the server. */
  locate(directory: string, serverUrl: string): string;
  /** Runs in a worker. Absent for another runtime. */
  connect?(options: ConnectOptions): Promise<Locks>;
}

/** What one acquire and release does beside excluding. */
export interface Includes {
  readonly durability: string;
  /** Whether who held what when can be asked later. */
  readonly history: boolean;
  /** Whether the death of a holder is seen at once. */
  readonly presence: boolean;
  /** Whether the holder is given a number that only rises. */
  readonly token: boolean;
}

export type Death =
  /** Seen at once; there is nothing to set. */
  { readonly kind: "seen" } | { readonly kind: "ttl"; readonly usual: Times; readonly shortest: Times };

export interface Times {
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /** Where these times come from. */
  readonly why: string;
}

export interface ConnectOptions {
  readonly location: string;
  readonly ttlMs?: number | undefined;
  readonly heartbeatMs?: number | undefined;
}

export interface Locks {
  /** Takes the name, waiting for it as long as it takes. */
  acquire(name: string): Promise<Grip>;
  /** For stores of names. */
  readonly lookup?: (name: string) => Promise<unknown>;
  readonly resolve?: (name: string) => Promise<unknown>;
  /** Makes the names of a population that are not there yet. */
  readonly fill?: (population: number) => Promise<void>;
  /** What is under namehold, for processes that are simulated. */
  readonly store?: Store;
  close(): Promise<void>;
}

export interface Grip {
  /** As far as the holder is told: whether it is still its own. */
  readonly held: boolean;
  release(): Promise<void>;
}

/** Three refreshes a TTL, as short as the targets ask of namehold. */
export const SHORT_TIMES = { ttlMs: 1_500, heartbeatMs: 500 } as const;
