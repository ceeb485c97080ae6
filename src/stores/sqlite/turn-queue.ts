import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { isNameholdError, type NameholdError, RegistryError } from "../../core/errors.js";
import { type Clock, later, type MonotonicMs } from "../../core/timing.js";
import { bootClockName } from "../machine/boot-clock.js";
import type { Connection } from "./connection.js";
import type { RegistryDatabase } from "./database.js";
import { Gate } from "./gate.js";
import { isBusy, sqliteCodeOf, storageErrorOf } from "./sqlite-error.js";
import { type Outcome, Transaction } from "./transaction.js";

export interface JobOptions {
  /** On the disk before it is told. */
  readonly isDurable: boolean;
  /** Goes before what is waiting already. */
  readonly isUrgent?: boolean;
}

interface Job {
  readonly isDurable: boolean;
  readonly run: (tx: Transaction) => void;
  readonly done: () => void;
  readonly fail: (error: unknown) => void;
}

/** A process that is stopped while it has the gate must not stop the others for longer. */
const GATE_PATIENCE_MS = 250;
const RETRY_MS = 1;
/** A turn takes a fraction of a millisecond: who comes too early tries again at once, so often. */
const TRIES_AT_ONCE = 4;
/** Who finds others waiting when he comes out lets them in before he comes again. */
const YIELD_MS = 1.5;
/** Who takes turn after turn looks so often whether others wait. */
const ASK_MS = 0.25;
const GATE_CHECK_MS = 1_000;
/** A transaction takes no further job in after this time: the event loop has other things to do. */
const GROUP_MS = 20;

/**
 * Turns to write, one at a time among all processes. All that is wanted in one process at about the same time is one
 * transaction, and one sync to the disk.
 *
 * Nothing here waits inside SQLite: a turn that cannot be had at once is tried again later, while the event loop goes on.
 */
export class TurnQueue {
  readonly #database: RegistryDatabase;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #gate: Gate | undefined;
  #gateCheckedAt: MonotonicMs;
  #jobs: Job[] = [];
  #running: Promise<void> | undefined;
  #freeAt: MonotonicMs;
  #askedAt: MonotonicMs;

  /** Called after each transaction that was committed, or may have been. */
  onCommit: () => void = () => undefined;

  constructor(database: RegistryDatabase, clock: Clock, timeoutMs: number) {
    this.#database = database;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#freeAt = clock.monotonicMs();
    this.#gateCheckedAt = this.#freeAt;
    this.#askedAt = this.#freeAt;
  }

  /**
   * Runs `job` in a transaction, and resolves when that is committed. A job that throws before it has written anything
   * fails alone.
   *
   * @throws RegistryError `busy`, `outcome-unknown`, and the storage's failures
   */
  run<T>(options: JobOptions, job: (tx: Transaction) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let result: T;
      const queued: Job = {
        isDurable: options.isDurable,
        run: (tx) => {
          result = job(tx);
        },
        done: () => resolve(result),
        fail: reject,
      };
      if (options.isUrgent === true) this.#jobs.unshift(queued);
      else this.#jobs.push(queued);
      this.#running ??= this.#runQueue();
    });
  }

  /**
   * As `run`, at once, without giving the event loop a turn: for the end of the process. Does nothing when the database is
   * busy for so long.
   */
  runNow(timeoutMs: number, job: (tx: Transaction) => void): void {
    const deadline = later(this.#clock.monotonicMs(), timeoutMs);
    const cell = new Int32Array(new SharedArrayBuffer(4));
    let failure: { readonly error: unknown } | undefined;
    const fail = (error: unknown): void => {
      failure = { error };
    };
    const jobs = [{ isDurable: false, run: job, done: () => undefined, fail }];
    for (let now = this.#clock.monotonicMs(); this.#runAtOnce(this.#connect(now), jobs) === undefined; ) {
      now = this.#clock.monotonicMs();
      if (now >= deadline) return;
      Atomics.wait(cell, 0, 0, RETRY_MS);
    }
    if (failure !== undefined) throw failure.error;
  }

  /** Waits for what is queued. */
  async settled(): Promise<void> {
    await this.#running;
  }

  close(): void {
    this.#gate?.close();
    this.#gate = undefined;
  }

  async #runQueue(): Promise<void> {
    // Whatever else is wanted in this very moment comes along.
    await Promise.resolve();
    while (this.#jobs.length > 0) {
      const waiting = [...this.#jobs];
      try {
        if (!this.#takeTurnAtOnce()) await this.#takeTurn();
      } catch (error) {
        // Without a turn, those who have waited for it fail; who came meanwhile waits for the next.
        const failed = new Set(waiting);
        this.#jobs = this.#jobs.filter((job) => !failed.has(job));
        for (const job of failed) job.fail(error);
      } finally {
        this.#leave();
      }
      if (this.#jobs.length > 0) await turnOfEventLoop();
    }
    // In the same step in which the queue was seen empty: who comes later finds that he must run it.
    this.#running = undefined;
  }

  #takeTurnAtOnce(): boolean {
    const now = this.#clock.monotonicMs();
    if (now < this.#freeAt) return false;
    const connection = this.#connect(now);
    return connection !== undefined && this.#gateOf(connection, now).tryEnter() && this.#runQueued(connection);
  }

  /** @throws RegistryError `busy` when the turn does not come in time */
  async #takeTurn(): Promise<void> {
    const start = this.#clock.monotonicMs();
    const deadline = later(start, this.#timeoutMs);
    await this.#sleep(this.#freeAt - start);
    const patienceEnds = later(this.#clock.monotonicMs(), Math.min(GATE_PATIENCE_MS, this.#timeoutMs));
    try {
      for (let tries = 1; ; tries += 1) {
        const now = this.#clock.monotonicMs();
        const connection = this.#connect(now);
        const gate = connection && this.#gateOf(connection, now);
        gate?.beginWaiting();
        const mayPass = gate?.tryEnter() === true || now >= patienceEnds;
        if (mayPass && connection !== undefined && this.#runQueued(connection)) return;
        if (now >= deadline) throw this.#busy();
        await (tries < TRIES_AT_ONCE ? turnOfEventLoop() : this.#sleep(RETRY_MS));
      }
    } finally {
      this.#gate?.endWaiting();
    }
  }

  /** @returns false while another process writes */
  #runQueued(connection: Connection): boolean {
    const left = this.#runAtOnce(connection, this.#jobs);
    if (left !== undefined) this.#jobs = left;
    return left !== undefined;
  }

  /** @returns the jobs that are left for another turn; undefined while another process writes */
  #runAtOnce(connection: Connection | undefined, jobs: readonly Job[]): Job[] | undefined {
    const begun = this.#unlessBusy(() => {
      connection?.setDurable(jobs.some((job) => job.isDurable));
      connection?.sql.begin.run();
      return connection;
    });
    return begun && this.#runGroup(begun, jobs);
  }

  /** @returns undefined while another process is in the way */
  #connect(now: MonotonicMs): Connection | undefined {
    return this.#unlessBusy(() => this.#database.forWriting(now));
  }

  #unlessBusy<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw storageErrorOf(error, this.#database.path);
    }
  }

  #gateOf({ holdersDirectory }: Connection, now: MonotonicMs): Gate {
    this.#gate ??= new Gate(holdersDirectory);
    if (now - this.#gateCheckedAt >= GATE_CHECK_MS) {
      this.#gate.check();
      this.#gateCheckedAt = now;
    }
    return this.#gate;
  }

  #leave(): void {
    const now = this.#clock.monotonicMs();
    const mayAsk = now - this.#askedAt >= ASK_MS;
    if (mayAsk) this.#askedAt = now;
    if (this.#gate?.leave(mayAsk) === true) this.#freeAt = later(now, YIELD_MS);
  }

  /** @returns the jobs that were left for another turn */
  #runGroup(connection: Connection, queue: readonly Job[]): Job[] {
    const wall = this.#clock.wallMs();
    const monotonic = this.#clock.monotonicMs();
    const failures = new Map<Job, unknown>();
    let count = 0;
    let tx: Transaction | undefined;
    let failure: unknown;
    try {
      tx = new Transaction(connection, { wall, monotonic, clock: bootClockName() });
      for (const job of queue) {
        if (count > 0 && this.#clock.monotonicMs() - monotonic >= GROUP_MS) break;
        count += 1;
        this.#runJob(tx, job, failures);
      }
      tx.finish();
      failure = this.#commit(connection);
    } catch (error) {
      this.#rollBack(connection);
      failure = storageErrorOf(error, connection.path);
    }
    const outcome = outcomeOf(failure);
    tx?.settle(outcome);
    for (const job of queue.slice(0, count)) {
      if (failures.has(job)) job.fail(failures.get(job));
      else if (failure === undefined) job.done();
      else job.fail(failure);
    }
    if (outcome !== "rolled-back") this.onCommit();
    return queue.slice(count);
  }

  /** What a job throws before it has written anything is its own. Anything else ends the transaction. */
  #runJob(tx: Transaction, job: Job, failures: Map<Job, unknown>): void {
    const { last } = tx;
    try {
      job.run(tx);
    } catch (error) {
      if (!isNameholdError(error)) throw error;
      tx.last = last;
      failures.set(job, error);
    }
  }

  /** @returns why it was not committed, or may not have been */
  #commit(connection: Connection): NameholdError | undefined {
    try {
      connection.sql.commit.run();
      return undefined;
    } catch (error) {
      this.#rollBack(connection);
      const code = sqliteCodeOf(error) ?? "";
      const failure = storageErrorOf(error, connection.path);
      // Nothing of it is valid without its last page, and that could not be written.
      if (/^SQLITE_(BUSY|FULL)/.test(code) && failure instanceof RegistryError) return failure;
      return new RegistryError(
        "outcome-unknown",
        `Whether the last change to ${connection.path} was written is not known: ${String(error)}. Look before you repeat it.`,
        { cause: error },
      );
    }
  }

  #rollBack(connection: Connection): void {
    if (!connection.inTransaction) return;
    try {
      connection.sql.rollback.run();
    } catch {
      // SQLite rolls back by itself when it can do nothing else; the failure that brought us here is the one to tell.
    }
  }

  async #sleep(ms: number): Promise<void> {
    if (ms > 0) await new Promise<void>((resolve) => this.#clock.setTimer(ms, resolve));
  }

  #busy(): RegistryError {
    return new RegistryError(
      "busy",
      `The registry ${this.#database.path} is busy: another process has kept it locked for ${this.#timeoutMs} ms. Try again; if it stays so, find that process and end it.`,
    );
  }
}

function outcomeOf(failure: unknown): Outcome {
  if (failure === undefined) return "committed";
  return isNameholdError(failure, "outcome-unknown") ? "unknown" : "rolled-back";
}
