/** The heartbeat of one holder: one row, however many names it holds. */
import type { Holder } from "../../core/entry.js";
import type { Loss } from "../../core/record.js";
import type { OwnLock, OwnLocks } from "../records/own-locks.js";
import type { EntryRow } from "../records/rows.js";
import type { OwnLife } from "./own-life.js";
import { entryRow } from "./rows.js";
import { fromSqlText, toSqlText } from "./sql-text.js";
import type { Transaction } from "./transaction.js";

/** A loss that nobody asks about any more is forgotten after this time. */
const WORD_KEPT_MS = 10 * 60_000;

/**
 * Refreshes what is still the holder's, and tells what is not.
 *
 * A heartbeat that names nearly all locks moves the holder's row on, and marks the few that it does not name; one that
 * names few refreshes those.
 *
 * @param own undefined for a holder that was granted nothing here
 * @param names name → fencing token
 * @see docs/SPEC.md#G5
 */
export function beat(
  tx: Transaction,
  holder: Holder,
  own: OwnLife | undefined,
  names: ReadonlyMap<string, number>,
): ReadonlyMap<string, Loss> {
  tx.forgetNames();
  if (own === undefined) return lossesOf(tx, { holder, life: null, names });
  own.keepPresence(tx);
  const before = own.ensure(tx);
  const isForAll = names.size * 2 >= own.locks.size;
  if (own.beat(tx, isForAll) === null) return lossesOf(tx, { holder, life: null, names });
  const { locks } = own;
  const lost = toldLosses(tx, before.n, names);
  const { resumed, dropped, unknown } = isForAll ? locks.compare(names) : refreshFew(tx, locks, before.n, names);
  for (const name of dropped) freeze(tx, locks, before, name);
  for (const name of resumed) {
    const { token = 0 } = locks.get(name) ?? {};
    if (!lost.has(name) && tx.sql.follow.run(toSqlText(name), before.n, token).changes > 0)
      note(tx, locks, name, { token, follows: true });
  }
  for (const name of unknown) {
    const token = names.get(name) ?? 0;
    const loss = lost.get(name) ?? lossOf(tx, { holder, life: before.n, name, token, locks });
    if (loss !== null) lost.set(name, loss);
  }
  return lost;
}

/** What became of locks of this life that are asked about, as it was left for them. */
function toldLosses(tx: Transaction, life: number, names: ReadonlyMap<string, number>): Map<string, Loss> {
  const lost = new Map<string, Loss>();
  for (const [token, key, text, leftWall] of tx.sql.words.all(life)) {
    const name = fromSqlText(key);
    // It is told as often as it asks: the telling may get lost.
    if (names.get(name) === token) lost.set(name, JSON.parse(text) as Loss);
    else if (tx.reading.wall - leftWall > WORD_KEPT_MS) tx.sql.deleteWord.run(life, token);
  }
  return lost;
}

function refreshFew(tx: Transaction, locks: OwnLocks, life: number, names: ReadonlyMap<string, number>) {
  const unknown: string[] = [];
  const { wall, monotonic } = tx.reading;
  for (const [name, token] of names) {
    if (locks.get(name)?.token !== token) unknown.push(name);
    else tx.sql.refresh.run(monotonic, wall, toSqlText(name), life, token);
  }
  return { resumed: [], dropped: [], unknown };
}

/** It lapses from the last beat that refreshed it. */
function freeze(tx: Transaction, locks: OwnLocks, { n, pulse }: NonNullable<OwnLife["life"]>, name: string): void {
  const { token = 0 } = locks.get(name) ?? {};
  const { changes } = tx.sql.freeze.run(pulse.at, pulse.wallAt, pulse.at, toSqlText(name), n, token);
  // Else it was taken away or marked by somebody else.
  note(tx, locks, name, changes > 0 ? { token, follows: false } : undefined);
}

/** Until it is known that the transaction came about, what was known before counts. */
function note(tx: Transaction, locks: OwnLocks, name: string, lock: OwnLock | undefined): void {
  const before = locks.get(name);
  locks.put(name, lock);
  tx.onSettled((outcome) => {
    if (outcome !== "committed") locks.put(name, before);
  });
}

interface Asked {
  readonly holder: Holder;
  readonly life: number | null;
}

function lossesOf(tx: Transaction, asked: Asked & { readonly names: ReadonlyMap<string, number> }): Map<string, Loss> {
  const lost = new Map<string, Loss>();
  for (const [name, token] of asked.names) {
    const loss = lossOf(tx, { ...asked, name, token, locks: undefined });
    if (loss !== null) lost.set(name, loss);
  }
  return lost;
}

interface AskedName extends Asked {
  readonly name: string;
  readonly token: number;
  /** Where to note a lock that is the holder's after all. */
  readonly locks: OwnLocks | undefined;
}

/** By a look at the name itself. Refreshes it when it is the holder's. */
function lossOf(tx: Transaction, { life, name, token, locks }: AskedName): Loss | null {
  const tuple = tx.sql.look.get(toSqlText(name));
  const row: EntryRow | undefined = tuple && entryRow(tuple);
  const lock = row?.lock ?? null;
  if (life !== null && lock?.life === life && lock.token === token) {
    if (lock.revocation !== null) return { reason: "revoked", detail: lock.revocation.reason };
    tx.sql.refresh.run(tx.reading.monotonic, tx.reading.wall, toSqlText(name), life, token);
    if (locks !== undefined) note(tx, locks, name, { token, follows: lock.follows });
    return null;
  }
  const [word] = (life === null ? undefined : tx.sql.word.get(life, token)) ?? [];
  if (word !== undefined) return JSON.parse(word) as Loss;
  if (lock === null) return { reason: "removed" };
  if (lock.pulse === null) return { reason: "expired" };
  return { reason: "taken", by: { pid: lock.pid, host: lock.host, instance: lock.instance } };
}
