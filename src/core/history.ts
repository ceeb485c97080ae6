/** What is remembered of holds that are over. */
import type { HeldBy } from "./errors.js";
import type { Revocation } from "./record.js";
import type { WallMs } from "./timing.js";

/**
 * How a hold ended.
 *
 * - `released`: its holder gave it up.
 * - `crashed`: its process was proved dead. It may have died at any moment since its last heartbeat.
 * - `silent`: it gave no sign of life for its TTL, or so late that it gave up by itself.
 * - `revoked`: an operator ended it.
 * - `renamed`: the name was given to nobody, its entry another name, while it was held.
 * - `lost`: it was taken away otherwise: by a removal, an import, a Python process.
 */
export interface Ending {
  readonly how: "released" | "crashed" | "silent" | "revoked" | "renamed" | "lost";
  /** The operator's words, the new name, who took it, what a silent holder has done about it. */
  readonly detail?: string;
}

/** One holder's time with one name. */
export interface PastHold {
  readonly name: string;
  /** The entry's ID, by which its holds are found under its earlier names. */
  readonly id: string;
  readonly holder: HeldBy;
  /** Null for holders that take none (Python). */
  readonly token: number | null;
  /**
   * When its lock was acquired. A lock that a rename has brought to another name is that name's hold from then on, a
   * record of its own when it ends: with the same holder, token and `since`, which is before the rename.
   */
  readonly since: WallMs;
  /** Its last sign of life that is known. May be before a rename, as `since` may. */
  readonly lastHeartbeat: WallMs;
  /**
   * When its lock went away; for `crashed` and `silent`, when somebody took it away. For an observed end, the latest
   * moment at which it can have been.
   */
  readonly until: WallMs;
  readonly ending: Ending;
  /** Nobody told of its end: it was inferred from what a later look found (a Python process has written the file). */
  readonly observed: boolean;
}

/** How a hold ends whose lock goes away after an operator has revoked it. */
export function revokedBy({ reason }: Revocation): Ending {
  return { how: "revoked", detail: reason };
}

/** Holds of that name or of that ID; all holds, when neither is given. */
export interface HistoryQuery {
  readonly name?: string;
  readonly id?: string;
}

/** Whether two records are of one hold: nobody is granted a name twice in the same moment. */
export function isSameHold(a: HoldKey, b: HoldKey): boolean {
  return a.name === b.name && a.holder.instance === b.holder.instance && a.since === b.since && a.token === b.token;
}

type HoldKey = Pick<PastHold, "name" | "holder" | "since" | "token">;

export function isAskedFor(hold: PastHold, { name, id }: HistoryQuery): boolean {
  return (name === undefined && id === undefined) || hold.name === name || hold.id === id;
}
