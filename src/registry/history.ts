/** The holds that stand and those that are over, as one story. */
import { type HistoryQuery, isSameHold, type PastHold } from "../core/history.js";
import { heldBy, type LockState, RECOVERY_INSTANCE } from "../core/lock-rules.js";
import { checkName } from "../core/name.js";
import type { Revocation } from "../core/record.js";
import type { WallMs } from "../core/timing.js";
import type { NamedEntry, Registry } from "./registry.js";
import { notFound } from "./registry-place.js";

/**
 * One holder's time with one name. Here a hold of a name that a rename has brought its lock to begins with the rename, and
 * not, as in the store's record, when the lock was acquired under the earlier name.
 */
export type Hold = EndedHold | StandingHold;

export interface EndedHold extends PastHold {
  readonly kind: "ended";
}

/** The lock is there. Its holder may be gone all the same: see `state`. */
export interface StandingHold extends Pick<PastHold, "name" | "id" | "holder" | "token" | "since" | "lastHeartbeat"> {
  readonly kind: "standing";
  readonly state: LockState;
  readonly revocation: Revocation | null;
}

/** @throws RegistryError `not-found` */
export async function historyOf(registry: Registry, nameOrId?: string): Promise<readonly Hold[]> {
  // First the present: a hold that ends meanwhile is then found twice, and not missed.
  const entries = await entriesOf(registry, nameOrId);
  const ended: PastHold[] = [];
  for await (const hold of registry.store.history(queryFor(nameOrId, entries[0]))) ended.push(hold);
  if (nameOrId !== undefined && entries.length === 0 && ended.length === 0)
    throw notFound(nameOrId, registry.location, { what: "name or ID", also: ", nor on record" });
  const standing = entries
    .map(standingHold)
    .filter((hold) => hold !== undefined)
    .filter((hold) => !ended.some((other) => isSameHold(other, hold)))
    .toSorted((a, b) => b.since - a.since);
  return sinceRenames([...standing, ...ended.map((hold): EndedHold => ({ kind: "ended", ...hold }))]);
}

/**
 * What is known of a hold at one moment.
 *
 * - `held`: its holder had the name.
 * - `silent`: its lock was there, but no sign of life came after that moment; the holder may have been dead.
 * - `unclear`: it may have been over already; nobody looked in between.
 *
 * @returns undefined when it had not begun, or was over
 */
export function stateAt(hold: Hold, at: WallMs): "held" | "silent" | "unclear" | undefined {
  if (at < hold.since) return undefined;
  const isQuiet = at > hold.lastHeartbeat;
  if (hold.kind === "standing") return isQuiet && hold.state.kind === "free" ? "silent" : "held";
  if (at >= hold.until) return undefined;
  if (!isQuiet) return "held";
  if (hold.ending.how === "crashed" || hold.ending.how === "silent") return "silent";
  return hold.observed ? "unclear" : "held";
}

async function entriesOf(registry: Registry, nameOrId: string | undefined): Promise<readonly NamedEntry[]> {
  if (nameOrId === undefined) return Array.fromAsync(registry.list());
  checkName(nameOrId);
  const found = await registry.find(nameOrId);
  return found === null ? [] : [found];
}

function queryFor(nameOrId: string | undefined, found: NamedEntry | undefined): HistoryQuery {
  if (nameOrId === undefined) return {};
  if (found === undefined) return { name: nameOrId, id: nameOrId };
  return found.name === nameOrId ? { name: nameOrId, id: found.entry.id } : { id: nameOrId };
}

function standingHold({ name, entry, token, state, revocation }: NamedEntry): StandingHold | undefined {
  const { id, lock } = entry;
  // The lock by which a name is held back after damage is nobody's hold.
  if (lock === null || lock.holderInstance === RECOVERY_INSTANCE) return undefined;
  const { acquiredAt: since, heartbeatAt: lastHeartbeat } = lock;
  return { kind: "standing", name, id, holder: heldBy(lock), token, since, lastHeartbeat, state, revocation };
}

function sinceRenames(holds: readonly Hold[]): readonly Hold[] {
  const renames = holds.filter((hold) => hold.kind === "ended").filter(({ ending }) => ending.how === "renamed");
  return holds.map((hold) => {
    const until = hold.kind === "ended" ? hold.until : Number.POSITIVE_INFINITY;
    // The last to end comes first: of several renames to and fro, the one that this hold began with.
    const rename = renames.find(
      (earlier) =>
        earlier !== hold &&
        earlier.until <= until &&
        earlier.ending.detail === hold.name &&
        isSameHold({ ...earlier, name: hold.name }, hold),
    );
    return rename === undefined ? hold : { ...hold, since: rename.until };
  });
}
