import type { MonotonicMs } from "../../core/timing.js";
import type { LockRow, Looked, WaiterRow } from "../records/rows.js";
import type { EtcdClient } from "./etcd-client.js";
import { heldBackAs, heldBackBy } from "./hold-back.js";
import { endOf, type KeySpace } from "./keys.js";
import type { KnownKeys } from "./known-keys.js";
import {
  entryRow,
  lockRow,
  locksIn,
  readName,
  type StoredLock,
  type StoredOffer,
  type StoredTicket,
  signOf,
} from "./stored.js";
import { type Kv, type Op, range, type TxnResult } from "./wire.js";

/** etcd's default for the operations of one transaction. */
export const OPS_MAX = 128;

/** How old an offer is on this process's clock. */
export type OfferedAt = (key: string, offer: StoredOffer, mod: number) => MonotonicMs;

/** Keys and ranges of keys as they were seen, some of them long ago. */
export class View {
  readonly keys: KeySpace;
  /** When each range was looked at. */
  readonly revisions = new Map<string, number>();
  readonly #known: KnownKeys;
  readonly #seen = new Map<string, Kv | null>();
  readonly #ranges = new Map<string, readonly Kv[]>();

  constructor(keys: KeySpace, known: KnownKeys) {
    this.keys = keys;
    this.#known = known;
  }

  get(key: string): Kv | null | undefined {
    const seen = this.#seen.get(key);
    if (seen !== undefined) return seen;
    // Kept as it was taken: what is drafted from it must be guarded by the same, whatever others of this process see since.
    const known = this.#known.get(key);
    if (known !== undefined) this.#seen.set(key, known);
    return known;
  }

  under(start: string): readonly Kv[] | undefined {
    return this.#ranges.get(start);
  }

  put(key: string, kv: Kv | null): void {
    this.#seen.set(key, kv);
    this.#known.put(key, kv);
  }

  /** @param kvs what was found there, and maybe elsewhere */
  putUnder(start: string, kvs: readonly Kv[]): void {
    this.#ranges.set(
      start,
      kvs.filter(({ key }) => key.startsWith(start)),
    );
  }

  /** @param wanted keys, and beginnings of keys that end with a slash, in the order of the answers */
  take(wanted: readonly string[], { ranges, revision }: TxnResult): void {
    for (const [place, key] of wanted.entries()) {
      const kvs = ranges[place]?.kvs ?? [];
      if (!key.endsWith("/")) this.put(key, kvs[0] ?? null);
      else {
        this.#ranges.set(key, kvs);
        this.revisions.set(key, revision);
      }
    }
  }

  /** Looks at the keys, whatever was known of them. */
  async look(client: EtcdClient, wanted: readonly string[]): Promise<void> {
    for (let from = 0; from < wanted.length; from += OPS_MAX) {
      const some = wanted.slice(from, from + OPS_MAX);
      this.take(some, await client.ranges(some.map(rangeOf)));
    }
  }

  /** Looks at the names, and at what tells whether the holders of their locks live; anew at what was seen before. */
  async lookAtNames(client: EtcdClient, names: Iterable<string>, others: readonly string[] = []): Promise<void> {
    const first = new Set([...others, ...this.keysOf(names)]);
    await this.look(client, [...first]);
    // Whose lock it is by now.
    const then = [...new Set([...names].flatMap((name) => this.#signsOf(name)))].filter((key) => !first.has(key));
    await this.look(client, then);
  }

  /** All that is known to say something of the names. */
  keysOf(names: Iterable<string>): readonly string[] {
    return [...names].flatMap((name) => [this.keys.name(name), this.keys.queue(name), ...this.#signsOf(name)]);
  }

  /** Undefined where the name, or whether its holder lives, is not known. */
  looked(name: string, offeredAt?: OfferedAt): Looked | undefined {
    const kv = this.get(this.keys.name(name));
    if (kv === undefined || this.#signsOf(name).some((key) => this.get(key) === undefined)) return undefined;
    const { entry, former } = readName(kv);
    const peek = (key: string): Kv | null | undefined => this.get(key);
    const recovery = this.get(this.keys.recovery) ?? null;
    const asRow = (lock: StoredLock): LockRow => {
      const read = lockRow(this.keys, lock, peek);
      return recovery === null ? read : heldBackAs(read, recovery);
    };
    const row = entry && entryRow(name, entry, entry.lock && asRow(entry.lock));
    const kept = former === null ? recovery && heldBackBy(recovery) : asRow(former);
    return {
      name,
      row,
      former: row?.lock == null ? kept : null,
      queue: row === null || offeredAt === undefined ? [] : this.#queueOf(name, offeredAt),
    };
  }

  #queueOf(name: string, offeredAt: OfferedAt): readonly WaiterRow[] {
    const kvs = this.under(this.keys.queue(name)) ?? [];
    return waitersIn(this.keys, name, kvs, offeredAt);
  }

  #signsOf(name: string): readonly string[] {
    const kv = this.get(this.keys.name(name));
    return kv == null ? [] : locksIn(readName(kv)).map((lock) => signOf(this.keys, lock));
  }
}

/** In the order in which they came. @param kvs all that belongs to the queue */
function waitersIn(keys: KeySpace, name: string, kvs: readonly Kv[], offeredAt: OfferedAt): readonly WaiterRow[] {
  const offers = new Map(kvs.filter(({ key }) => key.startsWith(keys.offers(name))).map((kv) => [kv.key, kv]));
  const start = `${keys.queue(name)}w/`;
  return kvs
    .filter(({ key }) => key.startsWith(start))
    .toSorted((a, b) => a.create - b.create)
    .map(({ key, value }) => {
      const ticket = JSON.parse(key.slice(start.length)) as string;
      const { instance, since } = JSON.parse(value) as StoredTicket;
      const offer = offers.get(keys.offer(name, ticket));
      const at = offer && offeredAt(offer.key, JSON.parse(offer.value) as StoredOffer, offer.mod);
      return { ticket, instance, since, offeredAt: at ?? null };
    });
}

export function rangeOf(key: string): Op {
  return key.endsWith("/") ? range(key, { end: endOf(key) }) : range(key);
}
