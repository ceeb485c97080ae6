import { resolve } from "node:path";
import type { Holder } from "../../core/entry.js";
import { isNameholdError, NameholdError } from "../../core/errors.js";
import type { Checkup, DiagnoseOptions } from "../../core/finding.js";
import type { HistoryQuery, PastHold } from "../../core/history.js";
import type { Loss, Snapshot } from "../../core/record.js";
import { EntryDamage } from "../../core/text/entry-text.js";
import type { Clock, MonotonicMs } from "../../core/timing.js";
import { systemClock } from "../../platform/clock.js";
import { Presence } from "../../platform/presence.js";
import { namesIn } from "../records/change-parts.js";
import type {
  Change,
  CommitResult,
  DamageReport,
  ListFilter,
  Recovery,
  Store,
  StoreCapabilities,
  WatchOptions,
} from "../store.js";
import { applyChange } from "./apply-change.js";
import { FileWatch } from "./file-watch.js";
import { readHistory } from "./history-file.js";
import { lookAnew } from "./presence-look.js";
import { prune } from "./prune.js";
import { refreshLocks, releaseAll } from "./refresh-locks.js";
import { RegistryFile } from "./registry-file.js";
import { placing, refuseUnknown, snapshotFrom } from "./snapshot.js";
import { sweepLeftovers } from "./sweep.js";
import type { View, Work } from "./work.js";

export interface JsonFileStoreOptions {
  readonly clock?: Clock;
  /** How long one operation may wait for the file, in milliseconds. Default 5 000, as the reference. */
  readonly fileLockTimeoutMs?: number;
}

/** At the end of a process there is little time left. */
const RELEASE_NOW_MS = 300;
const SWEPT_PRESENCES_MAX = 64;

interface OwnPresence {
  readonly presence: Presence;
  lastBeat: MonotonicMs;
  /** What comes with a new presence, until it is written: a turn may be lost, or begun anew. Null then. */
  cleaning: { readonly ofEarlierLife: boolean; doneIn: Work | null } | null;
}

const NO_LOSSES: ReadonlyMap<string, Loss> = new Map();

/**
 * The registry file that Python MADSci shares, safe beside it.
 *
 * @see docs/SPEC.md
 * @see docs/adr/0001-file-lock.md and 0002-presence.md
 */
export class JsonFileStore implements Store {
  /** The registry file, absolute. */
  readonly path: string;
  readonly recovery: Recovery = { inspect: () => this.#inspect(), accept: () => this.#accept() };
  readonly #clock: Clock;
  readonly #file: RegistryFile;
  readonly #watch: FileWatch;
  readonly #presences = new Map<string, OwnPresence>();
  #isClosed = false;

  constructor(path: string, options: JsonFileStoreOptions = {}) {
    this.path = resolve(path);
    this.#clock = options.clock ?? systemClock;
    this.#file = new RegistryFile(this.path, this.#clock, options.fileLockTimeoutMs ?? 5_000);
    this.#watch = new FileWatch(this.#file, this.#clock);
  }

  get capabilities(): StoreCapabilities {
    const deathProof = this.#file.files.isLocal();
    const python = {
      guarantee: "G2",
      why: "A Python process takes over by its wall clock, and clears locks by a forced rename.",
    };
    const remote = {
      guarantee: "G6",
      why: "The file system is not known to be local: a dead holder's names are free after its TTL.",
    };
    return { timeAuthority: "machine", deathProof, exceptions: deathProof ? [python] : [python, remote] };
  }

  async read(name: string): Promise<Snapshot> {
    const view = await this.#view();
    refuseUnknown(view, name);
    return this.#snapshot(view, name);
  }

  async commit(change: Change): Promise<CommitResult> {
    this.#checkOpen();
    try {
      return await this.#commit(change);
    } catch (error) {
      if (!isNameholdError(error, "outcome-unknown")) throw error;
      const own = this.#presences.get(change.holder.instance);
      // The lock that may have been granted is not one of an earlier life.
      if (own !== undefined) own.cleaning = null;
      return { kind: "unknown", cause: error };
    }
  }

  async #commit(change: Change): Promise<CommitResult> {
    const needsPresence = change.parts.some(
      (part) => part.kind === "enqueue" || (part.kind === "put" && part.write.lock?.kind === "grant"),
    );
    let backedUpIn: Work | undefined;
    const result = await this.#file.inTurn((work): CommitResult => {
      this.#checkOpen();
      if (needsPresence) this.#ensurePresence(work, change.holder);
      // The backup that the turn's other jobs may want is not this one's.
      const wantedBefore = work.keepBackup;
      work.keepBackup = null;
      const context = { work, holder: change.holder, holdersDirectory: this.#file.files.holdersDirectory };
      const done = placing({ location: this.path }, () => applyChange(context, change));
      backedUpIn = work.keepBackup === null ? undefined : work;
      work.keepBackup ??= wantedBefore;
      const snapshots = new Map(namesIn(change).map((name) => [name, this.#snapshot(work, name)]));
      return { kind: done ? "done" : "conflict", snapshots };
    });
    const backup = backedUpIn?.backupPath;
    return result.kind === "done" && backup != null ? { ...result, backup } : result;
  }

  async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    this.#checkOpen();
    const beat = { instance: holder.instance, ttlMs: holder.ttlMs, names };
    return this.#file.inTurn(
      (work) => {
        this.#checkOpen();
        const own = this.#ensurePresence(work, holder);
        const lost = refreshLocks(work, holder, names, own.lastBeat);
        if (lost.size === 0) work.beat = beat;
        work.afterWrite.push(() => showLife(own, work.reading.monotonic));
        return lost;
      },
      (checkTurn) => {
        this.#checkOpen();
        const own = this.#presences.get(holder.instance);
        if (own?.presence.isInPlace() !== true || own.cleaning !== null) return undefined;
        const isDone = this.#file.files.beatAgain(beat, checkTurn, (at) => showLife(own, at));
        return isDone ? NO_LOSSES : undefined;
      },
    );
  }

  /** @throws RegistryError `damaged`, when all others have been yielded, for the entries that are none */
  async *list(filter: ListFilter = {}): AsyncIterable<Snapshot> {
    const view = await this.#view();
    const damaged: EntryDamage[] = [];
    for (const name of view.document.names()) {
      try {
        const snapshot = this.#snapshot(view, name);
        const wanted = filter.componentType ?? snapshot.record?.entry.componentType;
        if (snapshot.record?.entry.componentType === wanted) yield snapshot;
      } catch (error) {
        if (!(error instanceof EntryDamage)) throw error;
        damaged.push(error);
      }
    }
    const [first, ...others] = damaged;
    if (first !== undefined) throw first.withPlace({ others: others.flatMap(({ place }) => place.name ?? []) });
  }

  watch(options: WatchOptions): AsyncIterable<readonly string[] | null> {
    this.#checkOpen();
    return this.#watch.changes(options.names, options.signal);
  }

  async lastToken(): Promise<number> {
    return this.#file.files.lastToken();
  }

  async *history(query: HistoryQuery): AsyncIterable<PastHold> {
    this.#checkOpen();
    await this.#observe();
    yield* readHistory(this.#file.files.holdersDirectory, query);
  }

  async *diagnose(options: DiagnoseOptions): AsyncIterable<Checkup> {
    this.#checkOpen();
    // Loaded where it is needed: it is as much as the rest of the store.
    const { diagnoseFile } = await import("./doctor/doctor.js");
    yield* diagnoseFile(this.#file, this.#clock, options);
  }

  releaseNow(holder: Holder): void {
    const own = this.#presences.get(holder.instance);
    if (own === undefined) return;
    this.#file.inTurnNow((work) => this.#endHolder(work, holder, own.presence), RELEASE_NOW_MS);
  }

  presenceDescriptor(holder: Holder): number {
    const own = this.#presences.get(holder.instance);
    if (own === undefined)
      throw new NameholdError("invalid-input", "This holder has no presence yet: acquire a name first.");
    return own.presence.fd;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      await this.#watch.close();
      await this.#dropPresences();
    } finally {
      // What could not be removed is let go of: others then see this process as dead.
      for (const { presence } of this.#presences.values()) presence.close();
      this.#presences.clear();
      await this.#file.close();
    }
  }

  async #dropPresences(): Promise<void> {
    if (this.#presences.size === 0) return;
    await this.#file.inTurn((work) => {
      for (const [instance, { presence }] of this.#presences) this.#endHolder(work, { instance }, presence);
    });
  }

  /** What Python has ended is recorded by the next turn: here by one for it alone, where there can be one. */
  async #observe(): Promise<void> {
    try {
      if (this.#file.files.isUnobserved()) await this.#file.inTurn(() => {});
    } catch (error) {
      // What was recorded before is told all the same.
      const isNoTurn = isNameholdError(error, "busy", "damaged", "unreachable", "read-only", "storage-failed");
      if (!isNoTurn && !isNameholdError(error, "outcome-unknown")) throw error;
    }
  }

  /** In the cycle that clears its locks, a holder's presence goes as well. */
  #endHolder(work: Work, holder: Pick<Holder, "instance">, presence: Presence): void {
    releaseAll(work, holder, { how: "released" });
    work.afterWrite.push(() => presence.remove());
  }

  /** A process is present from before its first lock, or its first place in a queue. */
  #ensurePresence(work: Work, holder: Holder): OwnPresence {
    const own = this.#presenceInPlace(work, holder);
    if (own.cleaning !== null && own.cleaning.doneIn !== work) this.#clean(work, holder, own);
    return own;
  }

  #presenceInPlace(work: Work, holder: Holder): OwnPresence {
    const known = this.#presences.get(holder.instance);
    if (known?.presence.isInPlace() === true) return known;
    const nowMs = work.reading.monotonic;
    known?.presence.close();
    const presence = Presence.create(this.#file.files.holdersDirectory, holder, { nowMs });
    lookAnew(work, holder.instance);
    const ofEarlierLife = known === undefined || known.cleaning?.ofEarlierLife === true;
    const own = { presence, lastBeat: nowMs, cleaning: { ofEarlierLife, doneIn: null } };
    this.#presences.set(holder.instance, own);
    return own;
  }

  #clean(work: Work, holder: Holder, own: OwnPresence): void {
    // What an earlier life of the same instance has left is not ours: that it could be replaced proves it dead.
    if (own.cleaning?.ofEarlierLife === true) releaseAll(work, holder, { how: "crashed" });
    prune(work, this.#file.files.holdersDirectory);
    if (own.cleaning !== null) own.cleaning.doneIn = work;
    work.afterWrite.push(() => {
      own.cleaning = null;
      sweepLeftovers(work, this.#file.files, SWEPT_PRESENCES_MAX);
    });
  }

  async #view(): Promise<View> {
    this.#checkOpen();
    return this.#file.view();
  }

  #snapshot(view: View, name: string): Snapshot {
    const { holdersDirectory } = this.#file.files;
    return placing({ location: this.path }, () => snapshotFrom(view, holdersDirectory, name));
  }

  async #inspect(): Promise<DamageReport | null> {
    this.#checkOpen();
    const found = this.#file.damage();
    if (found?.hasCopy === false) {
      return {
        what: found.what,
        recovered: [...found.document.names()],
        conflicts: found.conflicts,
        evidencePath: this.path,
      };
    }
    const { document, sidecar } = await this.#file.view();
    return sidecar.damage === null ? null : { ...sidecar.damage, recovered: [...document.names()] };
  }

  async #accept(): Promise<DamageReport> {
    this.#checkOpen();
    await this.#file.salvage();
    return this.#file.inTurn((work) => {
      const damage = work.sidecar.damage;
      if (damage === null)
        throw new NameholdError("invalid-input", `Nothing is damaged in ${this.path}: there is nothing to accept.`);
      work.sidecar.damage = null;
      return { ...damage, recovered: [...work.document.names()] };
    });
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new NameholdError("closed", `The registry ${this.path} is closed.`);
  }
}

function showLife(own: OwnPresence, at: MonotonicMs): void {
  own.presence.beat(at);
  own.lastBeat = at;
}
