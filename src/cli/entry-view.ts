/** How an entry is shown: one set of words for `list`, `show`, `watch` and `revoke`. */
import type { RegistryLock } from "../core/entry.js";
import { type LockState, RECOVERY_INSTANCE } from "../core/lock-rules.js";
import type { NamedEntry } from "../registry/registry.js";
import { displayTime } from "./output.js";
import type { StoredMetadata } from "./stored-metadata.js";

/**
 * - `held`: a live process has it, as far as can be known.
 * - `revoked`: held still, by a holder that was told to give it up.
 * - `held-back`: nobody's for a while after damage, since a process whose lock was lost in it may hold it.
 * - `crashed`: its holder's process was proved dead, and has not given it up. Anybody may take it.
 * - `silent`: its holder has shown no sign of life for its TTL. Its process may be stopped, and may go on; anybody may
 *   take it.
 * - `free`: nobody has it.
 */
export type EntryStatus = "held" | "revoked" | "held-back" | "crashed" | "silent" | "free";

export function entryStatus({ entry, state, revocation }: NamedEntry): EntryStatus {
  if (state.kind === "held") {
    if (state.lock.holderInstance === RECOVERY_INSTANCE) return "held-back";
    return revocation === null ? "held" : "revoked";
  }
  return holdersLock(entry.lock) === null ? "free" : freeStatus(state);
}

/** Of a lock that stands, and that anybody may take. */
export function freeStatus({ why }: LockState & { readonly kind: "free" }): "crashed" | "silent" {
  return why === "dead" ? "crashed" : "silent";
}

/** The status where there is room for the time that belongs to it. */
export function statusInWords(named: NamedEntry): string {
  const status = entryStatus(named);
  const { lock } = named.entry;
  return status === "held-back" && lock !== null ? `held back until ${displayTime(lock.expiresAt)}` : status;
}

/** The lock, where it is a holder's: by the one that is written after damage, nobody holds the name. */
export function holdersLock(lock: RegistryLock | null): RegistryLock | null {
  return lock?.holderInstance === RECOVERY_INSTANCE ? null : lock;
}

/** Keys are the reference's where it has them. */
export function entryJson(named: NamedEntry): object {
  const { name, entry, state, token, waiters } = named;
  const status = entryStatus(named);
  const lock = holdersLock(entry.lock);
  return {
    name,
    id: entry.id,
    type: entry.componentType,
    last_seen: new Date(entry.lastSeen).toISOString(),
    locked: state.kind === "held",
    status,
    ...(status === "held-back" && entry.lock !== null ? { until: new Date(entry.lock.expiresAt).toISOString() } : {}),
    token,
    holder: lock === null ? null : holderJson(lock),
    waiters: waiters.length,
  };
}

/** All that `show` knows. */
export function entryDetailsJson(named: NamedEntry, metadata?: StoredMetadata): object {
  const { entry, revocation, state } = named;
  return {
    ...entryJson(named),
    created_at: new Date(entry.createdAt).toISOString(),
    workcell_id: entry.workcellId,
    ...(metadata === undefined ? { metadata: entry.metadata } : metadata.json),
    ...(state.kind === "held"
      ? { lapses_in_ms: Math.ceil(state.lapsesInMs), decided: state.decided }
      : { free_because: state.why }),
    revocation: revocation === null ? null : { reason: revocation.reason, at: new Date(revocation.at).toISOString() },
  };
}

export function holderText({ holderHost, holderPid }: Pick<RegistryLock, "holderHost" | "holderPid">): string {
  return `${holderHost} (PID ${holderPid})`;
}

export function holderJson(lock: RegistryLock): object {
  return {
    host: lock.holderHost,
    pid: lock.holderPid,
    instance: lock.holderInstance,
    since: new Date(lock.acquiredAt).toISOString(),
    until: new Date(lock.expiresAt).toISOString(),
  };
}
