import type { Client } from "pg";
import { RegistryError } from "../../core/errors.js";
import type { Clock } from "../../core/timing.js";
import { bootId } from "../../platform/clock.js";
import { host } from "../../platform/host.js";
import { type Answer, Connections, destroy, type RunOptions } from "./connections.js";
import type { Driver } from "./driver.js";
import { placeOf, type SqlPlace } from "./functions.js";
import { isMissingSchema, sqlStateOf, storageErrorOf } from "./postgres-error.js";
import type { Head, Recovery } from "./rows.js";
import { RowReader, recoveryIn } from "./rows.js";
import { grantsFor, layoutIn, makeSchema } from "./schema.js";
import { ServerClock } from "./server-clock.js";
import type { PostgresSettings } from "./settings.js";

export interface EngineOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

export interface CallOptions extends RunOptions {
  /** Makes the schema when it is not there. */
  readonly makes?: boolean;
}

interface Headed {
  readonly head: Head;
  readonly note?: readonly [low: number, high: number, steadySince: number, checked: number] | null;
}

/** The server as the store asks it: functions by name, what their answers tell of its clock, and the schema. */
export class Engine {
  readonly place: SqlPlace;
  readonly location: string;
  readonly clock: Clock;
  readonly serverClock: ServerClock;
  readonly connections: Connections;
  readonly timeoutMs: number;
  /** Names this host's boot clock; `""` where there is no name for it. */
  readonly boot: string;
  /** Called when commits may have been lost: a promotion, or a restored backup. */
  onAdopted: () => void = () => undefined;
  #head: Head = [0, 0, 0, null, 0];
  #hasNote = false;
  #adoptions: number | undefined;
  #making: Promise<void> | undefined;
  #overUs: number | null = null;

  constructor(driver: Driver, settings: PostgresSettings, options: EngineOptions) {
    const schema = settings.schema ?? "namehold";
    this.place = placeOf(schema);
    this.location = settings.location;
    this.clock = options.clock;
    this.timeoutMs = options.timeoutMs;
    this.serverClock = new ServerClock(options.clock);
    this.connections = new Connections(driver, settings, options);
    this.boot = bootId() === "" ? "" : `${bootId()} ${host().namespaceOf("time")}`;
  }

  /** How often commits may have been lost, as it was told last. */
  get adoptions(): number | undefined {
    return this.#adoptions;
  }

  /** The floor of tokens, as it was told last. */
  get floor(): number {
    return this.#head[2];
  }

  /** What is free is held back, since commits may have been lost; null when that is over, or never was. */
  get recovery(): Recovery | null {
    const recovery = recoveryIn(this.#head);
    if (recovery === null || recovery.recoveredUs === this.#overUs) return null;
    const isTrusted = this.serverClock.clockOf(recovery.recoveredUs, true) !== "";
    if (isTrusted && this.serverClock.nowUs() - recovery.recoveredUs >= recovery.holdbackMs * 1000) {
      this.#overUs = recovery.recoveredUs;
      return null;
    }
    return recovery;
  }

  /** The recovery of which this process has seen the end, and the server has not been told. */
  get recoveryOverUs(): number | null {
    return this.recovery === null ? this.#head[3] : null;
  }

  get reader(): RowReader {
    return new RowReader(this.serverClock, this.recovery);
  }

  /** What the server's clock should say; null where that is not known well enough to vouch for it. */
  get expectedUs(): number | null {
    return this.serverClock.isKnown && !this.serverClock.hasJustStepped ? this.serverClock.nowUs() : null;
  }

  /** When, by the server's clock, a statement that is sent now has been given up here. */
  deadlineUs(timeoutMs: number): number | null {
    return this.serverClock.latestUs(timeoutMs);
  }

  /**
   * One function, one round trip.
   *
   * @returns null when there is no registry, and none was to be made
   * @throws LostReply; RegistryError; PostgreSQL's errors as they are
   */
  async call<Result>(name: string, args: readonly unknown[], options: CallOptions = {}): Promise<Result | null> {
    try {
      return await this.#run<Result>(name, args, options);
    } catch (error) {
      if (!isMissingSchema(error)) throw this.#explained(error);
      if ((await this.#ensureSchema(options.makes === true)) === 0) return null;
      return this.#run<Result>(name, args, options);
    }
  }

  /** Makes the registry where there is none yet. */
  async make(): Promise<void> {
    await this.#ensureSchema(true);
  }

  /** An error as callers are told it. */
  failure(error: unknown): Error {
    return storageErrorOf(error, this.location);
  }

  /** Uses a connection of its own for a moment. */
  async withClient<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const client = await this.connections.dedicated();
    const timer = this.clock.setTimer(this.timeoutMs * 2, () => destroy(client));
    try {
      return await use(client);
    } finally {
      timer.cancel();
      destroy(client);
    }
  }

  /** Rejects when the time of one operation is over. */
  async timeLimit(why: string): Promise<never> {
    return new Promise((_, reject) => {
      this.clock.setTimer(this.timeoutMs, () => reject(new Error(why)), { background: true });
    });
  }

  async #run<Result>(name: string, args: readonly unknown[], options: RunOptions): Promise<Result> {
    const text = `SELECT ${this.place.s}.${name}(${args.map((_, i) => `$${i + 1}`).join(", ")})`;
    const answer = await this.connections.run<[Result]>({ text, values: args }, options);
    const result = answer.rows[0]?.[0] as Result;
    if (typeof result === "object" && result !== null && "head" in result) this.#hear(result as Headed, answer);
    return result;
  }

  /** What the next look should ask for beside names. */
  get noteAsked(): { readonly boot?: string } {
    return this.#hasNote || this.boot === "" ? {} : { boot: this.boot };
  }

  #hear({ head, note }: Headed, { sentAt, receivedAt }: Answer<unknown>): void {
    this.serverClock.observe(head[0], sentAt, receivedAt);
    if (note !== undefined && !this.#hasNote) {
      this.#hasNote = true;
      if (note !== null) this.serverClock.adopt({ low: note[0], high: note[1], steadySince: note[2] }, note[3]);
    }
    if (head[1] < this.#head[1]) return;
    this.#head = head;
    const hasChanged = this.#adoptions !== undefined && head[1] !== this.#adoptions;
    this.#adoptions = head[1];
    if (hasChanged) this.onAdopted();
  }

  /** @returns the layout; 0 when there is none and none was to be made */
  async #ensureSchema(makes: boolean): Promise<number> {
    if (makes) {
      this.#making ??= this.#make().finally(() => {
        this.#making = undefined;
      });
      await this.#making;
      return 1;
    }
    try {
      return await this.withClient((client) => layoutIn(client, this.place, this.location));
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async #make(): Promise<void> {
    try {
      await this.withClient((client) => makeSchema(client, this.place, this.location));
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** A missing right comes with the words by which an owner gives it. */
  #explained(error: unknown): unknown {
    if (sqlStateOf(error) !== "42501") return error;
    const { s } = this.place;
    const reported = error instanceof Error ? error.message : "";
    return new RegistryError(
      "read-only",
      `${this.location}: this user lacks a right (PostgreSQL says: ${reported}). Where the schema is not there yet, a user who may create it makes it with a first claim: namehold -r postgres://OWNER@HOST/DATABASE run NAME -- true. Then the owner runs, with the role's name: ${grantsFor(s, "ROLE")}`,
    );
  }
}
