import type { Holder } from "../../core/entry.js";
import { NameholdError, RegistryError } from "../../core/errors.js";
import { type Checkup, type DiagnoseOptions, runChecks } from "../../core/finding.js";
import type { HistoryQuery, PastHold } from "../../core/history.js";
import type { EntryRecord, Loss, Snapshot } from "../../core/record.js";
import { shellWord } from "../../core/shell-word.js";
import type { Clock } from "../../core/timing.js";
import { systemClock } from "../../platform/clock.js";
import { bootClockName } from "../machine/boot-clock.js";
import { namesIn } from "../records/change-parts.js";
import { type SnapshotContext, snapshotFrom } from "../records/snapshot.js";
import type { Change, CommitResult, ListFilter, Store, StoreCapabilities, WatchOptions } from "../store.js";
import { beat } from "./beat.js";
import { ChangeWatch } from "./change-watch.js";
import { Commit, needsLife } from "./commit.js";
import { etcdChecks } from "./doctor.js";
import { DoubtfulGrants } from "./doubtful-grants.js";
import { type EtcdAccess, EtcdClient, OutcomeUnknown } from "./etcd-client.js";
import { holdBack } from "./hold-back.js";
import { endOf, KeySpace } from "./keys.js";
import { KnownKeys } from "./known-keys.js";
import { lastTokenIn, pagesOf } from "./listing.js";
import { Offers } from "./offers.js";
import { OwnLife } from "./own-life.js";
import { holdsOf, prune } from "./past-holds.js";
import type { Tools } from "./tools.js";
import { View } from "./view.js";
import { WaitingLease } from "./waiting-lease.js";
import { type RawHeader, remove } from "./wire.js";

export interface EtcdStoreOptions extends EtcdAccess {
  /** The beginning of all keys. Default `/namehold/v1/`. */
  readonly prefix?: string;
  readonly clock?: Clock;
  /** How long one operation may take, in milliseconds. Default 5 000. */
  readonly timeoutMs?: number;
}

/** Of etcd's 128 operations a transaction, a part takes eleven at most (a held name is renamed), and a few are needed for all. */
const PARTS_MAX = 11;
/** So many changes of ours may add to the history before it is looked whether it has grown too long. */
const PRUNE_EVERY = 200;
const CLOSE_MS = 2_000;

/**
 * A registry in etcd (3.4 or later), for many machines.
 *
 * Each change is one transaction on condition that the keys that it rests on are as they were seen; the rules are the
 * drafts' (records/draft.ts). A process's life is one key that ends with its lease: a lock is its holder's as long as the
 * life's key is there, so that one key carries them all.
 *
 * @see docs/SPEC.md
 */
export class EtcdStore implements Store {
  /** Where it is, for people; without user and password. */
  readonly location: string;
  readonly capabilities: StoreCapabilities = {
    timeAuthority: "store",
    deathProof: false,
    partsMax: PARTS_MAX,
    exceptions: [
      {
        guarantee: "G1",
        why: "restoring an older snapshot of etcd brings back its IDs: names that were made after it get others when they are made again.",
      },
      {
        guarantee: "G2",
        why: "restoring an older snapshot of etcd forgets the locks that were granted after it; their holders are told at their next heartbeat. As soon as a process notices that was running before, what is free is held back until such holders have ended; processes that were started after the restore cannot notice, and until then a name may have two holders.",
      },
      {
        guarantee: "G3",
        why: "after an older snapshot of etcd was restored, tokens go on from the wall clocks alone: one that was set back meanwhile may give a token again.",
      },
    ],
  };
  readonly #tools: Tools;
  readonly #watch: ChangeWatch;
  readonly #offers: Offers;
  readonly #doubtful = new DoubtfulGrants();
  readonly #lives = new Map<string, OwnLife>();
  #isGivingUp = false;
  /** What is free, since another history was found than was known. */
  #mustHoldBack = false;
  #untilPrune = 1;
  #cluster: string | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: EtcdStoreOptions) {
    const { clock = systemClock, timeoutMs = 5_000, prefix = "/namehold/v1/" } = options;
    const client = new EtcdClient(options, clock, timeoutMs);
    const keys = new KeySpace(prefix);
    this.location = `etcd://${client.location}${keys.prefix}`;
    this.#tools = { client, clock, keys, known: new KnownKeys(), waiting: new WaitingLease(client, clock) };
    this.#watch = new ChangeWatch(this.#tools);
    this.#offers = new Offers(clock);
    client.onHeader = (header, knownBefore) => this.#mindHistory(header, knownBefore);
  }

  async read(name: string): Promise<Snapshot> {
    this.#checkOpen();
    try {
      const snapshot = await this.#orUnreachable(this.#look(name));
      if (!this.#mustHoldBack) return snapshot;
      await this.#holdBack();
      return await this.#orUnreachable(this.#look(name));
    } catch (error) {
      this.#doubtful.unread(name);
      throw error;
    }
  }

  async commit(change: Change): Promise<CommitResult> {
    this.#checkOpen();
    if (change.parts.length > PARTS_MAX) throw tooManyParts(change.parts.length);
    const own = needsLife(change) ? this.#lifeOf(change.holder) : this.#lives.get(change.holder.instance);
    const endAsking = this.#doubtful.ask(change);
    try {
      await this.#holdBack();
      const { isDone, view, backup } = await new Commit(this.#tools, change, { own, context: this.#context() }).run();
      const snapshots = new Map(namesIn(change).map((name) => [name, this.#snapshot(view, name)]));
      if (!isDone) return { kind: "conflict", snapshots };
      this.#doubtful.settle(change);
      this.#giveUpOrphans();
      this.#pruneNowAndThen(change);
      return { kind: "done", snapshots, ...(backup === undefined ? {} : { backup: this.#howToGet(backup) }) };
    } catch (error) {
      if (!(error instanceof OutcomeUnknown)) throw error;
      this.#tools.known.clear();
      if (own !== undefined) this.#doubtful.note(change, own);
      return { kind: "unknown", cause: error };
    } finally {
      endAsking();
    }
  }

  async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    this.#checkOpen();
    const lost = await this.#orUnreachable(beat(this.#tools, holder, this.#lives.get(holder.instance), names));
    this.#giveUpOrphans();
    // Whoever is granted something does it first; nobody else may notice.
    this.#holdBack().catch(() => undefined);
    return lost;
  }

  /** In the order of their keys. What is changed meanwhile is shown as it is when its page is read. */
  async *list({ componentType }: ListFilter = {}): AsyncIterable<Snapshot> {
    this.#checkOpen();
    for await (const { view, names } of pagesOf(this.#tools)) {
      for (const name of names) {
        const snapshot = this.#snapshot(view, name);
        const type = snapshot.record?.entry.componentType;
        if (type !== undefined && (componentType === undefined || type === componentType)) yield snapshot;
      }
    }
  }

  watch({ names, signal }: WatchOptions): AsyncIterable<readonly string[] | null> {
    this.#checkOpen();
    return this.#watch.changes(names, signal);
  }

  /** Looks at every name: for migrations. */
  async lastToken(): Promise<number> {
    this.#checkOpen();
    return lastTokenIn(this.#tools);
  }

  async *history(query: HistoryQuery): AsyncIterable<PastHold> {
    this.#checkOpen();
    yield* holdsOf(this.#tools, query);
  }

  diagnose(options: DiagnoseOptions): AsyncIterable<Checkup> {
    this.#checkOpen();
    return runChecks(etcdChecks, this.#tools, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { client, keys, clock, waiting } = this.#tools;
    this.#watch.close();
    const begun = [...this.#lives.values()].filter(({ hasBegun }) => hasBegun);
    const ends = begun.map(({ n, key }) => {
      const rest = [keys.words(n), keys.lapses(n)].map((start) => remove(start, endOf(start)));
      return client.txn([], [remove(key), ...rest]);
    });
    let timer: ReturnType<Clock["setTimer"]> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = clock.setTimer(CLOSE_MS, resolve);
    });
    // What cannot be given up now ends with its lease.
    await Promise.race([Promise.allSettled([...ends, waiting.close()]), late]);
    timer?.cancel();
    this.#lives.clear();
    client.close();
  }

  async #look(name: string): Promise<Snapshot> {
    const { client, keys, known } = this.#tools;
    const view = new View(keys, known);
    await view.lookAtNames(client, [name], [keys.floor, keys.recovery]);
    const lock = view.looked(name)?.row?.lock ?? null;
    const own = lock === null ? undefined : this.#lives.get(lock.instance);
    const isOurs = own?.n === lock?.life && own?.locks.get(name)?.token !== lock?.token;
    const snapshot = this.#snapshot(view, name);
    if (!this.#doubtful.isOrphan(name, isOurs && own !== undefined)) return snapshot;
    if (own !== undefined && snapshot.record !== null) await this.#giveUp(snapshot.record, own);
    return this.#look(name);
  }

  /** Beside everything else: no heartbeat waits for it. What fails is tried again after the next one. */
  #giveUpOrphans(): void {
    if (this.#isGivingUp || this.#doubtful.givenUp.length === 0) return;
    this.#isGivingUp = true;
    const giveUp = async (): Promise<void> => {
      for (const name of this.#doubtful.givenUp) {
        const isOver = this.#doubtful.isOver(name);
        await this.#look(name);
        if (isOver) this.#doubtful.drop(name);
      }
    };
    giveUp()
      .catch(() => undefined)
      .finally(() => {
        this.#isGivingUp = false;
      });
  }

  /** On condition that it is as it was seen: else it is somebody's by now. */
  async #giveUp({ name, version }: EntryRecord, own: OwnLife): Promise<void> {
    const write = { lock: { kind: "clear" } } as const;
    const change = { holder: own.holder, parts: [{ kind: "put", name, expect: version, write }] } as const;
    await new Commit(this.#tools, change, { own, context: this.#context() }).run();
  }

  /** Made at the first lock of a holder. */
  #lifeOf(holder: Holder): OwnLife {
    let own = this.#lives.get(holder.instance);
    if (own === undefined) {
      own = new OwnLife(holder, this.#tools);
      this.#lives.set(holder.instance, own);
    }
    return own;
  }

  #snapshot(view: View, name: string): Snapshot {
    const looked = view.looked(name, this.#offers.offeredAt);
    if (looked === undefined) throw new Error(`nothing is known of ${JSON.stringify(name)}`);
    return snapshotFrom(looked, this.#context());
  }

  #context(): SnapshotContext {
    const { clock } = this.#tools;
    return {
      reading: { wall: clock.wallMs(), monotonic: clock.monotonicMs(), clock: bootClockName() },
      isDead: () => false,
      // The lease is the judge. Of one that stands it is not asked how old it is: as if it were new.
      evidenceOf: ({ pulse, ttlMs }) => ({ kind: "beat", ageMs: pulse === null ? ttlMs : 0, ttlMs }),
    };
  }

  /** What cannot be told of a write that is no commit: it was not answered. */
  async #orUnreachable<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (error) {
      if (!(error instanceof OutcomeUnknown)) throw error;
      throw new RegistryError("unreachable", `etcd did not answer in time: ${error.message}. Try again.`, {
        cause: error,
      });
    }
  }

  /** Where an older snapshot was found, and until that is written. */
  async #holdBack(): Promise<void> {
    if (!this.#mustHoldBack) return;
    const ttlsMs = [...this.#lives.values()].map(({ holder }) => holder.ttlMs);
    await this.#orUnreachable(holdBack(this.#tools, ttlsMs));
    this.#mustHoldBack = false;
  }

  #pruneNowAndThen({ parts }: Change): void {
    if (!parts.some(({ kind }) => kind === "put" || kind === "remove" || kind === "recall")) return;
    this.#untilPrune -= 1;
    if (this.#untilPrune > 0) return;
    this.#untilPrune = PRUNE_EVERY;
    // Another time will do as well.
    prune(this.#tools).catch(() => undefined);
  }

  /** Revisions never go back, and a cluster keeps its ID, unless an older snapshot was restored. */
  #mindHistory({ cluster_id: cluster, revision }: RawHeader, knownBefore: number): void {
    const isOther = this.#cluster !== undefined && cluster !== this.#cluster;
    this.#cluster = cluster;
    if (!isOther && Number(revision ?? 0) >= knownBefore) return;
    this.#tools.client.forgetRevision();
    this.#tools.known.clear();
    this.#watch.startAnew();
    this.#mustHoldBack = true;
    for (const own of this.#lives.values()) own.doubt();
  }

  /** One line for a shell. User and certificates are etcdctl's own affair. */
  #howToGet(key: string): string {
    const { location, isSecure } = this.#tools.client;
    const endpoints = location.split(",").map((one) => `${isSecure ? "https" : "http"}://${one}`);
    return `ETCDCTL_API=3 etcdctl --endpoints ${shellWord(endpoints.join(","))} get --print-value-only ${shellWord(key)}`;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new NameholdError("closed", `The registry ${this.location} is closed.`);
  }
}

function tooManyParts(count: number): NameholdError {
  return new NameholdError(
    "invalid-input",
    `A change of ${count} parts is too large for etcd, which takes ${PARTS_MAX} in one. Make several of it.`,
  );
}
