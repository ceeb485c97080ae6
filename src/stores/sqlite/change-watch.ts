import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Clock, Timer } from "../../core/timing.js";
import { holdersDirectoryOf } from "../../platform/presence-path.js";
import { resolveLinks } from "../../platform/real-path.js";
import { DeathWatch } from "../machine/death-watch.js";
import { News } from "../records/news.js";
import type { Connection } from "./connection.js";
import type { RegistryDatabase } from "./database.js";
import { fromSqlText, toSqlText } from "./sql-text.js";
import { PAGE_ROWS } from "./statements.js";

/** Where the kernel tells of changes, a look now and then is for what it cannot tell. */
const LOOK_MS = 500;
const LOOK_MS_UNTOLD = 25;
/** The log is written before it is valid: who was told of a write and finds nothing looks again, so often. */
const LOOKS_AGAIN_MS = [1, 2, 4, 8, 16, 32] as const;
/** Of all holders, where all names are watched. */
const INSTANCES_MAX = 1_000;

/**
 * Tells watchers of changes. The kernel tells that the database's log was written, the table of changes tells which names
 * that was about; the deaths of the holders that are waited for are seen by trying their presence locks.
 *
 * One watch for all watchers of the process, and none when there is none.
 */
export class ChangeWatch {
  readonly #database: RegistryDatabase;
  readonly #clock: Clock;
  readonly #watchers = new Set<News>();
  readonly #closing = new AbortController();
  readonly #deaths: DeathWatch;
  /** Whose deaths concern which of the watched names. */
  #holdersOf = new Map<string, ReadonlySet<string>>();
  #seen = 0;
  #files: FSWatcher | undefined;
  #timer: Timer | undefined;
  #again: Timer | undefined;

  constructor(database: RegistryDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#deaths = new DeathWatch(clock, holdersDirectoryOf(database.path), (instance) => this.#tellDeath(instance));
  }

  async *changes(names: readonly string[] | undefined, signal: AbortSignal): AsyncIterable<readonly string[] | null> {
    const ends = AbortSignal.any([signal, this.#closing.signal]);
    const news = new News(names);
    yield* news.until(ends, {
      begin: () => this.#subscribe(news),
      leave: () => this.#unsubscribe(news),
    });
  }

  /** Looks when those whose own write it was have had their answer. */
  lookSoon(): void {
    if (this.#watchers.size > 0) setImmediate(() => this.look());
  }

  /** Tells of what was written since the last look. @returns whether there was something */
  look(): boolean {
    if (this.#watchers.size === 0) return false;
    try {
      const connection = this.#database.peek();
      return connection !== null && this.#tellChanges(connection);
    } catch {
      // Who waits reads for himself, and is told by that what is wrong.
      this.#tellAll(null);
      return true;
    }
  }

  close(): void {
    this.#closing.abort();
  }

  #subscribe(news: News): void {
    this.#watchers.add(news);
    if (this.#watchers.size === 1) this.#start();
    this.#unlessFailing(() => this.#watchHolders(news.names));
  }

  #unsubscribe(news: News): void {
    this.#watchers.delete(news);
    if (this.#watchers.size > 0) return;
    this.#files?.close();
    this.#files = undefined;
    this.#timer?.cancel();
    this.#again?.cancel();
    this.#deaths.stop();
    this.#holdersOf.clear();
  }

  #start(): void {
    // Before it is asked where the log ends: what comes in between is told once too often.
    this.#watchFiles();
    this.#unlessFailing(() => {
      this.#seen = this.#database.peek()?.sql.lastSeq.get()?.[0] ?? 0;
    });
    this.#schedule();
    this.#deaths.start();
  }

  /** Who asks is told what is wrong when he reads. */
  #unlessFailing(look: () => void): void {
    try {
      look();
    } catch {
      this.#tellAll(null);
    }
  }

  #watchFiles(): void {
    try {
      const path = resolveLinks(this.#database.path);
      const log = `${basename(path)}-wal`;
      this.#files = watch(dirname(path), { persistent: false }, (_event, file) => {
        if (file === null || file === log) this.#lookUntilFound(0);
      });
      this.#files.on("error", () => {
        this.#files?.close();
        this.#files = undefined;
      });
    } catch {
      // No such directory yet, or the user's watches are used up: the look now and then has to do.
    }
  }

  #lookUntilFound(attempt: number): void {
    this.#again?.cancel();
    if (this.look()) return;
    const delayMs = LOOKS_AGAIN_MS[attempt];
    if (delayMs === undefined || this.#watchers.size === 0) return;
    this.#again = this.#clock.setTimer(delayMs, () => this.#lookUntilFound(attempt + 1), { background: true });
  }

  #schedule(): void {
    const act = (): void => {
      if (this.#files === undefined) this.#watchFiles();
      this.look();
      this.#schedule();
    };
    this.#timer = this.#clock.setTimer(this.#files === undefined ? LOOK_MS_UNTOLD : LOOK_MS, act, { background: true });
  }

  #tellChanges(connection: Connection): boolean {
    const { sql } = connection;
    const last = sql.lastSeq.get()?.[0] ?? 0;
    if (last === this.#seen) return false;
    // What was told of last was pruned, or never was in this database: what has come since cannot be told.
    if (last < this.#seen || (sql.firstSeq.get()?.[0] ?? 0) > this.#seen) return this.#tellAny(last);
    const names = new Set<string>();
    for (let rows = sql.changesSince.all(this.#seen); rows.length > 0; rows = sql.changesSince.all(this.#seen)) {
      for (const [seq, key] of rows) {
        this.#seen = seq;
        if (key === null) return this.#tellAny(last);
        names.add(fromSqlText(key));
      }
      if (rows.length < PAGE_ROWS) break;
    }
    for (const name of names) this.#tellAll(name);
    this.#watchHoldersLater(names);
    return true;
  }

  #tellAny(last: number): true {
    this.#seen = Math.max(last, 0);
    this.#tellAll(null);
    this.#watchHoldersLater(undefined);
    return true;
  }

  /** Those who were told go first. */
  #watchHoldersLater(changed: ReadonlySet<string> | undefined): void {
    setImmediate(() => {
      if (this.#watchers.size > 0) this.#unlessFailing(() => this.#watchHolders(changed));
    });
  }

  #tellAll(name: string | null): void {
    for (const news of this.#watchers) news.tell(name);
  }

  /** Looks who has, and who waits for, those of the names that are watched. @param changed all, when not given */
  #watchHolders(changed: ReadonlySet<string> | undefined): void {
    const connection = this.#database.peek();
    if (connection === null) return;
    const watched = new Set([...this.#watchers].flatMap(({ names }) => [...(names ?? [])]));
    const holdersOf = new Map<string, ReadonlySet<string>>();
    for (const name of watched) {
      const known = changed?.has(name) === false ? this.#holdersOf.get(name) : undefined;
      holdersOf.set(name, known ?? holdersIn(connection, name));
    }
    this.#holdersOf = holdersOf;
    const isForAll = [...this.#watchers].some(({ names }) => names === undefined);
    const all = isForAll ? connection.sql.instances.all(INSTANCES_MAX).map(([instance]) => instance) : [];
    this.#deaths.instances = new Set([...all, ...[...holdersOf.values()].flatMap((holders) => [...holders])]);
  }

  #tellDeath(instance: string): void {
    for (const [name, holders] of this.#holdersOf) if (holders.has(instance)) this.#tellAll(name);
    // Which names it had is not looked for among all that there are.
    for (const news of this.#watchers) if (news.names === undefined) news.tell(null);
  }
}

function holdersIn({ sql }: Connection, name: string): ReadonlySet<string> {
  const holders = new Set<string>();
  const key = toSqlText(name);
  for (const [instance] of sql.instancesOfName.all(key, key, key)) if (instance !== null) holders.add(instance);
  return holders;
}
