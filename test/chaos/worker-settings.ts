/** What a worker is told, as JSON, in its one argument. */
export interface WorkerSettings {
  /** Its journal's name in the run. */
  readonly process: string;
  readonly journalPath: string;
  /** As `openRegistry` takes it. */
  readonly registryPath: string;
  readonly resourcePath: string;
  /** The names that all workers contend for. */
  readonly names: readonly string[];
  readonly seed: number;
  readonly ttlMs: number;
  readonly heartbeatMs: number;
  /** How many things it does at once. */
  readonly loops: number;
  readonly misbehaviour: Misbehaviour | null;
  /** Whether all its holds last for a TTL and more, and not a few of them. Default false. */
  readonly holdsLong?: boolean;
}

/**
 * Lies and faults of a worker, by which the rig itself is tested; the library has no part in them.
 *
 * - `always-held`: samples say `held` after a loss too
 * - `no-token`: writes to the guarded resource show no token
 * - `idle-increment`: acknowledges increments that it did not make
 * - `other-file`: was given the location of another registry, so that it excludes nobody
 * - `revoke-now`: frees names that others hold, as an operator may at his own risk, and takes them
 */
export const MISBEHAVIOURS = ["always-held", "no-token", "idle-increment", "other-file", "revoke-now"] as const;
export type Misbehaviour = (typeof MISBEHAVIOURS)[number];
