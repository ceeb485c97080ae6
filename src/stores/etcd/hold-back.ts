/**
 * After an older snapshot of etcd was restored, locks may be missing whose holders do not know it yet. Who notices makes a
 * key that ends with a lease; as long as it is there, nobody is granted what is free.
 *
 * @see docs/SPEC.md#G2
 */
import { RECOVERY_INSTANCE } from "../../core/lock-rules.js";
import { monotonicMs, type WallMs } from "../../core/timing.js";
import type { LockRow, Pulse } from "../records/rows.js";
import { leaseSeconds, startLease, withLease } from "./own-life.js";
import { REVISIONS } from "./stored.js";
import type { Tools } from "./tools.js";
import { isMissing, type Kv, put } from "./wire.js";

const HOLD_BACK_MS_MIN = 30_000;

interface StoredRecovery {
  readonly wallAt: WallMs;
  readonly ttlMs: number;
}

/**
 * Begins it, unless somebody has.
 *
 * @param ttlsMs of holders that are known: others may have the same
 * @throws OutcomeUnknown; RegistryError `unreachable`
 */
export async function holdBack({ client, clock, keys }: Tools, ttlsMs: Iterable<number>): Promise<void> {
  const value: StoredRecovery = { wallAt: clock.wallMs(), ttlMs: Math.max(HOLD_BACK_MS_MIN, ...ttlsMs) };
  const lease = startLease(client, clock, leaseSeconds(value.ttlMs));
  const write = put(keys.recovery, JSON.stringify(value), lease.id);
  await withLease(lease, () => client.txn([isMissing(keys.recovery)], [write]));
}

/** Nobody's lock, by which a free name is held back. */
export function heldBackBy(recovery: Kv): LockRow {
  const { wallAt, ttlMs } = JSON.parse(recovery.value) as StoredRecovery;
  return {
    id: "",
    life: 0,
    instance: RECOVERY_INSTANCE,
    pid: 0,
    host: "",
    ttlMs,
    token: 0,
    acquiredAt: wallAt,
    refreshedAt: monotonicMs(recovery.mod),
    refreshedWall: wallAt,
    follows: false,
    revocation: null,
    pulse: pulseOf(recovery),
  };
}

/** A lock whose holder is gone may have been another's since. */
export function heldBackAs(lock: LockRow, recovery: Kv): LockRow {
  return lock.pulse === null ? { ...lock, pulse: pulseOf(recovery) } : lock;
}

function pulseOf({ mod, value }: Kv): Pulse {
  const { wallAt } = JSON.parse(value) as StoredRecovery;
  return { beat: 0, at: monotonicMs(mod), wallAt, clock: REVISIONS };
}
