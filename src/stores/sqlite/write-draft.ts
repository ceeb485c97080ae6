/** A draft that was accepted, written into the database. */
import type { PastHold } from "../../core/history.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import { backUp } from "../machine/backup.js";
import type { Draft, Life } from "../records/draft.js";
import type { EntryRow, LockRow, Looked } from "../records/rows.js";
import { queueOf } from "./look.js";
import { fromSqlText, toSqlText } from "./sql-text.js";
import type { Statements } from "./statements.js";
import type { Transaction } from "./transaction.js";

/** A longer text stands apart, since the row that it is in is written with each claim. */
const INLINE_MAX = 512;

const NONE: ReadonlySet<string> = new Set();

export interface Written {
  /** Each name that was asked for, as it is now. */
  readonly looked: readonly Looked[];
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
  const formers = writeFormers(tx, draft);
  const queues = writeQueues(tx, draft, rows, base);
  for (const { life, token, name, loss } of draft.words) {
    tx.sql.putWord.run(life, token, toSqlText(name), JSON.stringify(loss), tx.reading.wall);
  }
  for (const hold of draft.ended) tx.record(hold, subjectOf(hold, base.lookUp(hold.name).row));
  for (const hold of draft.recalled) recall(tx, hold);
  if (formers.size + queues.size > 0) {
    for (const name of new Set([...formers, ...queues])) if (!rows.has(name)) tx.log(name);
  }
  const looked = lookAgain(tx.sql, draft, base, { rows, names });
  for (const one of looked) tx.noteWritten(one);
  return { looked, backup };
}

/** Undefined where the hold is of a name that the same change has made. */
function subjectOf({ id }: PastHold, row: EntryRow | null): number | undefined {
  return row?.id === id ? row.n : undefined;
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
  for (const [name, row] of draft.changed) {
    const before = lookUp(name).row;
    if (row !== null && row === before) continue;
    written.set(name, row);
    // All that does not keep its name and ID goes first, so that names and IDs may change hands.
    if (before !== null && !isSameIdentity(before, row)) deleteRow(sql, before);
  }
  for (const [name, row] of written) {
    const version = tx.log(name);
    if (row === null) continue;
    const before = lookUp(name).row;
    const n = isSameIdentity(before, row) ? updateRow(sql, before, row, version) : insertRow(sql, row, version);
    written.set(name, { ...row, n, version });
  }
  return written;
}

/** Its holds stay under its number. */
function deleteRow(sql: Statements, { n, name, id, source }: EntryRow): void {
  sql.deleteEntry.run(n);
  if (isLong(source)) sql.deleteText.run(n);
  sql.addSubject.run(n, toSqlText(name), id);
}

function insertRow(sql: Statements, row: EntryRow, version: number): number {
  const { name, id, componentType, source, waiters } = row;
  const text = isLong(source) ? null : toSqlText(source);
  const entry = [row.n === 0 ? null : row.n, toSqlText(name), id, componentType, text, waiters, lockIdOf(row)];
  const n = Number(sql.insertEntry.run(...entry, ...stateOf(row, version)).lastInsertRowid);
  if (isLong(source)) sql.putText.run(n, toSqlText(source));
  return n;
}

function updateRow(sql: Statements, before: EntryRow, row: EntryRow, version: number): number {
  const { n, source, componentType } = row;
  if (before.source !== source || before.componentType !== componentType) {
    sql.updateSource.run(componentType, isLong(source) ? null : toSqlText(source), n);
    if (isLong(source)) sql.putText.run(n, toSqlText(source));
    else if (isLong(before.source)) sql.deleteText.run(n);
  }
  if (lockIdOf(before) !== lockIdOf(row)) sql.updateLockId.run(lockIdOf(row), n);
  sql.updateState.run(...stateOf(row, version), n);
  return n;
}

/** In the order of the columns in statements.ts. */
function stateOf({ lastSeen, lock }: EntryRow, version: number): readonly (string | number | null)[] {
  if (lock === null) return [version, lastSeen, null, null, null, null, null, null, null, null, null, null, null];
  const { life, instance, pid, host, ttlMs, token, acquiredAt, refreshedAt, refreshedWall, follows } = lock;
  const revocation = lock.revocation === null ? null : JSON.stringify(lock.revocation);
  const times = [acquiredAt, refreshedAt, refreshedWall];
  return [version, lastSeen, life, instance, pid, host, ttlMs, token, ...times, follows ? 1 : 0, revocation];
}

/** Null: that of the entry. */
function lockIdOf({ id, lock }: EntryRow): string | null {
  return lock === null || lock.id === id ? null : lock.id;
}

function isLong(source: string): boolean {
  return source.length > INLINE_MAX;
}

function isSameIdentity(before: EntryRow | null, after: EntryRow | null): before is EntryRow {
  return before !== null && before.n === after?.n && before.name === after.name && before.id === after.id;
}

/** @returns the names that were kept for somebody, or are now */
function writeFormers({ sql }: Transaction, draft: Draft): ReadonlySet<string> {
  if (draft.forgotten.length + draft.formers.size === 0) return NONE;
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
  if (draft.endedQueues.length + draft.queueSteps.length === 0) return NONE;
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

function recall(tx: Transaction, hold: PastHold): void {
  const { id, name, holder, since, token } = hold;
  const subject = tx.subjectOf(hold);
  const isKnown = tx.sql.isRecorded.get(subject, id, toSqlText(name), holder.instance, since, token) !== undefined;
  if (!isKnown) tx.record(hold, subject);
}

function lookAgain(
  sql: Statements,
  draft: Draft,
  { lookUp }: WriteBase,
  { rows, names }: { readonly rows: ReadonlyMap<string, EntryRow | null>; readonly names: Iterable<string> },
): readonly Looked[] {
  const again: Looked[] = [];
  for (const name of names) {
    const before = lookUp(name);
    const written = rows.get(name);
    const row = written === undefined ? before.row : written;
    const kept = row?.lock == null ? draft.former(name) : null;
    // A lock that was given up under a later name may have been the former one of this name.
    const former = kept === null || draft.forgotten.includes(kept.token) ? null : kept;
    const mayWait = row !== null && (row.waiters > 0 || draft.queueSteps.length > 0);
    again.push({ name, row, former, queue: mayWait ? queueOf(sql, row.n) : [] });
  }
  return again;
}
