import { randomBytes, randomInt } from "node:crypto";
import type { Holder } from "../../core/entry.js";
import { type Clock, later, type MonotonicMs, type WallMs } from "../../core/timing.js";
import { OwnLocks } from "../records/own-locks.js";
import type { EtcdClient } from "./etcd-client.js";
import type { KeySpace } from "./keys.js";
import type { StoredLife } from "./stored.js";
import type { Tools } from "./tools.js";
import { exists, type Guard, isAt, isMissing, type Kv, type Op, put } from "./wire.js";

/** A lease serves for the grants of so long a time: each is counted from its beginning, so it lasts so much longer. */
const LEASE_SERVES_MS = 500;
/** Numbers of lives are random: nobody is asked for one, and none comes twice. */
const NUMBERS_MAX = 2 ** 48 - 1;

/** A lease whose granting is under way or done. */
export interface Lease {
  readonly id: string;
  /** Before it was asked for. */
  readonly sentAt: MonotonicMs;
  readonly granted: Promise<void>;
}

export function leaseSeconds(ttlMs: number): number {
  return Math.ceil((ttlMs + LEASE_SERVES_MS) / 1_000);
}

export function startLease(client: EtcdClient, clock: Clock, seconds: number): Lease {
  const id = newLeaseId();
  const sentAt = clock.monotonicMs();
  const granted = client.grantLease(id, seconds);
  // Nobody may be waiting for it yet.
  granted.catch(() => undefined);
  return { id, sentAt, granted };
}

/**
 * Of all that etcd takes: one process gets a new one with each heartbeat, and to have that of another would be to end with it.
 */
export function newLeaseId(): string {
  return String((randomBytes(8).readBigUInt64BE() >> 1n) | 1n);
}

/**
 * Does something with a lease, once it is granted. Never before: a transaction that stands before its lease in etcd's log is
 * refused, but a member that is killed then and reads its log again finds the lease in its data, takes the transaction, and
 * differs from the others from then on (seen with 3.4.23).
 */
export async function withLease<T>({ granted }: Pick<Lease, "granted">, act: () => Promise<T>): Promise<T> {
  await granted;
  return act();
}

/** What a transaction must hold, and do, so that what it grants lasts its full TTL. */
export interface Renewal {
  readonly lease: Lease;
  readonly guards: readonly Guard[];
  readonly ops: readonly Op[];
  /** The life's key as it is written; null when it needs no writing. */
  readonly written: { readonly key: string; readonly value: string } | null;
}

/**
 * The life of one holder of this store: a key that is there as long as its lease.
 *
 * Each beat gives it another lease, and no lease is ever prolonged: one that was granted by a majority of the cluster ends
 * its time after that and not before, whatever a leader that was paused or cut off believes (etcd #12528, #15247), and the
 * lease of an earlier beat ends exactly when a lock does that was not refreshed since.
 *
 * @see docs/SPEC.md#G4 and #G6
 */
export class OwnLife {
  readonly holder: Holder;
  readonly locks = new OwnLocks();
  /** No token is given twice in one process, also within one tick of its clock. */
  lastToken = 0;
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #keys: KeySpace;
  #n = 1 + randomInt(NUMBERS_MAX);
  /** Whether its key may be there. */
  #hasBegun = false;
  #kv: Kv | null | undefined = null;
  #lease: Lease | undefined;
  #renewals = 0;
  /** One at a time, so that they do not refuse each other. */
  #renewing: Promise<unknown> | undefined;

  constructor(holder: Holder, { client, clock, keys }: Pick<Tools, "client" | "clock" | "keys">) {
    this.holder = holder;
    this.#client = client;
    this.#clock = clock;
    this.#keys = keys;
  }

  get n(): number {
    return this.#n;
  }

  get key(): string {
    return this.#keys.life(this.#n);
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** How often it was given another lease. */
  get renewals(): number {
    return this.#renewals;
  }

  /** As it was last seen. Null: not written yet; undefined: that is not known. */
  get kv(): Kv | null | undefined {
    return this.#kv;
  }

  /** Whether another beat is due that all its locks take part in: it ends sooner than what is refreshed by itself now. */
  get isOld(): boolean {
    const since = this.#lease?.sentAt;
    return since === undefined || this.#clock.monotonicMs() >= later(since, this.holder.ttlMs / 2);
  }

  /**
   * Lets `act` make a transaction that grants something, with a lease that is young enough for it: the last one, or a new
   * one that the transaction brings with it.
   *
   * @param wall now, for people
   * @param act answers whether it was done
   */
  async granting(wall: WallMs, act: (renewal: Renewal) => Promise<boolean>): Promise<boolean> {
    while (this.#renewing !== undefined) await this.#renewing;
    if (this.#isYoung()) {
      const lease = this.#lease as Lease;
      // At this very beat: what is asked for now does not come about when the next one is made.
      const guard = this.#kv == null ? exists(this.key) : isAt(this.key, this.#kv.mod);
      return act({ lease, guards: [guard], ops: [], written: null });
    }
    return this.renewing(wall, act);
  }

  /** The same, always with a new lease: a beat. */
  async renewing(wall: WallMs, act: (renewal: Renewal) => Promise<boolean>): Promise<boolean> {
    while (this.#renewing !== undefined) await this.#renewing;
    const done = this.#renew(wall, act);
    this.#renewing = done.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await done;
    } finally {
      this.#renewing = undefined;
    }
  }

  /**
   * What a look at its key has found that began when the key had been written, or might have been.
   *
   * @param kv null: it is over
   */
  saw(key: string, kv: Kv | null): void {
    if (key !== this.key) return;
    if (kv === null) this.end();
    else if (this.#kv == null || kv.mod >= this.#kv.mod) this.#kv = kv;
  }

  /** What etcd remembers is older than what is known here: every lock is asked about at the next beat. */
  doubt(): void {
    if (this.#hasBegun) this.#kv = undefined;
    this.#lease = undefined;
    this.locks.clear();
  }

  /** It is over, and what it held is nobody's: the next grant begins another. */
  end(): void {
    this.#n = 1 + randomInt(NUMBERS_MAX);
    this.#hasBegun = false;
    this.#kv = null;
    this.#lease = undefined;
    this.locks.clear();
  }

  async #renew(wall: WallMs, act: (renewal: Renewal) => Promise<boolean>): Promise<boolean> {
    // A key that is gone must not be made again: with it, locks would come back to life.
    if (this.#kv === undefined) this.saw(this.key, (await this.#client.range(this.key)).kvs[0] ?? null);
    const lease = startLease(this.#client, this.#clock, leaseSeconds(this.holder.ttlMs));
    const life: StoredLife = { instance: this.holder.instance, wallAt: wall };
    const value = JSON.stringify(life);
    const { key } = this;
    const guard = this.#kv == null ? isMissing(key) : isAt(key, this.#kv.mod);
    const ops = [put(key, value, lease.id)];
    this.#hasBegun = true;
    try {
      const isDone = await withLease(lease, () => act({ lease, guards: [guard], ops, written: { key, value } }));
      if (isDone) {
        this.#lease = lease;
        this.#renewals += 1;
      }
      return isDone;
    } catch (error) {
      this.#kv = undefined;
      throw error;
    }
  }

  #isYoung(): boolean {
    const until = this.#lease && later(this.#lease.sentAt, LEASE_SERVES_MS);
    return until !== undefined && this.#clock.monotonicMs() < until;
  }
}
