import type { PastHold } from "../../core/history.js";
import { nextToken } from "../../core/token.js";
import { bootId } from "../../platform/clock.js";
import type { Reading } from "../records/reading.js";
import type { Looked } from "../records/rows.js";
import type { Connection } from "./connection.js";
import { look } from "./look.js";
import type { RecentRows } from "./recent-rows.js";
import { toSqlText } from "./sql-text.js";
import type { Statements } from "./statements.js";

export type Outcome = "committed" | "rolled-back" | "unknown";

/** So many names are logged one by one in a transaction; of more, "any may have changed". */
const LOGGED_MAX = 1_000;
const CHANGES_PER_PRUNING = 1_024;
const HOLDS_PER_PRUNING = 256;
const HOLDS_PER_PRUNING_OF_SUBJECT = 64;

/**
 * One write transaction: the numbers that it gives out, and what must be kept up in each.
 *
 * Tokens, versions and the places in the log of changes are of one row of rising numbers, on the scale of the wall clock
 * in microseconds. So the last token is where the log ends, and costs no write of its own.
 *
 * @see docs/SPEC.md#G3
 */
export class Transaction {
  readonly connection: Connection;
  readonly sql: Statements;
  readonly reading: Reading;
  readonly #recent: RecentRows;
  #last: number;
  #lastLogged: number;
  #logged = 0;
  readonly #settled: ((outcome: Outcome) => void)[] = [];

  /** To be made when the database's write lock is ours. */
  constructor(connection: Connection, reading: Reading) {
    this.connection = connection;
    this.sql = connection.sql;
    this.reading = reading;
    this.#recent = connection.recent;
    const [dataVersion = 0] = this.sql.dataVersion.get() ?? [];
    if (!this.#recent.isOf(dataVersion)) {
      this.#recent.beginAnew(dataVersion, this.sql.lastSeq.get()?.[0] ?? 0);
    }
    this.#lastLogged = this.#recent.lastLogged;
    this.#last = Math.max(this.#lastLogged, connection.tokenFloor);
  }

  /** The last number that was given out. */
  get last(): number {
    return this.#last;
  }

  /** Takes numbers back that were given out for nothing. */
  set last(number: number) {
    this.#last = number;
  }

  next(): number {
    const number = nextToken(this.#last, this.reading.wall);
    this.connection.tokens.reserve(number);
    this.#last = number;
    return number;
  }

  /** Every number from now on is greater. */
  raise(floor: number): void {
    if (floor <= this.#last) return;
    this.connection.tokens.reserve(floor);
    this.#last = floor;
  }

  /** Tells those who watch. @returns the number of this change */
  log(name: string): number {
    const number = this.next();
    this.#logged += 1;
    if (this.#logged > LOGGED_MAX) return number;
    this.sql.addChange.run(number, toSqlText(name));
    this.#lastLogged = number;
    return number;
  }

  /** Any name may have changed. */
  logAny(): void {
    this.next();
  }

  look(name: string): Looked {
    const known = this.#recent.get(name);
    if (known !== undefined) return known;
    const looked = look(this.sql, name);
    this.#recent.put(looked);
    return looked;
  }

  /** What the name has become in this transaction. */
  noteWritten(looked: Looked): void {
    this.#recent.put(looked);
  }

  /** Rows may change without being told of by name. */
  forgetNames(): void {
    this.#recent.forgetNames();
  }

  /**
   * Adds an ended hold to the history.
   *
   * @param subject number of the entry that has its name and ID; undefined where that is not known
   */
  record(hold: PastHold, subject = this.subjectOf(hold)): void {
    const { name, id, holder, token, since, lastHeartbeat, until, ending, observed } = hold;
    const { instance, pid, host } = holder;
    const detail = ending.detail === undefined ? null : toSqlText(ending.detail);
    const key = toSqlText(name);
    const times = [since, lastHeartbeat, until];
    this.sql.addHold.run(subject, key, id, instance, pid, host, token, ...times, ending.how, detail, observed ? 1 : 0);
    const count = this.connection.upkeep.holds++;
    if (count % HOLDS_PER_PRUNING_OF_SUBJECT === 0) this.sql.pruneHoldsOfSubject.run(subject, subject);
    if (count % HOLDS_PER_PRUNING === 0) this.#pruneHistory();
  }

  /** The number under which the holds of this name and ID are. Makes one where there is none. */
  subjectOf({ name, id }: PastHold): number {
    const key = toSqlText(name);
    const [subject] = this.sql.subjectOf.get(key, id, key, id) ?? [];
    return subject ?? -Number(this.sql.addForeignSubject.run(key, id).lastInsertRowid);
  }

  #pruneHistory(): void {
    const { sql } = this;
    const { upkeep } = this.connection;
    sql.pruneHolds.run();
    const [next] = sql.nextSubject.get(upkeep.subject) ?? [];
    sql.pruneSubjects.run(upkeep.subject);
    upkeep.subject = next ?? Number.NEGATIVE_INFINITY;
  }

  /** Calls `callback` when it is known what became of the transaction. */
  onSettled(callback: (outcome: Outcome) => void): void {
    this.#settled.push(callback);
  }

  /** What is to be written last. */
  finish(): void {
    const { connection, sql } = this;
    // What was given out but not logged: the log ends with it all the same.
    if (this.#last > this.#lastLogged) {
      sql.addChange.run(this.#last, null);
      this.#lastLogged = this.#last;
    }
    if (!connection.isOfThisBoot) this.#noteBoot();
    connection.upkeep.changes += this.#logged;
    if (connection.upkeep.changes < CHANGES_PER_PRUNING) return;
    connection.upkeep.changes = 0;
    sql.pruneChanges.run();
  }

  #noteBoot(): void {
    this.sql.setBoot.run(bootId());
    this.connection.isOfThisBoot = true;
    this.onSettled((outcome) => {
      if (outcome !== "committed") this.connection.isOfThisBoot = false;
    });
  }

  settle(outcome: Outcome): void {
    if (outcome === "committed") this.#recent.lastLogged = this.#lastLogged;
    else this.#recent.forget();
    for (const callback of this.#settled) callback(outcome);
  }
}
