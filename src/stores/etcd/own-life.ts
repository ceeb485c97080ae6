import { randomInt } from "node:crypto";
import type { Holder } from "../../core/entry.js";
import { type Clock, later, type MonotonicMs, type WallMs } from "../../core/timing.js";
import { OwnLocks } from "../records/own-locks.js";
import type { EtcdClient } from "./etcd-client.js";
import { isLeaseMissing } from "./etcd-fault.js";
import type { KeySpace } from "./keys.js";
import type { StoredLife } from "./stored.js";
import type { Tools } from "./tools.js";
import { exists, type Guard, isAt, isMissing, type Kv, type Op, put } from "./wire.js";

/** A lease serves for the grants of so long a time: each is counted from its beginning, so it lasts so much longer. */
const LEASE_SERVES_MS = 500;
/** Numbers of leases and lives are random: nobody is asked for one, and none comes twice. */
const NUMBERS_MAX = 2 ** 48 - 1;

/** A lease whose granting is under way or done. */
export interface Lease {
  readonly id: string;
  /** Before it was asked for. */
  readonly sentAt: MonotonicMs;
  /** Who has to know waits for it; who has not goes on, and is told by etcd when it was too early. */
  readonly granted: Promise<void>;
}

export function leaseSeconds(ttlMs: number): number {
  return Math.ceil((ttlMs + LEASE_SERVES_MS) / 1_000);
}

export function startLease(client: EtcdClient, clock: Clock, seconds: number): Lease {
  const id = String(1 + randomInt(NUMBERS_MAX));
  const sentAt = clock.monotonicMs();
  const granted = client.grantLease(id, seconds);
  // Nobody may be waiting for it yet.
  granted.catch(() => undefined);
  return { id, sentAt, granted };
}

/**
 * Does something with a lease that may be on its way still: both are sent at once, and it is done again when the lease came
 * second. etcd then has done nothing of it.
 */
export async function withLease<T>({ granted }: Pick<Lease, "granted">, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!isLeaseMissing(error)) throw error;
  }
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
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #keys: KeySpace;
  #n = 1 + randomInt(NUMBERS_MAX);
  /** Whether its key may be there. */
  #hasBegun = false;
  #kv: Kv | null | undefined = null;
  #lease: Lease | undefined;
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

  /** As it was last seen. */
  get kv(): Kv | null | undefined {
    return this.#kv;
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
      return act({ lease, guards: [exists(this.key)], ops: [], written: null });
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

  /** @param kv its key as it is; null: it is not there (any more); undefined: that is not known */
  saw(kv: Kv | null | undefined): void {
    if (kv === null && this.#hasBegun) this.end();
    else this.#kv = kv;
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
    if (this.#kv === undefined) this.saw((await this.#client.range(this.key)).kvs[0] ?? null);
    const lease = startLease(this.#client, this.#clock, leaseSeconds(this.holder.ttlMs));
    const life: StoredLife = { instance: this.holder.instance, wallAt: wall };
    const value = JSON.stringify(life);
    const { key } = this;
    const guard = this.#kv == null ? isMissing(key) : isAt(key, this.#kv.mod);
    const ops = [put(key, value, lease.id)];
    this.#hasBegun = true;
    try {
      const isDone = await withLease(lease, () => act({ lease, guards: [guard], ops, written: { key, value } }));
      if (isDone) this.#lease = lease;
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
