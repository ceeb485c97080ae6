/** How an entry is shown: one set of words for `list`, `show` and `revoke`. */
import type { RegistryLock } from "../core/entry.js";
import type { NamedEntry } from "../registry/registry.js";

/**
 * - `held`: a live process has it, as far as can be known.
 * - `revoked`: held still, by a holder that was told to give it up.
 * - `crashed`: its holder ended without giving it up. Anybody may take it.
 * - `free`: nobody has it.
 */
export type EntryStatus = "held" | "revoked" | "crashed" | "free";

export function entryStatus({ entry, state, revocation }: NamedEntry): EntryStatus {
  if (state.kind === "held") return revocation === null ? "held" : "revoked";
  return entry.lock === null ? "free" : "crashed";
}

/** Keys are the reference's where it has them. */
export function entryJson(named: NamedEntry): object {
  const { name, entry, state, token, waiters } = named;
  return {
    name,
    id: entry.id,
    type: entry.componentType,
    last_seen: new Date(entry.lastSeen).toISOString(),
    locked: state.kind === "held",
    status: entryStatus(named),
    token,
    holder: entry.lock === null ? null : holderJson(entry.lock),
    waiters: waiters.length,
  };
}

/** All that `show` knows. */
export function entryDetailsJson(named: NamedEntry): object {
  const { entry, revocation, state } = named;
  return {
    ...entryJson(named),
    created_at: new Date(entry.createdAt).toISOString(),
    workcell_id: entry.workcellId,
    metadata: entry.metadata,
    ...(state.kind === "held"
      ? { lapses_in_ms: Math.ceil(state.lapsesInMs), decided: state.decided }
      : { free_because: state.why }),
    revocation: revocation === null ? null : { reason: revocation.reason, at: new Date(revocation.at).toISOString() },
  };
}

export function holderText({ holderHost, holderPid }: Pick<RegistryLock, "holderHost" | "holderPid">): string {
  return `${holderHost} (PID ${holderPid})`;
}

function holderJson(lock: RegistryLock): object {
  return {
    host: lock.holderHost,
    pid: lock.holderPid,
    instance: lock.holderInstance,
    since: new Date(lock.acquiredAt).toISOString(),
    until: new Date(lock.expiresAt).toISOString(),
  };
}
