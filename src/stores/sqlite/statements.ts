/** Every statement of this store, prepared once a connection. Each finds its rows by an index (test/stores/sqlite/plans.test.ts). */
import type BetterSqlite3 from "better-sqlite3";
import type { MonotonicMs, WallMs } from "../../core/timing.js";
import type { Database } from "./driver.js";
import type { EntryTuple, FormerTuple, WaiterTuple } from "./rows.js";
import type { SqlText } from "./sql-text.js";

/** Rows that are read at a time. */
export const PAGE_ROWS = 256;
/** So many of the last changes are kept for those who watch. */
const CHANGES_KEPT = 10_000;
export const HOLDS_MAX = 1_000_000;
/** One name that comes and goes all day must not push out the history of all others. */
export const HOLDS_MAX_PER_NAME = 1_000;
/** Rows that one step of pruning deletes. */
const PRUNED_MAX = 2_048;

/**
 * A parameter as an expression. SQLite, as better-sqlite3 builds it (with STAT4), plans a join or a range anew for each value
 * that is bound to a bare one, which takes ten times as long as to run it.
 */
const P = "+?";

const PULSE = "h.clock, h.beat, h.beat_at, h.beat_wall";
const STATE = `version, last_seen, holder, instance, pid, host, ttl_ms, token, acquired_wall, refreshed_at, refreshed_wall, follows,
    revocation`;
const ENTRY = `SELECT e.n, e.name, e.id, e.component_type, coalesce(e.source, (SELECT source FROM texts WHERE n = e.n)),
    e.version, e.last_seen, e.waiters, ${PULSE}, e.holder, e.instance, e.pid, e.host, e.ttl_ms, e.token, e.acquired_wall, e.refreshed_at,
    e.refreshed_wall, e.follows, e.revocation, e.lock_id
  FROM entries e LEFT JOIN holders h ON h.n = e.holder`;
const HOLD = `SELECT k, name, id, instance, pid, host, token, since_wall, last_heartbeat_wall, until_wall, how, detail, observed FROM holds`;
const PAGE_OF_HOLDS = `AND (until_wall, k) < (${P}, ${P}) ORDER BY until_wall DESC, k DESC LIMIT ${PAGE_ROWS}`;
const SUBJECTS_OF_NAME = `SELECT n FROM entries WHERE name = ${P} UNION SELECT subject FROM subjects WHERE name = ${P}`;
const SUBJECTS_OF_ID = `SELECT n FROM entries WHERE id = ${P} UNION SELECT subject FROM subjects WHERE id = ${P}`;
/** So many are looked at in one step of pruning. */
const SUBJECTS_LOOKED_AT = 64;

/** Rows as arrays, in the order of the columns. */
export const SQL = {
  begin: "BEGIN IMMEDIATE",
  commit: "COMMIT",
  rollback: "ROLLBACK",

  setBoot: "UPDATE registry SET boot_id = ? WHERE one = 1",

  look: `${ENTRY} WHERE e.name = ${P}`,
  page: `${ENTRY} WHERE e.n > ${P} ORDER BY e.n LIMIT ${PAGE_ROWS}`,
  pageOfType: `${ENTRY} WHERE e.component_type = ${P} AND e.n > ${P} ORDER BY e.n LIMIT ${PAGE_ROWS}`,
  nameOfId: `SELECT name FROM entries WHERE id = ${P}`,
  insertEntry: `INSERT INTO entries (n, name, id, component_type, source, waiters, lock_id, ${STATE})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  updateState: `UPDATE entries SET version = ?, last_seen = ?, holder = ?, instance = ?, pid = ?, host = ?, ttl_ms = ?, token = ?,
    acquired_wall = ?, refreshed_at = ?, refreshed_wall = ?, follows = ?, revocation = ? WHERE n = ${P}`,
  /** Apart, since it has an index, and hardly ever changes. */
  updateLockId: `UPDATE entries SET lock_id = ? WHERE n = ${P}`,
  updateSource: `UPDATE entries SET component_type = ?, source = ? WHERE n = ${P}`,
  deleteEntry: `DELETE FROM entries WHERE n = ${P}`,
  putText: "INSERT OR REPLACE INTO texts (n, source) VALUES (?, ?)",
  deleteText: `DELETE FROM texts WHERE n = ${P}`,
  /** One lock is refreshed by itself. */
  refresh: `UPDATE entries SET refreshed_at = ?, refreshed_wall = ? WHERE name = ${P} AND holder = ${P} AND token = ${P} AND revocation IS NULL`,
  /** The lock stays as refreshed as the last beat has left it. */
  freeze: `UPDATE entries SET follows = 0, refreshed_wall = CASE WHEN refreshed_at < ? THEN ? ELSE refreshed_wall END,
    refreshed_at = max(refreshed_at, ?) WHERE name = ${P} AND holder = ${P} AND token = ${P} AND follows = 1`,
  follow: `UPDATE entries SET follows = 1 WHERE name = ${P} AND holder = ${P} AND token = ${P} AND revocation IS NULL`,

  insertHolder: "INSERT INTO holders (instance, clock, beat, beat_at, beat_wall) VALUES (?, ?, 1, ?, ?)",
  beat: `UPDATE holders SET beat = beat + 1, beat_at = ?, beat_wall = ? WHERE n = ${P}`,
  beatForFew: `UPDATE holders SET beat = beat + 1 WHERE n = ${P}`,
  lifeOf: `SELECT n FROM holders WHERE instance = ${P}`,
  ownLife: `SELECT n, clock, beat, beat_at, beat_wall FROM holders WHERE instance = ${P}`,
  lastLife: "SELECT max(n) FROM holders",
  someLives: `SELECT n, instance FROM holders WHERE n >= ${P} ORDER BY n LIMIT ?`,
  instances: "SELECT instance FROM holders ORDER BY n LIMIT ?",
  /** Who has the name, had it, or waits for it. */
  instancesOfName: `SELECT instance FROM entries WHERE name = ${P} UNION ALL SELECT instance FROM formers WHERE name = ${P}
    UNION ALL SELECT instance FROM waiters WHERE entry = (SELECT n FROM entries WHERE name = ${P})`,
  deleteHolder: `DELETE FROM holders WHERE n = ${P}`,

  lookFormer: `SELECT ${PULSE}, f.holder, f.instance, f.pid, f.host, f.ttl_ms, f.token, f.acquired_wall, f.refreshed_at, f.refreshed_wall, f.id
    FROM formers f LEFT JOIN holders h ON h.n = f.holder WHERE f.name = ${P}`,
  anyFormer: "SELECT 1 FROM formers LIMIT 1",
  putFormer: `INSERT OR REPLACE INTO formers (name, holder, instance, pid, host, ttl_ms, token, acquired_wall, refreshed_at, refreshed_wall, id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  deleteFormer: `DELETE FROM formers WHERE name = ${P}`,
  /** Names whose locks, standing or taken away, are of holders that act under this ID. */
  namesOfLockId: `SELECT name FROM formers WHERE id = ${P} UNION ALL SELECT name FROM entries WHERE id = ${P}
    UNION ALL SELECT name FROM entries WHERE lock_id = ${P}`,
  formersOfToken: `SELECT name FROM formers WHERE token = ${P}`,
  formersOfHolder: `SELECT name FROM formers WHERE holder = ${P}`,

  queue: `SELECT ticket, instance, since_wall, offered_at FROM waiters WHERE entry = ${P} ORDER BY place`,
  enqueue: `INSERT INTO waiters (entry, ticket, holder, instance, since_wall) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (entry, ticket) DO NOTHING`,
  dequeue: `DELETE FROM waiters WHERE entry = ${P} AND ticket = ${P}`,
  offer: `UPDATE waiters SET offered_at = ? WHERE entry = ${P} AND ticket = ${P} AND offered_at IS NULL`,
  endOffers: `UPDATE waiters SET offered_at = NULL WHERE entry = ${P} AND offered_at IS NOT NULL`,
  deleteQueue: `DELETE FROM waiters WHERE entry = ${P}`,
  queuesOfHolder: `SELECT DISTINCT e.n, e.name FROM waiters w JOIN entries e ON e.n = w.entry WHERE w.holder = ${P}`,
  leaveQueues: `DELETE FROM waiters WHERE holder = ${P}`,
  countQueue: `UPDATE entries SET waiters = (SELECT count(*) FROM waiters WHERE entry = ${P}) WHERE n = ${P}`,

  putWord: `INSERT INTO words (holder, token, name, loss, left_wall) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (holder, token) DO UPDATE SET loss = excluded.loss, left_wall = excluded.left_wall`,
  words: `SELECT token, name, loss, left_wall FROM words WHERE holder = ${P}`,
  word: `SELECT loss FROM words WHERE holder = ${P} AND token = ${P}`,
  deleteWord: `DELETE FROM words WHERE holder = ${P} AND token = ${P}`,
  deleteWords: `DELETE FROM words WHERE holder = ${P}`,

  /** Another one when somebody else has written since. */
  dataVersion: "PRAGMA data_version",
  lastSeq: "SELECT max(seq) FROM changes",
  firstSeq: "SELECT min(seq) FROM changes",
  addChange: "INSERT INTO changes (seq, name) VALUES (?, ?)",
  changesSince: `SELECT seq, name FROM changes WHERE seq > ${P} ORDER BY seq LIMIT ${PAGE_ROWS}`,
  pruneChanges: `DELETE FROM changes WHERE seq IN (SELECT seq FROM changes WHERE seq <
    (SELECT seq FROM changes ORDER BY seq DESC LIMIT 1 OFFSET ${CHANGES_KEPT}) ORDER BY seq LIMIT ${PRUNED_MAX})`,

  addHold: `INSERT INTO holds (subject, name, id, instance, pid, host, token, since_wall, last_heartbeat_wall, until_wall, how, detail,
    observed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  isRecorded: `SELECT 1 FROM holds WHERE subject = ${P} AND id = ${P} AND name = ${P} AND instance = ${P} AND since_wall = ${P} AND
    token IS ${P} LIMIT 1`,
  holdsOfName: `${HOLD} WHERE subject IN (${SUBJECTS_OF_NAME}) AND name = ${P} ${PAGE_OF_HOLDS}`,
  holdsOfId: `${HOLD} WHERE subject IN (${SUBJECTS_OF_ID}) AND id = ${P} ${PAGE_OF_HOLDS}`,
  holdsOfEither: `${HOLD} WHERE subject IN (${SUBJECTS_OF_NAME} UNION ${SUBJECTS_OF_ID}) AND (name = ${P} OR id = ${P}) ${PAGE_OF_HOLDS}`,
  allHolds: `${HOLD} WHERE true ${PAGE_OF_HOLDS}`,
  /** The number under which holds of this name and ID are found. */
  subjectOf: `SELECT n FROM entries WHERE name = ${P} AND id = ${P} UNION ALL SELECT subject FROM subjects WHERE name = ${P} AND id = ${P} LIMIT 1`,
  addSubject: "INSERT INTO subjects (subject, name, id) VALUES (?, ?, ?)",
  /** Its number is the negative of its row's. */
  addForeignSubject: `INSERT INTO subjects (subject, name, id) VALUES ((SELECT -1 - coalesce(max(s), 0) FROM subjects), ?, ?)`,
  /** Those of a few rows that no holds are left of. */
  pruneSubjects: `DELETE FROM subjects WHERE s IN (SELECT s FROM subjects WHERE s > ${P} ORDER BY s LIMIT ${SUBJECTS_LOOKED_AT})
    AND NOT EXISTS (SELECT 1 FROM holds WHERE holds.subject = subjects.subject)`,
  nextSubject: `SELECT max(s) FROM (SELECT s FROM subjects WHERE s > ${P} ORDER BY s LIMIT ${SUBJECTS_LOOKED_AT})`,
  pruneHolds: `DELETE FROM holds WHERE k IN (SELECT k FROM holds WHERE k <= (SELECT max(k) FROM holds) - ${HOLDS_MAX}
    ORDER BY k LIMIT ${PRUNED_MAX})`,
  pruneHoldsOfSubject: `DELETE FROM holds WHERE k IN (SELECT k FROM holds WHERE subject = ${P} AND until_wall <
    (SELECT until_wall FROM holds WHERE subject = ${P} ORDER BY until_wall DESC LIMIT 1 OFFSET ${HOLDS_MAX_PER_NAME - 1})
    ORDER BY until_wall LIMIT ${PRUNED_MAX})`,
} as const;

type Bound = number | string | Buffer | null;
type Write = BetterSqlite3.Statement<Bound[]>;
type Read<Row> = BetterSqlite3.Statement<Bound[], Row>;

/** The rows that statements give; those that are not named here give none. */
interface Rows {
  look: EntryTuple;
  page: EntryTuple;
  pageOfType: EntryTuple;
  nameOfId: [name: SqlText];
  lifeOf: [n: number];
  ownLife: [n: number, clock: string, beat: number, beatAt: MonotonicMs, beatWall: WallMs];
  lastLife: [n: number | null];
  someLives: [n: number, instance: string];
  instances: [instance: string];
  instancesOfName: [instance: string | null];
  lookFormer: FormerTuple;
  anyFormer: [1];
  namesOfLockId: [name: SqlText];
  formersOfToken: [name: SqlText];
  formersOfHolder: [name: SqlText];
  queue: WaiterTuple;
  queuesOfHolder: [n: number, name: SqlText];
  words: [token: number, name: SqlText, loss: string, leftWall: number];
  word: [loss: string];
  dataVersion: [version: number];
  lastSeq: [seq: number | null];
  firstSeq: [seq: number | null];
  changesSince: [seq: number, name: SqlText | null];
  isRecorded: [1];
  subjectOf: [subject: number];
  nextSubject: [s: number | null];
  holdsOfName: HoldTuple;
  holdsOfId: HoldTuple;
  holdsOfEither: HoldTuple;
  allHolds: HoldTuple;
}

export type HoldTuple = [
  k: number,
  name: SqlText,
  id: string,
  instance: string,
  pid: number,
  host: string,
  token: number | null,
  since: number,
  lastHeartbeat: number,
  until: number,
  how: string,
  detail: SqlText | null,
  observed: 0 | 1,
];

export type Statements = {
  readonly [Name in keyof typeof SQL]: Name extends keyof Rows ? Read<Rows[Name]> : Write;
};

export function prepareStatements(db: Database): Statements {
  const prepared = Object.entries(SQL).map(([name, sql]) => {
    const statement = db.prepare(sql);
    return [name, statement.reader ? statement.raw() : statement];
  });
  return Object.fromEntries(prepared) as Statements;
}
