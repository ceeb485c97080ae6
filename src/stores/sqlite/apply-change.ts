import { probePresence } from "../../platform/presence-probe.js";
import { namesIn } from "../records/change-parts.js";
import { Draft, type Life } from "../records/draft.js";
import type { OwnLocks } from "../records/own-locks.js";
import type { Reading } from "../records/reading.js";
import type { Looked } from "../records/rows.js";
import { judgeFormer } from "../records/snapshot.js";
import type { Change } from "../store.js";
import { fromSqlText } from "./sql-text.js";
import type { Transaction } from "./transaction.js";
import { writeDraft } from "./write-draft.js";

export interface Applied {
  /** False when a precondition failed; then nothing was changed. */
  readonly isDone: boolean;
  /** Each name that the change mentions, as it is now. */
  readonly looked: readonly Looked[];
  /** When. */
  readonly reading: Reading;
  readonly backup: string | undefined;
}

/** Whose change it is. */
export interface Changer {
  /** Null where it needs none: see `needsLife`. */
  readonly life: Life | null;
  readonly locks: OwnLocks | undefined;
}

/** Whether the change must be on the disk before it is told. @see docs/SPEC.md#G1 */
export function changesIdentities({ parts }: Change): boolean {
  return parts.some(({ kind, ...part }) => {
    if (kind === "put" && "write" in part) return part.expect === "absent" || part.write.source !== undefined;
    return kind === "remove" || kind === "rename" || kind === "recall";
  });
}

/**
 * All parts or none.
 *
 * @throws NameholdError `invalid-input`, `already-exists`, and when a backup cannot be kept; then nothing was changed
 */
export function applyChange(tx: Transaction, change: Change, { life, locks }: Changer): Applied {
  const { holder, parts, tokenFloor } = change;
  const known = new Map<string, Looked>();
  const lookOnce = (name: string): Looked => {
    let looked = known.get(name);
    if (looked === undefined) {
      looked = tx.look(name);
      known.set(name, looked);
    }
    return looked;
  };
  const names = namesIn(change);
  const { last, reading } = tx;
  const ownerOf = (id: string): string | undefined => {
    const [key] = tx.sql.nameOfId.get(id) ?? [];
    return key === undefined ? undefined : fromSqlText(key);
  };
  const isDead = (instance: string): boolean =>
    probePresence(tx.connection.holdersDirectory, instance, tx.reading.monotonic).kind === "dead";
  tx.raise(tokenFloor ?? 0);
  const draft = new Draft({
    holder,
    life,
    reading,
    lookUp: lookOnce,
    ownerOf,
    namesOfLockId: (id) => tx.sql.namesOfLockId.all(id, id, id).map(([key]) => fromSqlText(key)),
    judge: (lock) => judgeFormer(lock, { reading, isDead }),
    nextToken: () => tx.next(),
  });
  if (!draft.applyAll(parts)) {
    tx.last = last;
    return { isDone: false, looked: Array.from(names, lookOnce), backup: undefined, reading };
  }
  const written = writeDraft(tx, draft, { life, lookUp: lookOnce }, names);
  if (life !== null && locks !== undefined) noteLocks(tx, draft, { life, locks, lookUp: lookOnce });
  return { isDone: true, ...written, reading };
}

/** What the holder was granted, and what it gave up, so that its heartbeats need not ask. */
function noteLocks(
  tx: Transaction,
  { changed }: Draft,
  { life, locks, lookUp }: { readonly life: Life; readonly locks: OwnLocks; readonly lookUp: (name: string) => Looked },
): void {
  tx.onSettled((outcome) => {
    if (outcome === "rolled-back") return;
    for (const [name, row] of changed) {
      const lock = row?.lock ?? null;
      const before = lookUp(name).row?.lock ?? null;
      if (lock?.life !== life.n && before?.life !== life.n) continue;
      const isGranted = outcome === "committed" && lock?.life === life.n && lock.follows;
      if (isGranted && lock.token === before?.token) continue;
      locks.put(name, isGranted ? { token: lock.token, follows: true } : undefined);
    }
  });
}
