/** The rows of processes, and how they end. */
import { randomInt } from "node:crypto";
import { isNameholdError } from "../../core/errors.js";
import { sweepTemporaries } from "../../platform/atomic-file.js";
import { probePresence, sweepPresences } from "../../platform/presence-probe.js";
import { fromSqlText } from "./sql-text.js";
import { sqliteCodeOf } from "./sqlite-error.js";
import type { Transaction } from "./transaction.js";

/** So many other lives are looked at when a process begins its own. */
const SWEPT_MAX = 64;
/** No writer of ours takes so long; older temporary files are of crashed ones. */
const LEFTOVER_MS = 60_000;

/**
 * A life is over: its holder gave everything up, or is proved dead. Its locks are nobody's from now on, since its row is
 * gone; its places in queues, the names that were kept for it and what was left for it go with it.
 */
export function endLife(tx: Transaction, n: number): void {
  const { sql } = tx;
  tx.forgetNames();
  for (const [key] of sql.formersOfHolder.all(n)) {
    sql.deleteFormer.run(key);
    tx.log(fromSqlText(key));
  }
  const queues = sql.queuesOfHolder.all(n);
  sql.leaveQueues.run(n);
  for (const [entry, key] of queues) {
    sql.countQueue.run(entry, entry);
    tx.log(fromSqlText(key));
  }
  sql.deleteWords.run(n);
  sql.deleteHolder.run(n);
  // Whose locks it still had is not looked for.
  tx.logAny();
}

/** Ends lives that are proved dead, and deletes the files of those that are over, and what crashed writers left. */
export function sweepLives(tx: Transaction): void {
  const { holdersDirectory } = tx.connection;
  // In the transaction: those who write beside the database are mostly in one of their own, and so not at work now.
  unlessRefused(() => sweepTemporaries(holdersDirectory, LEFTOVER_MS));
  const [last] = tx.sql.lastLife.get() ?? [];
  const start = last == null || last <= SWEPT_MAX ? 0 : randomInt(last);
  for (const [n, instance] of tx.sql.someLives.all(start, SWEPT_MAX)) {
    if (probePresence(holdersDirectory, instance, tx.reading.monotonic).kind === "dead") endLife(tx, n);
  }
  tx.onSettled((outcome) => {
    // When no row can come back that they are the proof for.
    if (outcome !== "committed") return;
    const hasLife = (instance: string): boolean => tx.sql.lifeOf.get(instance) !== undefined;
    unlessRefused(() => sweepPresences(holdersDirectory, hasLife, SWEPT_MAX));
  });
}

/** Other users' leftovers may be theirs alone to delete: then they stay. */
function unlessRefused(sweep: () => void): void {
  try {
    sweep();
  } catch (error) {
    if (!isNameholdError(error) && sqliteCodeOf(error) === undefined) throw error;
  }
}
