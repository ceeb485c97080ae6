import type { Holder, RegistryLock } from "../../core/entry.js";
import { NameholdError } from "../../core/errors.js";
import {
  type Ending,
  type HistoryQuery,
  isAskedFor,
  isSameHold,
  type PastHold,
  revokedBy,
} from "../../core/history.js";
import { heldBy, judgeLock } from "../../core/lock-rules.js";
import type { EntryRecord, Evidence, FormerLock, HolderRecord, Loss, Snapshot, Version } from "../../core/record.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { readEntry } from "../../core/text/entry-text.js";
import { type Clock, later } from "../../core/timing.js";
import type { Change } from "../store.js";
import { Draft } from "./draft.js";
import { pastHold } from "./past-hold.js";
import type { Beat, Lock, Row } from "./row.js";

const HISTORY_MAX = 10_000;

interface Presence {
  dead: boolean;
  readonly locked: Set<string>;
  /** What became of locks that the holder has lost, by name, until it is granted the name anew. */
  readonly words: Map<string, Loss>;
}

/** The data that several memory stores share, as processes share a database. Every method is one transaction. */
export class MemoryState {
  readonly #clock: Clock;
  readonly #rows = new Map<string, Row>();
  /** Locks that were taken away with their names, until they are given up. Being told is not enough: the telling may get lost. */
  readonly #formers = new Map<string, Lock>();
  readonly #presences = new Map<string, Presence>();
  readonly #listeners = new Set<(name: string) => void>();
  /** The last to end comes last. */
  readonly #history: PastHold[] = [];
  #lastToken = 0;
  #lastVersion = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  names(): readonly string[] {
    return [...this.#rows.keys()];
  }

  snapshot(name: string): Snapshot {
    const row = this.#rows.get(name);
    const record = row === undefined ? null : this.#record(name, row);
    const former = row?.lock == null ? this.#formers.get(name) : undefined;
    return {
      name,
      record,
      former: former === undefined ? null : this.#former(former),
      now: this.#clock.wallMs(),
    };
  }

  /** @returns whether it was done; false when a precondition failed and nothing was changed */
  commit(change: Change): boolean {
    this.#assertAlive(change.holder);
    const draft = new Draft({
      rows: this.#rows,
      formers: this.#formers,
      lastToken: Math.max(this.#lastToken, change.tokenFloor ?? 0),
      holder: change.holder,
      beat: this.#newBeat(change.holder),
      judge: (former) =>
        judgeLock({ name: "", record: null, former: this.#former(former), now: this.#clock.wallMs() }, 0),
    });
    if (!draft.applyAll(change.parts)) return false;
    this.#lastToken = draft.lastToken;
    for (const name of draft.givenUp) this.#formers.delete(name);
    for (const [name, lock] of draft.formers) this.#keepFormer(name, lock);
    for (const [name, row] of draft.changed) this.#keep(name, row);
    for (const hold of draft.ended) this.#remember(hold);
    for (const hold of draft.recalled) this.#recall(hold);
    for (const { instance, name, word } of draft.words) this.#presence(instance).words.set(name, word);
    for (const name of new Set([...draft.changed.keys(), ...draft.formers.keys(), ...draft.givenUp])) this.#tell(name);
    return true;
  }

  heartbeat(holder: Holder, names: ReadonlyMap<string, number>): ReadonlyMap<string, Loss> {
    this.#assertAlive(holder);
    const beat = this.#newBeat(holder);
    const lost = new Map<string, Loss>();
    for (const [name, token] of names) {
      const row = this.#rows.get(name);
      const loss = this.#lossOf(holder.instance, name, token);
      if (loss !== null) lost.set(name, loss);
      else if (row?.lock) this.#rows.set(name, { ...row, lock: { ...row.lock, beat } });
    }
    return lost;
  }

  releaseNow(holder: Holder): void {
    for (const name of Array.from(this.#presence(holder.instance).locked)) {
      const row = this.#rows.get(name);
      if (row?.lock == null) continue;
      const { lock, text } = row;
      const ending: Ending = lock.revocation === null ? { how: "released" } : revokedBy(lock.revocation);
      this.#remember(pastHold({ name, id: entryIdOf(text), lock, until: this.#clock.wallMs(), ending }));
      this.#keep(name, { ...row, lock: null });
      this.#tell(name);
    }
    for (const name of this.#namesKeptFor(holder.instance)) {
      this.#formers.delete(name);
      this.#tell(name);
    }
    this.#leaveQueues(holder.instance);
  }

  /** The holder's process has died: the proof is there for everybody at once. */
  kill(instance: string): void {
    const presence = this.#presence(instance);
    presence.dead = true;
    this.#leaveQueues(instance);
    for (const name of [...presence.locked, ...this.#namesKeptFor(instance)]) this.#tell(name);
  }

  lastToken(): number {
    return this.#lastToken;
  }

  history(query: HistoryQuery): readonly PastHold[] {
    return this.#history.filter((hold) => isAskedFor(hold, query)).toReversed();
  }

  /** Calls `listener` with each name that has changed. @returns the end of that */
  subscribe(listener: (name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #lossOf(instance: string, name: string, token: number): Loss | null {
    const row = this.#rows.get(name);
    const lock = row?.lock ?? null;
    if (lock?.holder.instance === instance && lock.token === token) {
      return lock.revocation === null ? null : { reason: "revoked", detail: lock.revocation.reason };
    }
    const word = this.#presence(instance).words.get(name);
    if (word !== undefined) return word;
    return lock === null ? { reason: "removed" } : { reason: "taken", by: heldBy(registryLock(lock)) };
  }

  #record(name: string, row: Row): EntryRecord {
    const { lock, text, version } = row;
    return {
      name,
      version,
      entry: { ...readEntry(text, this.#clock.wallMs()), lock: lock === null ? null : registryLock(lock) },
      source: text,
      token: lock?.token ?? null,
      revocation: lock?.revocation ?? null,
      holder: lock === null ? null : this.#holderRecord(lock),
      waiters: row.waiters.map(({ offeredAt, ...waiter }) => ({
        ...waiter,
        offeredAgeMs: offeredAt === null ? null : this.#clock.monotonicMs() - offeredAt,
      })),
    };
  }

  #former(lock: Lock): FormerLock {
    return { lock: registryLock(lock), holder: this.#holderRecord(lock) };
  }

  #holderRecord(lock: Lock): HolderRecord {
    return { version: lock.beat.version, evidence: this.#evidence(lock) };
  }

  #evidence(lock: Lock): Evidence {
    if (this.#presence(lock.holder.instance).dead) return { kind: "dead" };
    return { kind: "beat", ageMs: this.#clock.monotonicMs() - lock.beat.at, ttlMs: lock.beat.ttlMs };
  }

  /** Puts a new row in place of the old one; null removes it. */
  #keep(name: string, row: Row | null): void {
    const before = this.#rows.get(name)?.lock ?? null;
    if (before !== null) this.#presence(before.holder.instance).locked.delete(name);
    if (row === null) {
      this.#rows.delete(name);
      return;
    }
    this.#rows.set(name, { ...row, version: this.#isQueueOnly(name, row) ? row.version : this.#newVersion() });
    if (row.lock === null) return;
    const presence = this.#presence(row.lock.holder.instance);
    presence.locked.add(name);
    presence.words.delete(name);
  }

  #keepFormer(name: string, lock: Lock | null): void {
    if (lock === null) this.#formers.delete(name);
    else this.#formers.set(name, lock);
  }

  /** The names that are kept from others for a former holder. */
  #namesKeptFor(instance: string): readonly string[] {
    return [...this.#formers].filter(([, lock]) => lock.holder.instance === instance).map(([name]) => name);
  }

  #isQueueOnly(name: string, row: Row): boolean {
    const before = this.#rows.get(name);
    return before !== undefined && before.text === row.text && before.lock === row.lock;
  }

  #leaveQueues(instance: string): void {
    for (const [name, row] of this.#rows) {
      const waiters = row.waiters.filter((waiter) => waiter.instance !== instance);
      if (waiters.length === row.waiters.length) continue;
      this.#rows.set(name, { ...row, waiters });
      this.#tell(name);
    }
  }

  #presence(instance: string): Presence {
    let presence = this.#presences.get(instance);
    if (presence === undefined) {
      presence = { dead: false, locked: new Set(), words: new Map() };
      this.#presences.set(instance, presence);
    }
    return presence;
  }

  #assertAlive(holder: Holder): void {
    if (!this.#presence(holder.instance).dead) return;
    throw new NameholdError("closed", `The holder ${holder.instance} has ended; nothing can be done in its name.`);
  }

  #newBeat(holder: Holder): Beat {
    const { ttlMs } = holder;
    return { version: this.#newVersion(), at: this.#clock.monotonicMs(), wallAt: this.#clock.wallMs(), ttlMs };
  }

  #newVersion(): Version {
    this.#lastVersion += 1;
    return String(this.#lastVersion) as Version;
  }

  #recall(hold: PastHold): void {
    if (this.#history.some((known) => isSameHold(known, hold))) return;
    this.#remember(hold);
    this.#history.sort((a, b) => a.until - b.until);
  }

  #remember(hold: PastHold): void {
    this.#history.push(hold);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
  }

  #tell(name: string): void {
    for (const listener of this.#listeners) listener(name);
  }
}

function registryLock({ holder, acquiredAt, beat }: Lock): RegistryLock {
  return {
    holderPid: holder.pid,
    holderHost: holder.host,
    holderInstance: holder.instance,
    acquiredAt,
    heartbeatAt: beat.wallAt,
    expiresAt: later(beat.wallAt, beat.ttlMs),
  };
}
