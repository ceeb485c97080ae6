/** A draft that was accepted, as what one transaction must check and do. */
import { createHash, randomInt } from "node:crypto";
import type { PastHold } from "../../core/history.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import { isoTime, type WallMs } from "../../core/timing.js";
import type { Draft } from "../records/draft.js";
import type { EntryRow, LockRow } from "../records/rows.js";
import type { Drafting } from "./drafting.js";
import type { KeySpace } from "./keys.js";
import { endOf } from "./keys.js";
import {
  locksIn,
  readName,
  type StoredEntry,
  type StoredLock,
  type StoredName,
  type StoredOffer,
  type StoredTicket,
  storedLock,
} from "./stored.js";
import type { View } from "./view.js";
import { exists, type Guard, isAt, isMissing, isUnchanged, NO_LEASE, type Op, put, remove, when } from "./wire.js";

/** Tokens may be so far ahead of the wall clock, in microseconds, for want of a finer one. */
const TICKS_US = 1_000_000;

export interface Write {
  readonly guards: readonly Guard[];
  readonly ops: readonly Op[];
  /** The keys that are written, as they will be; null for those that go. */
  readonly written: ReadonlyMap<string, Written | null>;
  readonly backup: string | undefined;
}

export interface Written {
  readonly text: string;
  readonly lease: string;
}

export interface WriteOptions {
  /** Keys and beginnings of keys, beside the names', that the draft may rest on. */
  readonly rests: ReadonlySet<string>;
  /** Now, by the clock of offers. */
  readonly offerClock: StoredOffer;
  /** For tickets; undefined without one to write. */
  readonly waitingLease: string | undefined;
  /** For words; undefined without one to write. */
  readonly wordLease: string | undefined;
}

const VERSIONS_MAX = 2 ** 48 - 1;

export class DraftWriter {
  readonly #drafting: Drafting;
  readonly #draft: Draft;
  readonly #view: View;
  readonly #options: WriteOptions;
  readonly #keys: KeySpace;
  readonly #guards = new Map<string, Guard>();
  readonly #written = new Map<string, Written | null>();
  readonly #ops: Op[] = [];
  #floor: number;

  constructor(drafting: Drafting, options: WriteOptions) {
    this.#drafting = drafting;
    this.#draft = drafting.draft;
    this.#view = drafting.base.view;
    this.#options = options;
    this.#keys = this.#view.keys;
    this.#floor = Math.max(drafting.floor, drafting.base.change.tokenFloor ?? 0);
  }

  write(): Write {
    const draft = this.#draft;
    const keys = this.#keys;
    const names = new Set([...draft.changed.keys(), ...draft.formers.keys(), ...this.#drafting.forgottenNames]);
    for (const name of names) this.#writeName(name);
    this.#guardLooks();
    this.#writeIds();
    this.#writeQueues();
    for (const { life, token, name, loss } of draft.words) {
      this.#ops.push(put(keys.word(life, token), JSON.stringify({ name, loss }), this.#options.wordLease));
    }
    for (const hold of [...draft.ended, ...draft.recalled]) this.#put(holdKey(keys, hold), hold);
    const backup = this.#keepBackup();
    if (this.#floor !== this.#drafting.floor) this.#put(keys.floor, this.#floor);
    for (const [key, one] of this.#written) this.#ops.push(one === null ? remove(key) : put(key, one.text, one.lease));
    return { guards: [...this.#guards.values()], ops: this.#ops, written: this.#written, backup };
  }

  #put(key: string, value: unknown, lease = NO_LEASE): void {
    this.#written.set(key, { text: JSON.stringify(value), lease });
  }

  /** Unless it is written by another part of the change. */
  #remove(key: string): void {
    if (!this.#written.has(key)) this.#written.set(key, null);
  }

  #guardLooks(): void {
    for (const name of this.#drafting.lookedAt) this.#guardKey(this.#keys.name(name));
    for (const key of this.#options.rests) {
      if (key === this.#keys.floor) continue;
      if (!key.endsWith("/")) this.#guardKey(key);
      else this.#guards.set(key, isUnchanged(key, endOf(key), this.#view.revisions.get(key) ?? 0));
    }
    // Where tokens are given, or what is known of them goes away.
    if (this.#givesTokens() || this.#floor !== this.#drafting.floor) this.#guardKey(this.#keys.floor);
  }

  #guardKey(key: string): void {
    this.#guards.set(key, isAt(key, this.#view.get(key)?.mod ?? 0));
  }

  #givesTokens(): boolean {
    return [...this.#draft.changed].some(
      ([name, row]) => row?.lock != null && row.lock.token !== this.#drafting.lookUp(name).row?.lock?.token,
    );
  }

  #stored(name: string): StoredName {
    return readName(this.#view.get(this.#keys.name(name)) ?? null);
  }

  #writeName(name: string): void {
    const before = this.#stored(name);
    const after = this.#storedAfter(name, before);
    const key = this.#keys.name(name);
    // Far above the wall clock, it is the floor alone that keeps tokens of different names apart. A little above it are those
    // of grants in one tick of the clock, which must not wait for each other at one key.
    if (after.lastToken > Math.floor(this.#drafting.base.wall * 1_000) + TICKS_US) this.#raiseFloor(after.lastToken);
    for (const lock of locksIn(before)) this.#guardLife(lock);
    if (after.entry === null && after.former === null) {
      this.#remove(key);
      // The name's last token is remembered with all others' that are gone.
      this.#raiseFloor(after.lastToken);
    } else this.#put(key, after);
    this.#writeIndexes(name, before, after);
    if (before.entry !== null && after.entry === null) {
      const queue = this.#keys.queue(name);
      this.#ops.push(remove(queue, endOf(queue)));
    }
  }

  /** A sign of life refuses what rests on its absence, and what freezes the lock as of the last one. */
  #guardLife({ life, lapse }: StoredLock): void {
    const key = this.#keys.life(life);
    const kv = this.#view.get(key);
    const isOwn = life === this.#drafting.base.own?.n;
    // One that is gone never comes back; one's own beats are no news.
    if (kv != null && lapse === undefined && !isOwn) this.#guards.set(key, isAt(key, kv.mod));
  }

  #storedAfter(name: string, before: StoredName): StoredName {
    const { changed, formers } = this.#draft;
    const row = changed.get(name);
    const entry = row === undefined ? before.entry : row && this.#entryAfter(name, row, before);
    const former = formers.get(name);
    const isForgotten = this.#drafting.forgotten.some(
      ({ life, token }) => life === before.former?.life && token === before.former.token,
    );
    const kept = former === undefined ? before.former : former && this.#lockAfter(former);
    const lastToken = Math.max(before.lastToken, row?.lock?.token ?? 0);
    return { entry, former: former === undefined && isForgotten ? null : kept, lastToken };
  }

  #entryAfter(name: string, row: EntryRow, { entry }: StoredName): StoredEntry {
    const { id, componentType, source, lastSeen } = row;
    const isSame = this.#drafting.lookUp(name).row === row && entry !== null;
    const version = isSame ? entry.version : 1 + randomInt(VERSIONS_MAX);
    return { version, id, componentType, source, lastSeen, lock: row.lock && this.#lockAfter(row.lock) };
  }

  #lockAfter(lock: LockRow): StoredLock {
    if (lock.follows) return storedLock(lock, undefined);
    if (lock.lapse !== undefined) return storedLock(lock, lock.lapse);
    // It ends with the lease of its holder's last beat, which is never prolonged.
    const key = this.#keys.life(lock.life);
    const life = this.#view.get(key);
    // Over, and it does not come back.
    if (life == null) return storedLock(lock, NO_LEASE);
    this.#guards.set(key, isAt(key, life.mod));
    this.#put(this.#keys.lapse(lock.life, life.lease), true, life.lease);
    return storedLock(lock, life.lease);
  }

  #writeIndexes(name: string, before: StoredName, after: StoredName): void {
    const was = indexesOf(this.#keys, name, before);
    const is = indexesOf(this.#keys, name, after);
    for (const key of was) if (!is.has(key)) this.#remove(key);
    for (const key of is) if (!was.has(key)) this.#put(key, true);
  }

  #writeIds(): void {
    const { changed } = this.#draft;
    const before = new Set([...changed.keys()].flatMap((name) => this.#stored(name).entry?.id ?? []));
    for (const [name, row] of changed) {
      if (row === null || this.#stored(name).entry?.id === row.id) continue;
      // One that another of these names had is as the condition on that name says.
      if (!before.has(row.id)) this.#guardKey(this.#keys.id(row.id));
      this.#put(this.#keys.id(row.id), name);
    }
    const after = new Set([...changed.values()].map((row) => row?.id));
    for (const id of before) if (!after.has(id)) this.#remove(this.#keys.id(id));
  }

  #writeQueues(): void {
    const { offerClock, waitingLease } = this.#options;
    const { change, wall } = this.#drafting.base;
    const keys = this.#keys;
    for (const step of this.#draft.queueSteps) {
      if (step.kind === "end-offers") {
        this.#ops.push(remove(keys.offers(step.name), endOf(keys.offers(step.name))));
        continue;
      }
      const ticket = keys.ticket(step.name, step.ticket);
      const offer = keys.offer(step.name, step.ticket);
      switch (step.kind) {
        case "enqueue": {
          const value: StoredTicket = { instance: change.holder.instance, since: wall };
          // Who is in it keeps his place, and what he was offered.
          this.#ops.push(when([isMissing(ticket)], [put(ticket, JSON.stringify(value), waitingLease)]));
          break;
        }
        case "dequeue":
          this.#ops.push(remove(ticket), ...(this.#endsOffers(step.name) ? [] : [remove(offer)]));
          break;
        case "offer":
          this.#ops.push(when([exists(ticket), isMissing(offer)], [put(offer, JSON.stringify(offerClock))]));
          break;
        default:
          step satisfies never;
      }
    }
  }

  #endsOffers(name: string): boolean {
    return this.#draft.queueSteps.some((step) => step.kind === "end-offers" && step.name === name);
  }

  #raiseFloor(token: number): void {
    if (token <= this.#floor) return;
    this.#floor = token;
    this.#guardKey(this.#keys.floor);
  }

  #keepBackup(): string | undefined {
    const { replaced, replacedBy } = this.#draft;
    if (replacedBy === undefined) return undefined;
    const { wall } = this.#drafting.base;
    const document = RegistryDocument.empty(wall);
    for (const [name, { source }] of replaced) document.setEntry(name, source);
    const key = `${this.#keys.backups}${isoTime(wall)}-${randomInt(VERSIONS_MAX)}-${replacedBy}`;
    this.#written.set(key, { text: document.toString(), lease: NO_LEASE });
    return key;
  }
}

/** Holds in the order in which they ended; the same hold has the same key, wherever it was written. */
function holdKey(keys: KeySpace, { name, holder, since, token, until }: PastHold): string {
  const which = JSON.stringify([name, holder.instance, since, token]);
  const digest = createHash("sha256").update(which).digest("base64url").slice(0, 22);
  return `${keys.holds}${stamp(until)}-${digest}`;
}

/** So that keys stand in the order of time. */
function stamp(at: WallMs): string {
  return String(Math.max(0, Math.round(at * 1_000))).padStart(17, "0");
}

/** Under which a name is found by a lock that was taken away with it, or stands on another ID now. */
function indexesOf(keys: KeySpace, name: string, { entry, former }: StoredName): ReadonlySet<string> {
  const found = new Set<string>();
  if (former !== null) found.add(keys.kept(former, name)).add(keys.acting(former.id, name));
  if (entry?.lock != null && entry.lock.id !== entry.id) found.add(keys.acting(entry.lock.id, name));
  return found;
}
