import { randomInt } from "node:crypto";
import type { Holder } from "../../core/entry.js";
import { NameholdError } from "../../core/errors.js";
import { type Checkup, type DiagnoseOptions, runChecks } from "../../core/finding.js";
import type { HistoryQuery, PastHold } from "../../core/history.js";
import type { Loss, Snapshot } from "../../core/record.js";
import { shellWord } from "../../core/shell-word.js";
import { type Clock, later, type Timer } from "../../core/timing.js";
import { systemClock } from "../../platform/clock.js";
import { namesIn, needsLife } from "../records/change-parts.js";
import type { Looked } from "../records/rows.js";
import { type SnapshotContext, snapshotFrom } from "../records/snapshot.js";
import type { Change, CommitResult, ListFilter, Store, StoreCapabilities, WatchOptions } from "../store.js";
import { Beats, type Orphan } from "./beat.js";
import { ChangeListener } from "./change-listener.js";
import { ChangeWriter } from "./change-writer.js";
import { registryCheck, serverCheck } from "./doctor.js";
import { type Driver, loadDriver } from "./driver.js";
import { keyOf } from "./encoded-text.js";
import { Engine } from "./engine.js";
import { KnownNames } from "./known-names.js";
import { OwnLife } from "./own-life.js";
import { pastHolds } from "./past-holds.js";
import { LostReply } from "./postgres-error.js";
import type { LookedTuple } from "./rows.js";
import type { PostgresSettings } from "./settings.js";

export interface PostgresStoreOptions {
  readonly clock?: Clock;
  /** By when the server must have answered one operation, in milliseconds. Default 5 000. */
  readonly timeoutMs?: number;
}

/** Rows that are read at a time. */
const PAGE_ROWS = 256;
/** Closing must not wait long for a server that is gone. */
const FINISH_MS = 2_000;
/** So many commits, and what is too much is deleted. */
const COMMITS_PER_PRUNING = 256;
/** Rows that are locked by others are waited for no longer, and after that there is only the commit. */
const LATE_MS = 5_000;
/** How often in its TTL a process tells that it still waits. */
const WAIT_BEATS_PER_TTL = 3;

const EXCEPTIONS: StoreCapabilities["exceptions"] = [
  {
    guarantee: "G1",
    why: "what was committed last is lost when PostgreSQL fails over to an asynchronous replica, or a backup is restored: names that were made in that time are made again with other IDs. Synchronous replication prevents it.",
  },
  {
    guarantee: "G2",
    why: "a grant that is lost so leaves a holder that the server does not know. Where that is seen (another timeline, cluster, or restored tables), what is free is held back until such holders have ended; a disk snapshot that is put back under a running lab is not seen.",
  },
];

/** @throws NameholdError `unsupported` without pg */
export async function openPostgresStore(
  settings: PostgresSettings,
  options: PostgresStoreOptions = {},
): Promise<PostgresStore> {
  return new PostgresStore(await loadDriver(), settings, options);
}

/**
 * A registry in a PostgreSQL database, for many machines.
 *
 * A change is drafted here (records/draft.ts) from what was seen last of its names, and written by one function call, which
 * looks whether all is still so. Whoever lives has a row with a beat; the server's clock measures a silence, as far as it is known
 * not to have stepped. Nothing is kept in a session, so that a pooler may stand between.
 *
 * @see docs/SPEC.md
 */
export class PostgresStore implements Store {
  /** Where it is, without secrets. */
  readonly location: string;
  readonly capabilities: StoreCapabilities = { timeAuthority: "store", deathProof: false, exceptions: EXCEPTIONS };
  readonly #settings: PostgresSettings;
  readonly #engine: Engine;
  readonly #known = new KnownNames();
  readonly #writer: ChangeWriter;
  readonly #beats: Beats;
  readonly #listener: ChangeListener;
  readonly #lives = new Map<string, OwnLife>();
  readonly #waitBeats = new Map<OwnLife, Timer>();
  /** Not from 0: processes that live for a few changes must also prune now and then. */
  #commits = randomInt(COMMITS_PER_PRUNING);
  #closing: Promise<void> | undefined;

  constructor(driver: Driver, settings: PostgresSettings, options: PostgresStoreOptions = {}) {
    const { clock = systemClock, timeoutMs = 5_000 } = options;
    this.location = settings.location;
    this.#settings = settings;
    this.#engine = new Engine(driver, settings, { clock, timeoutMs });
    this.#writer = new ChangeWriter(this.#engine, this.#known);
    this.#beats = new Beats(this.#engine, this.#writer);
    this.#beats.onOrphans = (own, orphans) => void this.#giveUp(own, orphans);
    this.#listener = new ChangeListener(this.#engine);
    this.#engine.onAdopted = () => {
      this.#known.clear();
      for (const own of this.#lives.values()) own.doubt(clock.monotonicMs());
    };
  }

  async read(name: string): Promise<Snapshot> {
    this.#checkOpen();
    return this.#told(async () => {
      const { looked } = await this.#writer.look([name]);
      return snapshotFrom(looked.get(name) ?? { name, row: null, former: null, queue: [] }, this.#context());
    });
  }

  async commit(change: Change): Promise<CommitResult> {
    this.#checkOpen();
    const own = needsLife(change) ? this.#lifeOf(change.holder) : this.#lives.get(change.holder.instance);
    const names = namesIn(change);
    this.#fly(own, names, 1);
    // Whatever comes of it: nobody stands behind this place any more.
    for (const part of change.parts) if (part.kind === "dequeue") own?.tickets.delete(part.ticket);
    try {
      const { isDone, looked, backup } = await this.#writer.write(change, own ?? null);
      const snapshots = this.#snapshots(looked);
      if (!isDone) return { kind: "conflict", snapshots };
      if (own !== undefined) this.#noteOwn(own, looked, change);
      this.#prune(names[0]);
      return { kind: "done", snapshots, ...(backup === undefined ? {} : { backup: this.#howToGet(backup) }) };
    } catch (error) {
      if (!(error instanceof LostReply)) throw this.#engine.failure(error);
      if (own !== undefined) {
        // Its row may have been made by this change: a heartbeat finds out.
        own.born();
        this.#suspectOrphans(own);
      }
      return { kind: "unknown", cause: this.#engine.failure(error) };
    } finally {
      this.#fly(own, names, -1);
    }
  }

  async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    this.#checkOpen();
    return this.#told(() => this.#beats.beat(holder, this.#lives.get(holder.instance), names));
  }

  /** In the order of their names as the database sorts them. What is changed meanwhile is shown as it is when its page is read. */
  async *list({ componentType }: ListFilter = {}): AsyncIterable<Snapshot> {
    this.#checkOpen();
    let after: string | null = null;
    for (;;) {
      const tuples = await this.#page(after, componentType);
      const { reader } = this.#engine;
      const context = this.#context();
      for (const tuple of tuples) yield snapshotFrom(reader.looked(tuple), context);
      const last = tuples.at(-1);
      if (last === undefined || tuples.length < PAGE_ROWS) return;
      [after] = last;
    }
  }

  async #page(after: string | null, componentType: string | undefined): Promise<readonly LookedTuple[]> {
    const args = [after, componentType ?? null, PAGE_ROWS];
    const page = await this.#told(() => this.#engine.call<{ looked: readonly LookedTuple[] | null }>("page", args));
    return page?.looked ?? [];
  }

  watch({ names, signal }: WatchOptions): AsyncIterable<readonly string[] | null> {
    this.#checkOpen();
    return this.#listener.changes(names, signal);
  }

  async lastToken(): Promise<number> {
    this.#checkOpen();
    return this.#told(async () => Number((await this.#engine.call<string>("last_token", [])) ?? 0));
  }

  async *history(query: HistoryQuery): AsyncIterable<PastHold> {
    this.#checkOpen();
    const pages = pastHolds(query, PAGE_ROWS, (request) =>
      this.#told(() => this.#engine.call("past", [JSON.stringify(request)])),
    );
    yield* pages;
  }

  diagnose(options: DiagnoseOptions): AsyncIterable<Checkup> {
    this.#checkOpen();
    return runChecks([serverCheck, registryCheck], this.#engine, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#listener.close();
    for (const timer of this.#waitBeats.values()) timer.cancel();
    try {
      await Promise.all([...this.#lives.values()].filter(({ isBorn }) => isBorn).map((own) => this.#finish(own)));
    } finally {
      this.#lives.clear();
      this.#engine.connections.close();
    }
  }

  /** What cannot be given up now ends by its TTL. */
  async #finish(own: OwnLife): Promise<void> {
    const names = [...own.locks.entries()].map(([name]) => keyOf(name).key);
    try {
      await this.#engine.call("finish", [JSON.stringify({ life: own.n, names })], { timeoutMs: FINISH_MS });
    } catch (error) {
      process.emitWarning(
        `${String(this.#engine.failure(error))} What was held there ends by its TTL.`,
        "NameholdWarning",
      );
    }
  }

  #lifeOf(holder: Holder): OwnLife {
    let own = this.#lives.get(holder.instance);
    if (own === undefined) {
      own = new OwnLife(holder);
      this.#lives.set(holder.instance, own);
    }
    return own;
  }

  /** What the holder was granted, and what it gave up, so that its heartbeats need not ask; and whether it waits. */
  #noteOwn(own: OwnLife, looked: ReadonlyMap<string, Looked>, { parts }: Change): void {
    for (const [name, { row }] of looked) {
      const lock = row?.lock ?? null;
      const isOurs = lock?.life === own.n && lock.follows;
      if (isOurs || own.locks.get(name) !== undefined)
        own.locks.put(name, isOurs ? { token: lock.token, follows: true } : undefined);
    }
    for (const part of parts) if (part.kind === "enqueue") own.tickets.add(part.ticket);
    if (own.tickets.size > 0 && !this.#waitBeats.has(own)) this.#beatForWaiting(own);
  }

  /** A waiter holds nothing that a heartbeat would refresh: its place is kept by these. */
  #beatForWaiting(own: OwnLife): void {
    const beat = (): void => {
      this.#waitBeats.delete(own);
      if (own.tickets.size === 0 || this.#closing !== undefined) return;
      // A failure is no news: who waits looks at the server all the time.
      void this.#engine.call("waits", [own.n], { isUrgent: true }).catch(() => undefined);
      this.#beatForWaiting(own);
    };
    const delayMs = own.holder.ttlMs / WAIT_BEATS_PER_TTL;
    this.#waitBeats.set(own, this.#engine.clock.setTimer(delayMs, beat, { background: true }));
  }

  #fly(own: OwnLife | undefined, names: readonly string[], step: 1 | -1): void {
    if (own === undefined) return;
    for (const name of names) {
      const count = (own.inFlight.get(name) ?? 0) + step;
      if (count === 0) own.inFlight.delete(name);
      else own.inFlight.set(name, count);
    }
  }

  /** Locks that this process was granted without knowing, since the answer got lost, and has not taken up. */
  async #giveUp(own: OwnLife, orphans: readonly Orphan[]): Promise<void> {
    try {
      for (const { name, token } of orphans) {
        const { record } = await this.read(name);
        const isOrphan = record?.token === token && record.entry.lock?.holderInstance === own.holder.instance;
        if (!isOrphan || own.inFlight.has(name) || own.locks.get(name)?.token === token) continue;
        await this.commit({
          holder: own.holder,
          parts: [{ kind: "put", name, expect: record.version, write: { lock: { kind: "clear" } } }],
        });
      }
    } catch {
      // The next heartbeat finds those that are left.
      this.#suspectOrphans(own);
    }
  }

  /** Once begun, a change may still wait for rows, the disk, and replicas when its time is over. */
  #suspectOrphans(own: OwnLife): void {
    own.suspectOrphans(later(this.#engine.clock.monotonicMs(), this.#engine.timeoutMs + LATE_MS));
  }

  #prune(name: string | undefined): void {
    this.#commits += 1;
    if (name === undefined || this.#commits % COMMITS_PER_PRUNING !== 0) return;
    // What it leaves is for the next time.
    void this.#engine.call("prune", [keyOf(name).key]).catch(() => undefined);
  }

  /** The shell command that prints it. */
  #howToGet(change: number): string {
    const { hosts, database } = this.#settings;
    const servers = hosts.map(({ host, port }) => `${encodeURIComponent(host)}:${port}`).join(",");
    const sql = `SELECT ${this.#engine.place.s}.backup(${change})`;
    return `psql -XAt -c ${shellWord(sql)} ${shellWord(`postgres://${servers}/${encodeURIComponent(database)}`)}`;
  }

  #snapshots(looked: ReadonlyMap<string, Looked>): ReadonlyMap<string, Snapshot> {
    const context = this.#context();
    return new Map([...looked].map(([name, one]) => [name, snapshotFrom(one, context)]));
  }

  #context(): SnapshotContext {
    return { reading: this.#engine.serverClock.reading(), isDead: () => false };
  }

  async #told<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw this.#engine.failure(error);
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new NameholdError("closed", `The registry ${this.location} is closed.`);
  }
}
