import type { Client, ClientConfig, QueryArrayResult } from "pg";
import { type NameholdError, RegistryError } from "../../core/errors.js";
import { type Clock, later, type MonotonicMs } from "../../core/timing.js";
import type { Driver } from "./driver.js";
import { endsConnection, LostReply, storageErrorOf } from "./postgres-error.js";
import type { PostgresSettings } from "./settings.js";

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
}

export interface RunOptions {
  /** By when it must have been answered, in milliseconds from now. Default: the store's own. */
  readonly timeoutMs?: number;
  /** Goes before others. */
  readonly isUrgent?: boolean;
}

/** When a statement was sent and answered, for what the server's time says. */
export interface Answer<Row> {
  readonly rows: readonly Row[];
  readonly sentAt: MonotonicMs;
  readonly receivedAt: MonotonicMs;
}

interface Job {
  readonly statement: Statement;
  readonly deadline: MonotonicMs;
  readonly isUrgent: boolean;
  readonly done: (answer: Answer<never>) => void;
  readonly fail: (error: unknown) => void;
  isOver: boolean;
}

/**
 * A few connections, made when they are needed. None of them has a state that a later statement depends on, so that it makes no
 * difference whether a pooler hands each statement to another server process.
 *
 * A statement that is not answered in time takes its connection with it, and all that have been idle: their packets may be swallowed
 * as well.
 */
export class Connections {
  readonly #driver: Driver;
  readonly #settings: PostgresSettings;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #max: number;
  readonly #jobs: Job[] = [];
  #idle: Client[] = [];
  readonly #open = new Set<Client>();
  #opening = 0;
  #hostIndex = 0;
  #isClosed = false;

  constructor(
    driver: Driver,
    settings: PostgresSettings,
    { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
  ) {
    this.#driver = driver;
    this.#settings = settings;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#max = settings.connectionsMax ?? 4;
  }

  /**
   * One statement, one round trip. Rows as arrays.
   *
   * @throws LostReply when it was sent and no answer came
   * @throws RegistryError `unreachable` when it was not sent; PostgreSQL's own errors as they are
   */
  run<Row extends readonly unknown[]>(statement: Statement, options: RunOptions = {}): Promise<Answer<Row>> {
    const { timeoutMs = this.#timeoutMs, isUrgent = false } = options;
    return new Promise<Answer<Row>>((resolve, reject) => {
      if (this.#isClosed) throw this.#unreachable("the store is closed");
      const deadline = later(this.#clock.monotonicMs(), timeoutMs);
      const timer = this.#clock.setTimer(timeoutMs, () => {
        if (job.isOver) return;
        this.#drop(job);
        job.fail(this.#unreachable(`no connection could be had within ${timeoutMs} ms`));
      });
      const settle = (act: () => void): void => {
        if (job.isOver) return;
        job.isOver = true;
        timer.cancel();
        act();
      };
      const job: Job = {
        statement,
        deadline,
        isUrgent,
        isOver: false,
        done: (answer) => settle(() => resolve(answer)),
        fail: (error) => settle(() => reject(error)),
      };
      this.#jobs.splice(isUrgent ? this.#jobs.findLastIndex((other) => other.isUrgent) + 1 : this.#jobs.length, 0, job);
      this.#pump();
    });
  }

  /** A connection of its own, for one who listens. The caller ends it. */
  async dedicated(timeoutMs: number = this.#timeoutMs): Promise<Client> {
    return this.#connect(later(this.#clock.monotonicMs(), timeoutMs));
  }

  /** Ends all connections, without waiting for anything. */
  close(): void {
    this.#isClosed = true;
    for (const job of this.#jobs.splice(0)) job.fail(this.#unreachable("the store is closed"));
    for (const client of this.#open) destroy(client);
    this.#open.clear();
    this.#idle = [];
  }

  #pump(): void {
    while (this.#jobs.length > 0) {
      const client = this.#idle.pop();
      const job = client && this.#jobs.shift();
      if (client === undefined || job === undefined) break;
      void this.#serve(client, job);
    }
    const wanted = Math.min(this.#jobs.length, this.#max) - this.#opening;
    for (let i = 0; i < wanted && this.#open.size + this.#opening < this.#max; i += 1) void this.#openOne();
  }

  async #openOne(): Promise<void> {
    this.#opening += 1;
    const waiting = new Set(this.#jobs);
    const deadline = this.#jobs[0]?.deadline ?? later(this.#clock.monotonicMs(), this.#timeoutMs);
    try {
      const client = await this.#connect(deadline);
      this.#opening -= 1;
      this.#open.add(client);
      client.once("end", () => this.#forget(client));
      if (this.#isClosed) destroy(client);
      else this.#rest(client);
    } catch (error) {
      this.#opening -= 1;
      // Who else waits may be served by connections that there are; who does not, learns why there is none. Who came later, or has
      // more time than this try had, has another one.
      const isOutOfTime = this.#clock.monotonicMs() >= deadline;
      const isFailed = (job: Job): boolean => waiting.has(job) && (!isOutOfTime || job.deadline <= deadline);
      const failed = this.#open.size > 0 ? [] : this.#jobs.filter(isFailed);
      for (const job of failed) {
        this.#drop(job);
        job.fail(error);
      }
      if (!this.#isClosed && failed.length > 0) this.#pump();
    }
  }

  async #serve(client: Client, job: Job): Promise<void> {
    setBusy(client, true);
    const sentAt = this.#clock.monotonicMs();
    const timer = this.#clock.setTimer(Math.max(1, job.deadline - sentAt), () => {
      const suspects = [client, ...this.#idle];
      for (const suspect of suspects) this.#forget(suspect);
      job.fail(new LostReply(`no answer came in time, and the connection was given up`));
      for (const suspect of suspects) destroy(suspect);
      this.#pump();
    });
    try {
      const { text, values = [] } = job.statement;
      const result: QueryArrayResult = await client.query({ text, values: [...values], rowMode: "array" });
      timer.cancel();
      job.done({ rows: result.rows as never[], sentAt, receivedAt: this.#clock.monotonicMs() });
      this.#rest(client);
    } catch (error) {
      timer.cancel();
      const isAlive = isServerError(error) && !endsConnection(error);
      if (isAlive) this.#rest(client);
      else {
        this.#forget(client);
        destroy(client);
      }
      job.fail(isAlive ? error : new LostReply(`the connection was lost before an answer came (${String(error)})`));
      this.#pump();
    }
  }

  #rest(client: Client): void {
    if (!this.#open.has(client)) return;
    setBusy(client, false);
    this.#idle.push(client);
    this.#pump();
  }

  #forget(client: Client): void {
    this.#open.delete(client);
    this.#idle = this.#idle.filter((other) => other !== client);
  }

  #drop(job: Job): void {
    const index = this.#jobs.indexOf(job);
    if (index !== -1) this.#jobs.splice(index, 1);
  }

  /** Tries the hosts in turn, from the one that was right the last time. */
  async #connect(deadline: MonotonicMs): Promise<Client> {
    const { hosts } = this.#settings;
    let failure: unknown;
    for (let i = 0; i < hosts.length; i += 1) {
      const index = (this.#hostIndex + i) % hosts.length;
      const leftMs = Math.max(1, (deadline - this.#clock.monotonicMs()) / (hosts.length - i));
      try {
        const client = await this.#connectTo(index, leftMs);
        this.#hostIndex = index;
        return client;
      } catch (error) {
        failure ??= error;
      }
    }
    throw storageErrorOf(failure, this.#settings.location);
  }

  async #connectTo(index: number, timeoutMs: number): Promise<Client> {
    const { ssl, isTlsOptional = false } = this.#settings;
    try {
      return await this.#connectBy(index, timeoutMs, ssl);
    } catch (error) {
      if (!isTlsOptional || !(error instanceof Error) || !/does not support SSL/.test(error.message)) throw error;
      return this.#connectBy(index, timeoutMs, false);
    }
  }

  async #connectBy(index: number, timeoutMs: number, ssl: PostgresSettings["ssl"]): Promise<Client> {
    const client = new this.#driver.Client({ ...this.#configFor(index, timeoutMs), ssl });
    // Whoever uses it is told by his own statement; an idle one is simply gone.
    client.on("error", () => this.#forget(client));
    const timer = this.#clock.setTimer(timeoutMs, () => destroy(client));
    try {
      await client.connect();
      if (this.#settings.hosts.length > 1) {
        const { rows } = await client.query("SELECT pg_is_in_recovery() AS standby");
        if (rows[0]?.standby === true) throw this.#unreachable("the server is a standby");
      }
      return client;
    } catch (error) {
      destroy(client);
      throw error;
    } finally {
      timer.cancel();
    }
  }

  #configFor(index: number, timeoutMs: number): ClientConfig {
    const { hosts, user, database, password } = this.#settings;
    return {
      ...hosts[index],
      user,
      database,
      // Never undefined: pg would then look for it itself, and says so on standard error.
      password: async () => (await password?.()) ?? "",
      connectionTimeoutMillis: Math.ceil(timeoutMs),
      keepAlive: true,
      application_name: "namehold",
    };
  }

  #unreachable(why: string): NameholdError {
    return new RegistryError("unreachable", `${this.#settings.location} cannot be reached: ${why}.`);
  }
}

/** Ends a connection at once; the server sees it go. */
export function destroy(client: Client): void {
  const { connection } = client as unknown as { readonly connection: { readonly stream: { destroy(): void } } };
  connection.stream.destroy();
}

/** A connection that nobody waits for does not keep the process alive. */
export function setBusy(client: Client, isBusy: boolean): void {
  const socket = client as unknown as { ref(): void; unref(): void };
  if (isBusy) socket.ref();
  else socket.unref();
}

function isServerError(error: unknown): boolean {
  return error instanceof Error && "severity" in error;
}
