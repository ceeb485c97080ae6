import { resolve } from "node:path";
import { NameholdError, RegistryError } from "../../core/errors.js";
import { type Clock, later, type MonotonicMs } from "../../core/timing.js";
import { makeDirectory } from "../../platform/directory.js";
import type { Connection } from "./connection.js";
import { type Driver, loadDriver } from "./driver.js";
import { openDatabase } from "./open-database.js";
import { RegistryIdFile } from "./registry-id.js";
import { MIGRATIONS, newerSchema } from "./schema.js";
import { isBusy, storageErrorOf } from "./sqlite-error.js";

export interface DatabaseOptions {
  readonly path: string;
  readonly clock: Clock;
  /** How long a look, or a turn to write, may be waited for. */
  readonly timeoutMs: number;
  readonly isAlwaysDurable: boolean;
}

/** How often it is looked whether the files are still those that are open. */
const CHECK_MS = 1_000;
const RETRY_MS = 1;

/**
 * The database of one registry, opened when it is first needed: to read, only where there is one.
 *
 * Readers never wait for writers. What they can meet is a moment in which another process recovers the log of a crashed
 * one, or puts it away as the last to leave: then they try again, without blocking the event loop.
 */
export class RegistryDatabase {
  readonly path: string;
  readonly #options: DatabaseOptions;
  readonly #driver: Driver;
  readonly #clock: Clock;
  #connection: Connection | undefined;
  #checkedAt: MonotonicMs | undefined;
  #hasExisted = false;
  #isClosed = false;

  /** Called when another file has taken the place of the open one: what was known of its rows is void. */
  onReplaced: () => void = () => undefined;

  /** @throws NameholdError `unsupported` without better-sqlite3 */
  constructor(options: DatabaseOptions) {
    this.path = resolve(options.path);
    this.#options = options;
    this.#clock = options.clock;
    this.#driver = loadDriver();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Reads, again and again while another process is in the way.
   *
   * @param use is given null when there is no registry
   * @throws NameholdError `busy` when that did not end in time, and others
   */
  async read<T>(use: (connection: Connection | null) => T): Promise<T> {
    let deadline: MonotonicMs | undefined;
    for (;;) {
      this.checkOpen();
      try {
        return use(this.#forReading());
      } catch (error) {
        deadline ??= later(this.#clock.monotonicMs(), this.#options.timeoutMs);
        if (!isBusy(error) || this.#clock.monotonicMs() >= deadline) throw storageErrorOf(error, this.path);
      }
      await new Promise<void>((done) => this.#clock.setTimer(RETRY_MS, done));
    }
  }

  /** As it is open, or null; for those who look in passing. */
  peek(): Connection | null {
    return this.#isClosed ? null : this.#forReading();
  }

  /** Makes the registry when there is none. @throws what `openDatabase` throws */
  forWriting(now = this.#clock.monotonicMs()): Connection {
    this.checkOpen();
    const known = this.#checked(now);
    if (known !== undefined && !known.isReadOnly) return known;
    this.#disconnect();
    return this.#connect(true) as Connection;
  }

  checkOpen(): void {
    if (this.#isClosed) throw new NameholdError("closed", `The registry ${this.path} is closed.`);
  }

  close(): void {
    this.#isClosed = true;
    this.#disconnect();
  }

  #forReading(): Connection | null {
    const known = this.#checked(this.#clock.monotonicMs());
    if (known?.isCurrent() === true) return known;
    this.#disconnect();
    return this.#connect(false);
  }

  #connect(toWrite: boolean): Connection | null {
    const { path, clock, isAlwaysDurable } = this.#options;
    // What this process has seen is not taken for a registry that was never there.
    const mayMake = toWrite && !this.#hasExisted;
    const connection = openDatabase({
      path: resolve(path),
      driver: this.#driver,
      clock,
      isAlwaysDurable,
      toWrite,
      mayMake,
    });
    if (connection === null) {
      if (this.#hasExisted) throw vanished(this.path);
      return null;
    }
    this.#connection = connection;
    this.#hasExisted = true;
    this.#checkedAt = this.#clock.monotonicMs();
    return connection;
  }

  /** The open connection, of which it is known for a moment that it is the right one. */
  #checked(now: MonotonicMs): Connection | undefined {
    const connection = this.#connection;
    if (connection === undefined) return undefined;
    if (this.#checkedAt !== undefined && now - this.#checkedAt < CHECK_MS) return connection;
    const place = connection.place();
    // It may come back: the connection is kept.
    if (place === "nothing") throw missing(connection);
    if (place === "another") {
      this.#disconnect();
      this.onReplaced();
      return undefined;
    }
    const layout = connection.layout();
    if (layout > MIGRATIONS.length) throw newerSchema(this.path, layout);
    if (!connection.isReadOnly) this.#keepDirectory(connection);
    this.#checkedAt = now;
    return connection;
  }

  /** Somebody may have cleaned up beside the database. */
  #keepDirectory({ holdersDirectory, id }: Connection): void {
    const known = new RegistryIdFile(holdersDirectory);
    if (known.read() === undefined) known.writeIfAllowed(id);
    else makeDirectory(holdersDirectory);
  }

  #disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
    this.#checkedAt = undefined;
  }
}

function missing({ path, holdersDirectory }: Connection): NameholdError {
  const known = new RegistryIdFile(holdersDirectory);
  return known.read() === undefined ? vanished(path) : known.damage(path, "is missing");
}

function vanished(path: string): NameholdError {
  return new RegistryError(
    "unreachable",
    `The registry ${path} was there and is gone, with all that stood beside it. Is its directory still mounted? Start this process anew to begin a new registry.`,
  );
}
