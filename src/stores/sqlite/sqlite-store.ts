import type { Holder } from "../../core/entry.js";
import { isNameholdError, NameholdError } from "../../core/errors.js";
import { type Checkup, type DiagnoseOptions, runChecks } from "../../core/finding.js";
import { type HistoryQuery, type PastHold, revokedBy } from "../../core/history.js";
import type { Loss, Snapshot } from "../../core/record.js";
import { type Clock, later } from "../../core/timing.js";
import { systemClock } from "../../platform/clock.js";
import { holdersDirectoryOf } from "../../platform/presence-path.js";
import { probePresence } from "../../platform/presence-probe.js";
import { bootClockName } from "../machine/boot-clock.js";
import { needsLife } from "../records/change-parts.js";
import type { Reading } from "../records/reading.js";
import { type Looked, versionOf } from "../records/rows.js";
import { type SnapshotContext, snapshotFrom } from "../records/snapshot.js";
import type { Change, CommitResult, ListFilter, Recovery, Store, StoreCapabilities, WatchOptions } from "../store.js";
import { applyChange, changesIdentities } from "./apply-change.js";
import { beat } from "./beat.js";
import { ChangeWatch } from "./change-watch.js";
import { RegistryDatabase } from "./database.js";
import { databaseCheck } from "./doctor.js";
import { endLife } from "./lives.js";
import { look, lookAtPage } from "./look.js";
import { OwnLife } from "./own-life.js";
import { FROM_THE_LAST, holdsBefore, pastHold, placeOf } from "./past-holds.js";
import type { Transaction } from "./transaction.js";
import { TurnQueue } from "./turn-queue.js";

export interface SqliteStoreOptions {
  readonly clock?: Clock;
  /** How long one operation may wait for other processes, in milliseconds. Default 5 000. */
  readonly timeoutMs?: number;
  /**
   * `identity`, the default: what gives, moves or removes an ID is on the disk before it is told; a power loss may take
   * locks and metadata of the last moments. `full`: everything is on the disk before it is told.
   */
  readonly durability?: "identity" | "full";
}

/** At the end of a process there is little time left: to get a turn, and to give up locks one by one. */
const RELEASE_NOW_MS = 300;
const GIVE_UP_MS = 200;

/**
 * A registry in an SQLite database, for thousands of names and hundreds of processes of one machine.
 *
 * Reading, deciding and writing of a change are one transaction; the rules are the drafts' (draft.ts). Whoever lives has a
 * row with a beat (holders) and a presence on the file system: a heartbeat is one write for all names, and a dead process's
 * names are free at once, without anybody looking for them.
 *
 * @see docs/SPEC.md
 * @see docs/adr/0013-sqlite-store.md
 */
export class SqliteStore implements Store {
  /** The database file, absolute. */
  readonly path: string;
  /** Nothing has an exception here: a file system that is not this machine's own is refused. */
  readonly capabilities: StoreCapabilities = { timeAuthority: "machine", deathProof: true, exceptions: [] };
  readonly recovery: Recovery = { inspect: () => this.#inspect(), accept: () => this.#accept() };
  readonly #holdersDirectory: string;
  readonly #clock: Clock;
  readonly #database: RegistryDatabase;
  readonly #turns: TurnQueue;
  readonly #watch: ChangeWatch;
  readonly #lives = new Map<string, OwnLife>();
  #closing: Promise<void> | undefined;

  /** @throws NameholdError `unsupported` without better-sqlite3 */
  constructor(path: string, options: SqliteStoreOptions = {}) {
    const { clock = systemClock, timeoutMs = 5_000 } = options;
    const isAlwaysDurable = options.durability === "full";
    this.#clock = clock;
    this.#database = new RegistryDatabase({ path, clock, timeoutMs, isAlwaysDurable });
    this.path = this.#database.path;
    this.#holdersDirectory = holdersDirectoryOf(this.path);
    this.#turns = new TurnQueue(this.#database, clock, timeoutMs);
    this.#watch = new ChangeWatch(this.#database, clock);
    this.#turns.onCommit = () => this.#watch.lookSoon();
    this.#database.onReplaced = () => {
      for (const life of this.#lives.values()) life.forgetRow();
    };
  }

  async read(name: string): Promise<Snapshot> {
    this.#checkOpen();
    const looked = await this.#database.read((connection) =>
      connection === null ? { name, row: null, former: null, queue: [] } : look(connection.sql, name),
    );
    return snapshotFrom(looked, this.#context());
  }

  async commit(change: Change): Promise<CommitResult> {
    this.#checkOpen();
    try {
      const { isDone, looked, backup, reading } = await this.#turns.run(
        { isDurable: changesIdentities(change) },
        (tx) => {
          const own = needsLife(change) ? this.#lifeOf(change.holder) : this.#lives.get(change.holder.instance);
          const life = needsLife(change) ? own?.ensure(tx) : own?.life;
          return applyChange(tx, change, { life: life ?? null, locks: own?.locks });
        },
      );
      const snapshots = this.#snapshots(looked, reading);
      if (!isDone) return { kind: "conflict", snapshots };
      return { kind: "done", snapshots, ...(backup === undefined ? {} : { backup }) };
    } catch (error) {
      if (isNameholdError(error, "outcome-unknown")) return { kind: "unknown", cause: error };
      throw error;
    }
  }

  async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    this.#checkOpen();
    return this.#turns.run({ isDurable: false, isUrgent: true }, (tx) =>
      beat(tx, holder, this.#lives.get(holder.instance), names),
    );
  }

  /** In the order in which entries were made. What is changed meanwhile is shown as it is when its page is read. */
  async *list({ componentType }: ListFilter = {}): AsyncIterable<Snapshot> {
    this.#checkOpen();
    for (let after = 0; ; ) {
      const page = await this.#database.read((connection) =>
        connection === null ? [] : lookAtPage(connection.sql, after, componentType),
      );
      const context = this.#context();
      for (const looked of page) yield snapshotFrom(looked, context);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.row.n;
    }
  }

  watch({ names, signal }: WatchOptions): AsyncIterable<readonly string[] | null> {
    this.#checkOpen();
    return this.#watch.changes(names, signal);
  }

  async lastToken(): Promise<number> {
    this.#checkOpen();
    return this.#database.read((connection) =>
      connection === null ? 0 : Math.max(connection.sql.lastSeq.get()?.[0] ?? 0, connection.tokenFloor),
    );
  }

  async *history(query: HistoryQuery): AsyncIterable<PastHold> {
    this.#checkOpen();
    for (let place = FROM_THE_LAST; ; ) {
      const page = await this.#database.read((connection) =>
        connection === null ? [] : holdsBefore(connection.sql, query, place),
      );
      for (const tuple of page) yield pastHold(tuple);
      const last = page.at(-1);
      if (last === undefined) return;
      place = placeOf(last);
    }
  }

  releaseNow(holder: Holder): void {
    const own = this.#lives.get(holder.instance);
    if (own === undefined || this.#closing !== undefined) return;
    this.#turns.runNow(RELEASE_NOW_MS, (tx) => this.#end(tx, own));
  }

  presenceDescriptor(holder: Holder): number {
    const fd = this.#lives.get(holder.instance)?.presence?.fd;
    if (fd === undefined)
      throw new NameholdError("invalid-input", "This holder has no presence yet: acquire a name first.");
    return fd;
  }

  diagnose(options: DiagnoseOptions): AsyncIterable<Checkup> {
    this.#checkOpen();
    return runChecks([databaseCheck], this.#database, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#watch.close();
    try {
      await this.#turns.settled();
      if (this.#lives.size > 0) {
        await this.#turns.run({ isDurable: false }, (tx) => {
          for (const own of this.#lives.values()) this.#end(tx, own);
        });
      }
    } finally {
      // What could not be removed is let go of: others then see this process as dead.
      for (const own of this.#lives.values()) own.closePresence();
      this.#lives.clear();
      this.#turns.close();
      this.#database.close();
    }
  }

  /** There is no copy to go on from: what is damaged is refused. A look at every page is the doctor's. */
  async #inspect(): Promise<null> {
    this.#checkOpen();
    await this.#database.read((connection) => connection && lookAtPage(connection.sql, 0, undefined));
    return null;
  }

  async #accept(): Promise<never> {
    await this.#inspect();
    throw new NameholdError("invalid-input", `There is nothing to accept in ${this.path}. See namehold doctor.`);
  }

  /** Gives up what the holder has: its locks one by one while there is time, and the others by the end of its life. */
  #end(tx: Transaction, own: OwnLife): void {
    const { holder, life, locks } = own;
    if (life !== null) {
      const deadline = later(this.#clock.monotonicMs(), GIVE_UP_MS);
      for (const [name, { token }] of locks.entries()) {
        if (this.#clock.monotonicMs() >= deadline) break;
        const { row } = look(tx.sql, name);
        if (row?.lock?.life !== life.n || row.lock.token !== token) continue;
        const { revocation } = row.lock;
        const ends = revocation === null ? ({ how: "released" } as const) : revokedBy(revocation);
        const write = { lock: { kind: "clear", ends }, touch: true } as const;
        const part = { kind: "put", name, expect: versionOf(row), write } as const;
        applyChange(tx, { holder, parts: [part] }, { life, locks: undefined });
      }
      endLife(tx, life.n);
    }
    tx.onSettled((outcome) => {
      // With a row that may be left, the presence file stays, as the proof that nobody is behind it.
      if (outcome !== "committed" || life === null) own.closePresence();
      else own.removePresence();
      own.forgetRow();
    });
  }

  /** Made at the first lock of a holder, or its first place in a queue. */
  #lifeOf(holder: Holder): OwnLife {
    let own = this.#lives.get(holder.instance);
    if (own === undefined) {
      own = new OwnLife(holder);
      this.#lives.set(holder.instance, own);
    }
    return own;
  }

  #snapshots(looked: readonly Looked[], reading: Reading): ReadonlyMap<string, Snapshot> {
    const context = this.#context(reading);
    const snapshots = new Map<string, Snapshot>();
    for (const one of looked) snapshots.set(one.name, snapshotFrom(one, context));
    return snapshots;
  }

  /** What is asked of the kernel is asked once for all that is looked at together. */
  #context(reading: Reading = this.#read()): SnapshotContext {
    let dead: Map<string, boolean> | undefined;
    return {
      reading,
      isDead: (instance) => {
        if (this.#lives.get(instance)?.presence !== undefined) return false;
        dead ??= new Map();
        let isDead = dead.get(instance);
        if (isDead === undefined) {
          isDead = probePresence(this.#holdersDirectory, instance, reading.monotonic).kind === "dead";
          dead.set(instance, isDead);
        }
        return isDead;
      },
    };
  }

  #read(): Reading {
    return { wall: this.#clock.wallMs(), monotonic: this.#clock.monotonicMs(), clock: bootClockName() };
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new NameholdError("closed", `The registry ${this.path} is closed.`);
  }
}
