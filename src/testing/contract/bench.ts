import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { ulid } from "ulid";
import type { Holder } from "../../core/entry.js";
import { type ErrorCode, isNameholdError } from "../../core/errors.js";
import { holderOf, judgeLock, type LockState } from "../../core/lock-rules.js";
import type { EntryRecord, HolderRecord, Loss, Snapshot } from "../../core/record.js";
import type { ChangePart, CommitResult, EntryWrite, Store } from "../../stores/store.js";
import type { MortalProcess, StoreFixture, StoreHarness } from "./harness.js";

const TTL_MS = 30_000;
const PATIENCE_MS = 5_000;
const LOOK_AGAIN_MS = 5;
const TELL_MS = 50;

/** A record with a lock that was granted by the store under test. */
export type Granted = EntryRecord & { readonly token: number; readonly holder: HolderRecord };

/** What the cases of the contract work with: a store and the steps that they share. Every step is one commit or read. */
export class Bench {
  readonly store: Store;
  readonly ttlMs: number;
  readonly #fixture: StoreFixture;
  readonly #harness: StoreHarness;

  constructor(fixture: StoreFixture, harness: StoreHarness, store: Store = fixture.store) {
    this.store = store;
    this.ttlMs = harness.ttlMs ?? TTL_MS;
    this.#fixture = fixture;
    this.#harness = harness;
  }

  /** The same bench at a further handle on the same data, as another process would have it. */
  async another(): Promise<Bench> {
    return new Bench(this.#fixture, this.#harness, await this.#fixture.another());
  }

  /** A process that can be killed. */
  spawn(): Promise<MortalProcess> {
    assert.ok(this.#fixture.spawn, "the store claims to prove deaths, but its harness cannot spawn a process to kill");
    return this.#fixture.spawn();
  }

  /** Lets a part of the TTL go by. */
  elapse(partOfTtl: number): Promise<void> {
    return this.#fixture.elapse(partOfTtl * this.ttlMs);
  }

  /** One process's life as a holder, as if by this process. */
  holder(): Holder {
    return { instance: ulid(), pid: process.pid, host: hostname(), ttlMs: this.ttlMs };
  }

  commit(holder: Holder, ...parts: readonly ChangePart[]): Promise<CommitResult> {
    return this.store.commit({ holder, parts });
  }

  /** The record, which must be there. */
  async read(name: string): Promise<EntryRecord> {
    const { record } = await this.store.read(name);
    assert.ok(record, `there should be an entry ${JSON.stringify(name)}`);
    return record;
  }

  /** Makes an entry, without a lock unless `write` has one. */
  async create(name: string, write: EntryWrite = {}, holder: Holder = this.holder()): Promise<EntryRecord> {
    return recordIn(done(await this.commit(holder, creation(name, write))), name);
  }

  /** Changes what `record` shows, on condition that it is still so. */
  async put(record: EntryRecord, write: EntryWrite, holder: Holder = this.holder()): Promise<EntryRecord> {
    return recordIn(done(await this.commit(holder, putOn(record, write))), record.name);
  }

  /** Gives the lock to `holder`, whoever had it. Makes the entry when there is none. */
  async grant(name: string, holder: Holder): Promise<Granted> {
    const looked = await this.store.read(name);
    const write: EntryWrite = { lock: { kind: "grant" } };
    const part = looked.record === null ? creation(name, write) : putOn(looked.record, write);
    return granted(recordIn(done(await this.commit(holder, takingFrom(looked, part))), name));
  }

  /** Refreshes the grants; answers which of them are lost. */
  heartbeat(holder: Holder, ...grants: readonly Granted[]): Promise<ReadonlyMap<string, Loss>> {
    return this.store.heartbeat(holder, new Map(grants.map((grant) => [grant.name, grant.token])));
  }

  /**
   * @param watched what the judge saw first, and how long ago in TTLs: for stores that know only written times
   */
  async judge(
    name: string,
    watched?: { readonly record: EntryRecord; readonly partOfTtl: number },
  ): Promise<LockState> {
    const snapshot = await this.store.read(name);
    const unchanged =
      snapshot.record?.version === watched?.record.version &&
      holderOf(snapshot)?.version === watched?.record.holder?.version;
    return judgeLock(snapshot, unchanged && watched ? watched.partOfTtl * this.ttlMs : 0);
  }

  /** The text of a backup that a commit was answered with. */
  async readBackup(backup: string): Promise<string> {
    return (await this.#fixture.readBackup?.(backup)) ?? readFileSync(backup, "utf8");
  }

  /** Does the parts in as few changes as the store takes. */
  async commitMany(holder: Holder, parts: readonly ChangePart[]): Promise<void> {
    const max = this.store.capabilities.partsMax ?? parts.length;
    for (let from = 0; from < parts.length; from += max)
      done(await this.commit(holder, ...parts.slice(from, from + max)));
  }

  /** All that the store lists, by name. A name that is listed twice fails. */
  async list(...filter: Parameters<Store["list"]>): Promise<ReadonlyMap<string, EntryRecord>> {
    const records = new Map<string, EntryRecord>();
    for await (const { name, record } of this.store.list(...filter)) {
      assert.ok(record, "a listed snapshot has a record");
      assert.ok(!records.has(name), `${JSON.stringify(name)} is listed twice`);
      records.set(name, record);
    }
    return records;
  }

  /** Whether that happens within the time that the store may take to tell of a change. */
  async isSettledSoon(promise: Promise<unknown>): Promise<boolean> {
    const settled = promise.then(() => true);
    return Promise.race([settled, delay(this.#harness.tellMs ?? TELL_MS, false)]);
  }

  /** Waits for what should happen by itself, while the store's time goes by. */
  async within<T>(promise: Promise<T>, what: string): Promise<T> {
    let isSettled = false;
    let isLate = false;
    const outcome = promise.finally(() => {
      isSettled = true;
    });
    const patience = setTimeout(() => {
      isLate = true;
    }, this.#harness.patienceMs ?? PATIENCE_MS);
    try {
      for (;;) {
        await Promise.race([outcome, delay(LOOK_AGAIN_MS)]);
        if (isSettled) return await outcome;
        if (isLate) return assert.fail(`in vain: ${what}`);
        await this.#fixture.elapse(LOOK_AGAIN_MS);
      }
    } finally {
      clearTimeout(patience);
    }
  }
}

export function creation(name: string, write: EntryWrite = {}): ChangePart {
  const identity = write.source === undefined ? ({ id: ulid(), componentType: "node" } as const) : {};
  return { kind: "put", name, expect: "absent", write: { ...identity, ...write } };
}

export function putOn(record: EntryRecord, write: EntryWrite): ChangePart {
  return { kind: "put", name: record.name, expect: record.version, write };
}

/** The same, on condition that whoever was in the way has shown no sign of life since the look. */
function takingFrom(looked: Snapshot, part: ChangePart): ChangePart {
  const holder = holderOf(looked);
  return part.kind !== "put" || holder === null ? part : { ...part, expectHolder: holder.version };
}

/** A grant on condition that neither the entry nor its holder have shown a change since `record`. */
export function takeoverOf(record: Granted): ChangePart {
  return {
    kind: "put",
    name: record.name,
    expect: record.version,
    expectHolder: record.holder.version,
    write: { lock: { kind: "grant" } },
  };
}

/** The snapshots of a commit that must be done. */
export function done(result: CommitResult): ReadonlyMap<string, Snapshot> {
  return snapshots(result, "done");
}

/** The snapshots of a commit that must be refused. */
export function refused(result: CommitResult): ReadonlyMap<string, Snapshot> {
  return snapshots(result, "conflict");
}

export function recordIn(found: ReadonlyMap<string, Snapshot>, name: string): EntryRecord {
  const snapshot = found.get(name);
  assert.ok(snapshot, `the answer should show ${JSON.stringify(name)}`);
  assert.equal(snapshot.name, name);
  assert.ok(snapshot.record, `the answer should show an entry ${JSON.stringify(name)}`);
  return snapshot.record;
}

export function granted(record: EntryRecord): Granted {
  const { token, holder } = record;
  assert.ok(
    token !== null && holder !== null && record.entry.lock !== null,
    "the record should have a lock and a token",
  );
  return { ...record, token, holder };
}

/** A fault is thrown as a NameholdError of that code, not answered. */
export async function assertThrows(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isNameholdError(error), `a fault should be a NameholdError, not ${String(error)}`);
    assert.equal(error.code, code);
    return true;
  });
}

function snapshots(result: CommitResult, kind: "done" | "conflict"): ReadonlyMap<string, Snapshot> {
  if (result.kind === kind) return result.snapshots;
  return assert.fail(`the commit should be answered ${kind}, not ${result.kind}`);
}
