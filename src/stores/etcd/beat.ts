/** The heartbeat of one holder: one key, however many names it holds. */
import type { Holder } from "../../core/entry.js";
import type { Loss } from "../../core/record.js";
import { monotonicMs } from "../../core/timing.js";
import { frozen } from "../records/rows.js";
import { endOf } from "./keys.js";
import { leaseSeconds, type OwnLife, type Renewal, startLease, withLease } from "./own-life.js";
import { lockRow, readName, type StoredWord, storedLock } from "./stored.js";
import type { Tools } from "./tools.js";
import { View } from "./view.js";
import { exists, type Guard, isAt, type Kv, NO_LEASE, type Op, put, range } from "./wire.js";

/** So many names are looked at, or marked, in one transaction. */
const NAMES_AT_ONCE = 20;

type Names = ReadonlyMap<string, number>;

/**
 * Refreshes what is still the holder's, and tells what is not.
 *
 * A new lease, and then one transaction that gives it to the life's key and asks for words. A heartbeat that names few of
 * the holder's locks refreshes those alone, with a lease of their own.
 *
 * @param own undefined for a holder that was granted nothing here
 * @see docs/SPEC.md#G5
 */
export function beat(tools: Tools, holder: Holder, own: OwnLife | undefined, names: Names): Promise<Map<string, Loss>> {
  return new Beat(tools, holder, own, names).run();
}

class Beat {
  readonly #tools: Tools;
  readonly #holder: Holder;
  readonly #own: OwnLife | undefined;
  readonly #names: Names;
  readonly #lost = new Map<string, Loss>();

  constructor(tools: Tools, holder: Holder, own: OwnLife | undefined, names: Names) {
    this.#tools = tools;
    this.#holder = holder;
    this.#own = own;
    this.#names = names;
  }

  async run(): Promise<Map<string, Loss>> {
    const own = this.#own;
    if (own === undefined || !own.hasBegun) await this.#lookAt([...this.#names.keys()], undefined);
    else if (this.#isForMost(own) || own.isOld) await this.#refreshAll(own);
    else await this.#refreshFew(own);
    return this.#lost;
  }

  #isForMost(own: OwnLife): boolean {
    return this.#names.size * 2 >= own.locks.size;
  }

  async #refreshAll(own: OwnLife): Promise<void> {
    const { resumed, dropped, unknown } = own.locks.compare(this.#names);
    // First, or this beat would refresh them.
    await this.#mark(own, dropped, "freeze");
    if (!(await this.#beatNow(own))) return this.#lookAt([...this.#names.keys()], undefined);
    await this.#mark(
      own,
      resumed.filter((name) => !this.#lost.has(name)),
      "follow",
    );
    await this.#lookAt(
      unknown.filter((name) => !this.#lost.has(name)),
      own,
    );
  }

  /** @returns false when the life was over */
  async #beatNow(own: OwnLife): Promise<boolean> {
    const { client, keys } = this.#tools;
    for (;;) {
      const { key, kv: before } = own;
      const words = range(keys.words(own.n), { end: endOf(keys.words(own.n)) });
      const look = range(key);
      const lapses = range(keys.lapse(own.n, before?.lease ?? NO_LEASE));
      const isDone = await own.renewing(
        this.#tools.clock.wallMs(),
        async ({ lease, guards, ops, written }: Renewal) => {
          const isThere = exists(key);
          const { succeeded, ranges, revision } = await client.txn(
            [...guards, isThere],
            [...ops, words, lapses],
            [look],
          );
          if (!succeeded) {
            own.saw(key, ranges[0]?.kvs[0] ?? null);
            return false;
          }
          for (const word of ranges[0]?.kvs ?? []) {
            this.#hear(JSON.parse(word.value) as StoredWord, Number(word.key.slice(keys.words(own.n).length)));
          }
          const create = before?.create ?? revision;
          own.saw(key, { key, value: written?.value ?? "", mod: revision, create, lease: lease.id });
          this.#dropLease(before?.lease, (ranges[1]?.kvs.length ?? 0) > 0);
          return true;
        },
      );
      if (isDone) return true;
      // Ended, and so nothing is held; else its key has only been written meanwhile.
      if (own.key !== key) return false;
    }
  }

  /** Another lease has taken its place. Left to itself it ends by itself, at the price of etcd's own work. */
  #dropLease(id: string | undefined, isUsed: boolean): void {
    if (id === undefined || isUsed) return;
    this.#tools.client.revokeLease(id).catch(() => undefined);
  }

  async #refreshFew(own: OwnLife): Promise<void> {
    const unknown: string[] = [];
    const known: string[] = [];
    for (const [name, token] of this.#names) (own.locks.get(name)?.token === token ? known : unknown).push(name);
    await this.#mark(own, known, "refresh");
    await this.#lookAt([...unknown, ...known.filter((name) => own.locks.get(name) === undefined)], own);
  }

  #hear({ name, loss }: StoredWord, token: number): void {
    // It is told as often as it asks: the telling may get lost.
    if (this.#names.get(name) !== token) return;
    this.#lost.set(name, loss);
    this.#own?.locks.put(name, undefined);
  }

  /** Marks locks of this life; those that are not its own any more are not known from then on. */
  async #mark(own: OwnLife, names: readonly string[], how: Marking): Promise<void> {
    for (let from = 0; from < names.length; from += NAMES_AT_ONCE) {
      const some = names.slice(from, from + NAMES_AT_ONCE);
      while (!(await this.#markSome(own, some, how)));
    }
  }

  /** @returns false when something changed meanwhile */
  async #markSome(own: OwnLife, names: readonly string[], how: Marking): Promise<boolean> {
    const { client, clock, keys, known } = this.#tools;
    const view = new View(keys, known);
    const { key } = own;
    // Nothing is its own that was not granted yet.
    if (own.kv === null) return true;
    await view.lookAtNames(client, names, [key]);
    own.saw(key, view.get(key) ?? null);
    const life = own.kv;
    // Over: there is nothing to mark.
    if (life == null) return true;
    const lease = how === "refresh" ? startLease(client, clock, leaseSeconds(own.holder.ttlMs)) : undefined;
    const lapse = how === "follow" ? undefined : (lease?.id ?? life.lease);
    const guards: Guard[] = [isAt(own.key, life.mod)];
    const ops: Op[] = lapse === undefined ? [] : [put(keys.lapse(own.n, lapse), "true", lapse)];
    const done: string[] = [];
    for (const name of names) {
      const stored = this.#ownEntry(view, own, name);
      if (stored === null) {
        own.locks.put(name, undefined);
        continue;
      }
      const row = lockRow(keys, stored.lock, (sign) => view.get(sign));
      const now = { refreshedAt: monotonicMs(life.mod), refreshedWall: clock.wallMs() };
      const lock = storedLock(how === "freeze" ? frozen(row) : { ...row, ...now }, lapse);
      guards.push(isAt(keys.name(name), view.get(keys.name(name))?.mod ?? 0));
      ops.push(put(keys.name(name), JSON.stringify({ ...stored.name, entry: { ...stored.entry, lock } })));
      done.push(name);
    }
    if (done.length === 0) return true;
    const transact = () => client.txn(guards, ops);
    const { succeeded } = await (lease === undefined ? transact() : withLease(lease, transact));
    if (!succeeded) return false;
    for (const name of done) {
      known.forget(keys.name(name));
      own.locks.put(name, { token: own.locks.get(name)?.token ?? 0, follows: how === "follow" });
    }
    return true;
  }

  /** The lock that is known as this life's, where it is so and nobody has revoked it. */
  #ownEntry(view: View, own: OwnLife, name: string) {
    const stored = readName(view.get(view.keys.name(name)) ?? null);
    const { entry } = stored;
    const lock = entry?.lock;
    if (entry == null || lock == null || lock.life !== own.n || lock.revocation !== null) return null;
    return lock.token === own.locks.get(name)?.token ? { name: stored, entry, lock } : null;
  }

  /** Asks the names themselves. Refreshes what is the holder's after all. */
  async #lookAt(names: readonly string[], own: OwnLife | undefined): Promise<void> {
    const { client, keys, known } = this.#tools;
    const mine: string[] = [];
    for (let from = 0; from < names.length; from += NAMES_AT_ONCE) {
      const some = names.slice(from, from + NAMES_AT_ONCE);
      const view = new View(keys, known);
      const wordOf = (name: string) => own && keys.word(own.n, this.#names.get(name) ?? 0);
      await view.lookAtNames(client, some, own === undefined ? [] : some.flatMap((name) => wordOf(name) ?? []));
      for (const name of some) {
        const word = wordOf(name);
        const loss = this.#lossOf(view, name, { own, word: word === undefined ? null : (view.get(word) ?? null) });
        if (loss === null) mine.push(name);
        else this.#lost.set(name, loss);
      }
    }
    if (own === undefined || mine.length === 0) return;
    for (const name of mine) own.locks.put(name, { token: this.#names.get(name) ?? 0, follows: false });
    await this.#mark(own, mine, this.#isForMost(own) ? "follow" : "refresh");
  }

  #lossOf(view: View, name: string, { own, word }: { own: OwnLife | undefined; word: Kv | null }): Loss | null {
    const { row } = view.looked(name) ?? { row: null };
    const lock = row?.lock ?? null;
    if (own !== undefined && lock?.life === own.n && lock.token === this.#names.get(name)) {
      return lock.revocation === null ? null : { reason: "revoked", detail: lock.revocation.reason };
    }
    if (word !== null) return (JSON.parse(word.value) as StoredWord).loss;
    if (lock === null) return { reason: "removed" };
    if (lock.pulse === null || lock.instance === this.#holder.instance) return { reason: "expired" };
    return { reason: "taken", by: { pid: lock.pid, host: lock.host, instance: lock.instance } };
  }
}

/** `freeze`: it lapses as of the last beat. `refresh`: as of now. `follow`: every beat refreshes it. */
type Marking = "freeze" | "refresh" | "follow";
