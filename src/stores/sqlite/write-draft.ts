/** A draft that was accepted, written into the database. */
import { RegistryDocument } from "../../core/text/registry-document.js";
import { backUp } from "../machine/backup.js";
import type { Draft, Life } from "../records/draft.js";
import type { EntryRow, LockRow, Looked } from "../records/rows.js";
import { queueOf } from "./look.js";
import { fromSqlText, toSqlText } from "./sql-text.js";
import type { Statements } from "./statements.js";
import type { Transaction } from "./transaction.js";

export interface Written {
  /** Each name that was asked for, as it is now. */
  readonly looked: ReadonlyMap<string, Looked>;
  readonly backup: string | undefined;
}

/** What the draft was made from. */
export interface WriteBase {
  readonly life: Life | null;
  readonly lookUp: (name: string) => Looked;
}

/**
 * @param names those whose state is to be told
 * @throws NameholdError `storage-failed`, `read-only` when the backup cannot be kept; then nothing was written
 */
export function writeDraft(tx: Transaction, draft: Draft, base: WriteBase, names: Iterable<string>): Written {
  const backup = keepBackup(tx, draft);
  const rows = writeRows(tx, draft, base);
  const touched = new Set([...rows.keys(), ...writeFormers(tx, draft), ...writeQueues(tx, draft, rows, base)]);
  for (const { life, token, name, loss } of draft.words) {
    tx.sql.putWord.run(life, token, toSqlText(name), JSON.stringify(loss), tx.reading.wall);
  }
  for (const hold of draft.ended) tx.record(hold);
  for (const hold of draft.recalled) recall(tx, hold);
  for (const name of touched) if (!rows.has(name)) tx.log(name);
  return { looked: lookAgain(tx.sql, draft, base, { rows, names }), backup };
}

/** On the disk before the IDs go away. @see docs/SPEC.md#G1 */
function keepBackup(tx: Transaction, { replaced, replacedBy }: Draft): string | undefined {
  if (replacedBy === undefined) return undefined;
  const document = RegistryDocument.empty(tx.reading.wall);
  for (const [name, { source }] of replaced) document.setEntry(name, source);
  return backUp(tx.connection.holdersDirectory, document.toString(), replacedBy, tx.reading.wall);
}

/** @returns each changed name's row with its new version, null for one that is gone */
function writeRows(tx: Transaction, draft: Draft, { lookUp }: WriteBase): ReadonlyMap<string, EntryRow | null> {
  const { sql } = tx;
  const written = new Map<string, EntryRow | null>();
  const kept = new Set<number>();
  for (const [name, row] of draft.changed) {
    if (row === null || row !== lookUp(name).row) written.set(name, row);
    if (row !== null) kept.add(row.n);
  }
  for (const [name, row] of written) deleteOld(sql, lookUp(name).row, row, kept);
  for (const [name, row] of written) {
    const version = tx.log(name);
    if (row === null) continue;
    written.set(name, { ...row, n: writeRow(sql, lookUp(name).row, row, version), version });
  }
  return written;
}

/** What keeps its name and ID is updated; all else goes first, so that names and IDs may change hands. */
function deleteOld(sql: Statements, before: EntryRow | null, after: EntryRow | null, kept: ReadonlySet<number>): void {
  if (before === null || isSameIdentity(before, after)) return;
  sql.deleteEntry.run(before.n);
  if (!kept.has(before.n)) sql.deleteState.run(before.n);
}

function writeRow(sql: Statements, before: EntryRow | null, row: EntryRow, version: number): number {
  let n = row.n;
  if (!isSameIdentity(before, row)) {
    const key = n === 0 ? null : n;
    const inserted = sql.insertEntry.run(key, toSqlText(row.name), row.id, row.componentType, toSqlText(row.source));
    n = Number(inserted.lastInsertRowid);
  } else if (before?.source !== row.source || before.componentType !== row.componentType) {
    sql.updateSource.run(row.componentType, toSqlText(row.source), n);
  }
  const statement = row.n === 0 ? sql.insertState : sql.updateState;
  const lock = row.lock;
  if (lock === null) {
    statement.run(version, row.lastSeen, null, null, null, null, null, null, null, null, null, null, null, null, n);
    return n;
  }
  const { life, instance, pid, host, ttlMs, token, acquiredAt, refreshedAt, refreshedWall, follows } = lock;
  const revocation = lock.revocation === null ? null : JSON.stringify(lock.revocation);
  const columns = [life, instance, pid, host, ttlMs, token, acquiredAt, refreshedAt, refreshedWall, follows ? 1 : 0];
  statement.run(version, row.lastSeen, ...columns, revocation, lock.id === row.id ? null : lock.id, n);
  return n;
}

function isSameIdentity(before: EntryRow | null, after: EntryRow | null): boolean {
  return before !== null && before.n === after?.n && before.name === after.name && before.id === after.id;
}

/** @returns the names that were kept for somebody, or are now */
function writeFormers({ sql }: Transaction, draft: Draft): ReadonlySet<string> {
  const names = new Set<string>();
  for (const token of draft.forgotten) {
    for (const [key] of sql.formersOfToken.all(token)) {
      sql.deleteFormer.run(key);
      names.add(fromSqlText(key));
    }
  }
  for (const [name, lock] of draft.formers) {
    if (lock === null) sql.deleteFormer.run(toSqlText(name));
    else putFormer(sql, name, lock);
    names.add(name);
  }
  return names;
}

function putFormer(sql: Statements, name: string, lock: LockRow): void {
  const { life, instance, pid, host, ttlMs, token, acquiredAt, refreshedAt, refreshedWall, id } = lock;
  const times = [acquiredAt, refreshedAt, refreshedWall];
  sql.putFormer.run(toSqlText(name), life, instance, pid, host, ttlMs, token, ...times, id);
}

/** @returns the names whose queues may have changed */
function writeQueues(
  tx: Transaction,
  draft: Draft,
  rows: ReadonlyMap<string, EntryRow | null>,
  { life, lookUp }: WriteBase,
): ReadonlySet<string> {
  const { sql, reading } = tx;
  const changed = new Map<string, number>();
  for (const n of draft.endedQueues) {
    sql.deleteQueue.run(n);
    sql.countQueue.run(n, n);
  }
  for (const step of draft.queueSteps) {
    const n = (rows.has(step.name) ? rows.get(step.name) : lookUp(step.name).row)?.n;
    // A queue that is gone has nobody in it: there is nothing to do, and nothing wrong.
    if (n === undefined) continue;
    switch (step.kind) {
      case "enqueue":
        if (life === null) throw new Error("a holder without a life joins a queue");
        sql.enqueue.run(n, step.ticket, life.n, life.instance, reading.wall);
        break;
      case "dequeue":
        sql.dequeue.run(n, step.ticket);
        break;
      case "offer":
        // An offer that was made is not made again, or its time would never end.
        sql.offer.run(reading.monotonic, n, step.ticket);
        break;
      case "end-offers":
        sql.endOffers.run(n);
        break;
      default:
        step satisfies never;
    }
    changed.set(step.name, n);
  }
  for (const n of changed.values()) sql.countQueue.run(n, n);
  return new Set(changed.keys());
}

function recall(tx: Transaction, hold: Parameters<Transaction["record"]>[0]): void {
  const { id, name, holder, since, token } = hold;
  const isKnown = tx.sql.isRecorded.get(id, toSqlText(name), holder.instance, since, token) !== undefined;
  if (!isKnown) tx.record(hold);
}

function lookAgain(
  sql: Statements,
  draft: Draft,
  { lookUp }: WriteBase,
  { rows, names }: { readonly rows: ReadonlyMap<string, EntryRow | null>; readonly names: Iterable<string> },
): ReadonlyMap<string, Looked> {
  const again = new Map<string, Looked>();
  for (const name of names) {
    const before = lookUp(name);
    const written = rows.get(name);
    const row = written === undefined ? before.row : written;
    const kept = row?.lock == null ? draft.former(name) : null;
    // A lock that was given up under a later name may have been the former one of this name.
    const former = kept === null || draft.forgotten.includes(kept.token) ? null : kept;
    const mayWait = row !== null && (row.waiters > 0 || draft.queueSteps.length > 0);
    again.set(name, { name, row, former, queue: mayWait ? queueOf(sql, row.n) : [] });
  }
  return again;
}
