/** The writes that the SQLite store makes for one acquire and one release: its own layout and statements, and nothing around them. */
import { join } from "node:path";
import type * as Schema from "../../src/stores/sqlite/schema.ts";
import type * as StoreStatements from "../../src/stores/sqlite/statements.ts";
import { nameAt } from "../harness/protocol.ts";
import type { Bare, Calibration } from "./calibration.ts";

/** As the store does it (connection.ts, transaction.ts), so that what is left between the two is code. */
const CHECKPOINT_PAGES = 4_000;
const PAIRS_PER_PRUNING = { changes: 512, holdsOfSubject: 64, holds: 256 };
const INSTANCE = "01JD0000000000000000000INS";
const SOURCE = `{"id":"01JD0000000000000000000000","component_type":"node","created_at":"2026-01-01T00:00:00.000000Z","last_seen":"2026-01-01T00:00:00.000000Z","metadata":{},"workcell_id":null,"lock":null}`;

export const bareSqlite: Calibration = {
  id: "calibration/sqlite",
  title: "better-sqlite3, the same writes",
  what: "the store's own statements in two transactions; WAL, synchronous NORMAL",
  locate: (directory) => join(directory, "bare.db"),
  start: ({ location }) => start(location, "NORMAL"),
};

export const bareSqliteFull: Calibration = {
  id: "calibration/sqlite-full",
  title: "better-sqlite3, the same writes, synced",
  what: "the store's own statements in two transactions; WAL, synchronous FULL",
  locate: (directory) => join(directory, "bare.db"),
  start: ({ location }) => start(location, "FULL"),
};

async function start(path: string, synchronous: "NORMAL" | "FULL"): Promise<Bare> {
  const { MIGRATIONS, PAGE_BYTES } = await load<typeof Schema>("schema.js");
  const { prepareStatements } = await load<typeof StoreStatements>("statements.js");
  const { default: BetterSqlite3 } = await import("better-sqlite3");
  const db = new BetterSqlite3(path);
  db.pragma(`page_size = ${PAGE_BYTES}`);
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${synchronous}`);
  db.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  db.pragma("temp_store = MEMORY");
  for (const migration of MIGRATIONS) db.exec(migration);
  const sql = prepareStatements(db);
  const life = Number(sql.insertHolder.run(INSTANCE, "clock", 1, 1).lastInsertRowid);
  const rows = new Map<string, number>();
  let last = 1;
  let pairs = 0;
  const acquire = (n: number, name: string): void => {
    sql.begin.run();
    last += 1;
    sql.updateState.run(last, last, life, INSTANCE, 1, "host", 30_000, last, last, last, last, 1, null, n);
    sql.addChange.run(last, name);
    sql.commit.run();
  };
  const release = (n: number, name: string): void => {
    sql.begin.run();
    last += 1;
    sql.updateState.run(last, last, null, null, null, null, null, null, null, null, null, null, null, n);
    sql.addHold.run(n, name, idAt(n), INSTANCE, 1, "host", last, last, last, last, "released", null, 0);
    sql.addChange.run(last, name);
    if (pairs % PAIRS_PER_PRUNING.holdsOfSubject === 0) sql.pruneHoldsOfSubject.run(n, n);
    if (pairs % PAIRS_PER_PRUNING.holds === 0) sql.pruneHolds.run();
    if (pairs % PAIRS_PER_PRUNING.changes === 0) sql.pruneChanges.run();
    pairs += 1;
    sql.commit.run();
  };
  return {
    run(name) {
      const n = rows.get(name);
      if (n === undefined) throw new Error(`${name} was not made.`);
      acquire(n, name);
      release(n, name);
    },
    fill(population) {
      sql.begin.run();
      for (let n = 1; n <= population; n += 1) {
        const name = nameAt(n - 1);
        const lock = [null, null, null, null, null, null, null, null, null, null, null];
        sql.insertEntry.run(n, name, idAt(n), "node", SOURCE, 0, null, 1, 1, ...lock);
        rows.set(name, n);
      }
      sql.commit.run();
    },
    close: () => void db.close(),
  };
}

function idAt(n: number): string {
  return `01JD${String(n).padStart(22, "0")}`;
}

/** From the build that is measured. */
async function load<T>(file: string): Promise<T> {
  return (await import(new URL(`../../dist/stores/sqlite/${file}`, import.meta.url).href)) as T;
}
