import type { PastHold } from "../../core/history.js";
import { nextToken } from "../../core/token.js";
import { bootId } from "../../platform/clock.js";
import type { Reading } from "../records/reading.js";
import type { Connection } from "./connection.js";
import { toSqlText } from "./sql-text.js";
import type { Statements } from "./statements.js";

export type Outcome = "committed" | "rolled-back" | "unknown";

/** So many names are logged one by one in a transaction; of more, "any may have changed". */
const LOGGED_MAX = 1_000;
const CHANGES_PER_PRUNING = 1_024;
const HOLDS_PER_PRUNING = 256;
const HOLDS_PER_PRUNING_OF_NAME = 64;

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
  #last: number;
  #lastLogged: number;
  #logged = 0;
  readonly #settled: ((outcome: Outcome) => void)[] = [];

  /** To be made when the database's write lock is ours. */
  constructor(connection: Connection, reading: Reading) {
    this.connection = connection;
    this.sql = connection.sql;
    this.reading = reading;
    this.#lastLogged = this.sql.lastSeq.get()?.[0] ?? 0;
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

  /** Adds an ended hold to the history. */
  record(hold: PastHold): void {
    const { name, id, holder, token, since, lastHeartbeat, until, ending, observed } = hold;
    const detail = ending.detail === undefined ? null : toSqlText(ending.detail);
    const { instance, pid, host } = holder;
    const key = toSqlText(name);
    this.sql.addHold.run(
      key,
      id,
      instance,
      pid,
      host,
      token,
      since,
      lastHeartbeat,
      until,
      ending.how,
      detail,
      observed ? 1 : 0,
    );
    const count = this.connection.upkeep.holds++;
    if (count % HOLDS_PER_PRUNING_OF_NAME === 0) this.sql.pruneHoldsOfName.run(key, key);
    if (count % HOLDS_PER_PRUNING === 0) this.sql.pruneHolds.run();
  }

  /** Calls `callback` when it is known what became of the transaction. */
  onSettled(callback: (outcome: Outcome) => void): void {
    this.#settled.push(callback);
  }

  /** What is to be written last. */
  finish(): void {
    const { connection, sql } = this;
    // What was given out but not logged: the log ends with it all the same.
    if (this.#last > this.#lastLogged) sql.addChange.run(this.#last, null);
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
    for (const callback of this.#settled) callback(outcome);
  }
}
