import type { RegistryEntry } from "../../core/entry.js";
import type { Ending } from "../../core/history.js";
import { heldBy, RECOVERY_INSTANCE } from "../../core/lock-rules.js";
import { noteOf } from "./snapshot.js";
import type { Work } from "./work.js";

/**
 * Notes for the history that the lock on an entry ends in this turn; to be called while the lock's note is there. An entry
 * without a lock has nothing to end, and the lock by which a name is held back after damage is nobody's hold.
 */
export function endHold(work: Work, name: string, entry: Pick<RegistryEntry, "id" | "lock">, ending: Ending): void {
  const { id, lock } = entry;
  if (lock === null || lock.holderInstance === RECOVERY_INSTANCE) return;
  work.ended.push({
    name,
    id,
    holder: heldBy(lock),
    token: noteOf(work, name, lock)?.token ?? null,
    since: lock.acquiredAt,
    lastHeartbeat: lock.heartbeatAt,
    until: work.reading.wall,
    ending,
    observed: false,
  });
}
