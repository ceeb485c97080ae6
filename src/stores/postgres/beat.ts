/** The heartbeat of one holder: one row and one round trip, however many names it holds. */
import type { Holder } from "../../core/entry.js";
import { RegistryError } from "../../core/errors.js";
import type { Loss } from "../../core/record.js";
import { later, type MonotonicMs } from "../../core/timing.js";
import type { OwnLock } from "../records/own-locks.js";
import type { Looked } from "../records/rows.js";
import type { ChangeWriter } from "./change-writer.js";
import { decodeText, keyOf, nameOf } from "./encoded-text.js";
import type { Engine } from "./engine.js";
import type { OwnLife } from "./own-life.js";
import type { Head, LookedTuple } from "./rows.js";

/** A loss that nobody asks about any more is forgotten after this time. */
const WORD_KEPT_US = 10 * 60_000_000;
/** The processes of a host share a note of the server's clock: each writes it so often. */
const NOTE_MS = 5_000;
/** A connection whose packets are swallowed must be found out while there is time for another try. */
const TRIES_PER_TTL = 6;
const TIMEOUT_MS_MIN = 250;
const TRIES_MAX = 3;

interface BeatAnswer {
  readonly head: Head;
  /** It came after its deadline, and nothing was done. */
  readonly late?: true;
  /** Null: the life is over. */
  readonly beat: number | null;
  readonly words: readonly (readonly [token: number, name: string, loss: string, leftUs: number])[] | null;
  readonly looked: readonly LookedTuple[] | null;
  /** Locks of this life that were not named. */
  readonly orphans: readonly (readonly [key: string, full: string | null, token: number])[] | null;
}

/** A lock of this process that nothing here knows of. */
export interface Orphan {
  readonly name: string;
  readonly token: number;
}

export class Beats {
  readonly #engine: Engine;
  readonly #writer: ChangeWriter;
  #noteDueAt: MonotonicMs;
  /** Words that may be forgotten, by the token. */
  readonly #stale = new Set<number>();
  onOrphans: (own: OwnLife, orphans: readonly Orphan[]) => void = () => undefined;

  constructor(engine: Engine, writer: ChangeWriter) {
    this.#engine = engine;
    this.#writer = writer;
    this.#noteDueAt = engine.clock.monotonicMs();
  }

  /**
   * Refreshes what is still the holder's, and tells what is not.
   *
   * A heartbeat that names nearly all locks moves the holder's row on, and marks the few that it does not name; one that
   * names few refreshes those.
   *
   * @param own undefined for a holder that was granted nothing here
   * @param names name → fencing token
   * @see docs/SPEC.md#G5
   */
  async beat(
    holder: Holder,
    own: OwnLife | undefined,
    names: ReadonlyMap<string, number>,
  ): Promise<ReadonlyMap<string, Loss>> {
    if (own === undefined || !own.isBorn) return this.#lossesOf(names);
    const plan = planOf(own, names);
    const reconciles = own.mayHaveOrphans && plan.isForAll;
    const { adoptions } = this.#engine;
    const timeoutMs = Math.min(this.#engine.timeoutMs, Math.max(TIMEOUT_MS_MIN, holder.ttlMs / TRIES_PER_TTL));
    const sentAt = this.#engine.clock.monotonicMs();
    const answer = await this.#sent({ life: own, plan, names, reconciles, timeoutMs });
    if (reconciles) own.lookedForOrphans(sentAt);
    if (answer === null || answer.beat === null) {
      own.over();
      return this.#lossesOf(names);
    }
    // What was taken for granted is not any more, since the server has lost commits.
    if (adoptions !== undefined && this.#engine.adoptions !== adoptions) return this.beat(holder, own, names);
    return this.#heard(own, answer, { ...plan, names });
  }

  async #sent(beat: Beat): Promise<BeatAnswer | null> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { timeoutMs } = beat;
      const request = JSON.stringify(this.#request(beat));
      const answer = await this.#engine.call<BeatAnswer>("beat", [request], { isUrgent: true, timeoutMs });
      // An answer in time to a statement that was late by the server's clock: that has stepped, as this process knows now.
      if (answer?.late !== true) return answer;
    }
    throw new RegistryError("unreachable", `${this.#engine.location}: the server's clock steps again and again.`);
  }

  #request({ life: own, plan, names, reconciles, timeoutMs }: Beat): object {
    const { isForAll, dropped, resumed, refreshed, unknown } = plan;
    const keys = (some: Iterable<string>): readonly string[] => [...some].map((name) => keyOf(name).key);
    const asked = (some: readonly string[]): readonly object[] =>
      some.map((name) => ({ name: keyOf(name).key, token: names.get(name) }));
    const known = [...own.locks.entries()].map(([name]) => name);
    return {
      life: own.n,
      all: isForAll,
      expected: this.#engine.expectedUs,
      deadline: this.#engine.deadlineUs(timeoutMs),
      ...this.#note(),
      ...unlessEmpty("locked", keys([...dropped.keys(), ...resumed, ...refreshed])),
      ...unlessEmpty(
        "dropped",
        [...dropped].map(([name, token]) => ({ name: keyOf(name).key, token })),
      ),
      ...unlessEmpty("resumed", asked(resumed)),
      ...unlessEmpty("refreshed", asked(refreshed)),
      ...unlessEmpty("looked", keys(unknown)),
      ...unlessEmpty("forgotten", [...this.#stale]),
      ...(reconciles ? { named: keys([...names.keys(), ...known, ...own.inFlight.keys()]) } : {}),
    };
  }

  #heard(
    own: OwnLife,
    answer: BeatAnswer,
    { names, resumed, dropped, unknown }: Plan & { readonly names: ReadonlyMap<string, number> },
  ): ReadonlyMap<string, Loss> {
    const { locks } = own;
    const lost = this.#toldLosses(answer, names);
    for (const [name, token] of dropped)
      change(locks.get(name), token, () => locks.put(name, { token, follows: false }));
    for (const name of resumed) {
      const token = names.get(name) ?? 0;
      if (!lost.has(name)) change(locks.get(name), token, () => locks.put(name, { token, follows: true }));
    }
    const reader = this.#engine.reader;
    for (const [i, name] of unknown.entries()) {
      const tuple = answer.looked?.[i];
      const token = names.get(name) ?? 0;
      const looked = tuple && reader.looked(tuple, name);
      const loss = lost.get(name) ?? lossIn(looked, token, own.n);
      own.unverified.delete(name);
      if (loss !== null) lost.set(name, loss);
      if (own.inFlight.has(name)) continue;
      if (loss !== null) change(locks.get(name), token, () => locks.put(name, undefined));
      else locks.put(name, { token, follows: looked?.row?.lock?.follows === true });
    }
    const orphans = (answer.orphans ?? []).map(([key, full, token]) => ({ name: nameOf(key, full), token }));
    const unknownHere = orphans.filter(({ name, token }) => locks.get(name)?.token !== token);
    if (unknownHere.length > 0) this.onOrphans(own, unknownHere);
    return lost;
  }

  /** What became of locks of this life that are asked about, as it was left for them: as often as it is asked. */
  #toldLosses({ head, words }: BeatAnswer, names: ReadonlyMap<string, number>): Map<string, Loss> {
    const lost = new Map<string, Loss>();
    this.#stale.clear();
    for (const [token, kept, loss, leftUs] of words ?? []) {
      const name = decodeText(kept);
      if (names.get(name) === token) lost.set(name, JSON.parse(decodeText(loss)) as Loss);
      else if (head[0] - leftUs > WORD_KEPT_US) this.#stale.add(token);
    }
    return lost;
  }

  /** By a look at the names themselves, for one that has no life. */
  async #lossesOf(names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    const { looked } = await this.#writer.look([...names.keys()]);
    return new Map(
      [...names].flatMap(([name, token]) => {
        const loss = lossIn(looked.get(name), token, null);
        return loss === null ? [] : [[name, loss] as const];
      }),
    );
  }

  #note(): object {
    const { boot, serverClock, clock } = this.#engine;
    const { note } = serverClock;
    const now = clock.monotonicMs();
    if (boot === "" || note === null || now < this.#noteDueAt) return {};
    this.#noteDueAt = later(now, NOTE_MS);
    return { note: [boot, Math.floor(note.low), Math.ceil(note.high), note.steadySince] };
  }
}

/** Null: it is the holder's. */
function lossIn(looked: Looked | undefined, token: number, life: number | null): Loss | null {
  const lock = looked?.row?.lock ?? null;
  if (lock === null) return { reason: "removed" };
  if (life !== null && lock.life === life && lock.token === token) {
    return lock.revocation === null ? null : { reason: "revoked", detail: lock.revocation.reason };
  }
  if (lock.pulse === null) return { reason: "expired" };
  return { reason: "taken", by: { pid: lock.pid, host: lock.host, instance: lock.instance } };
}

/** Unless another lock of that name has come in between. */
function change(lock: OwnLock | undefined, token: number, act: () => void): void {
  if (lock?.token === token) act();
}

/** A heartbeat as it is sent. */
interface Beat {
  readonly life: OwnLife;
  readonly plan: Plan;
  readonly names: ReadonlyMap<string, number>;
  /** Whether it also looks for locks that are not known here. */
  readonly reconciles: boolean;
  readonly timeoutMs: number;
}

/** What a heartbeat asks for. */
interface Plan {
  readonly isForAll: boolean;
  /** Known, and not named: name → token. */
  readonly dropped: ReadonlyMap<string, number>;
  readonly resumed: readonly string[];
  /** One by one. */
  readonly refreshed: readonly string[];
  /** Of which is not known that they are the holder's. */
  readonly unknown: readonly string[];
}

function planOf({ locks, unverified }: OwnLife, names: ReadonlyMap<string, number>): Plan {
  const isForAll = names.size * 2 >= locks.size;
  const isKnown = (name: string): boolean => locks.get(name)?.token === names.get(name);
  if (!isForAll) {
    const all = [...names.keys()];
    return {
      isForAll,
      dropped: new Map(),
      resumed: [],
      refreshed: all,
      unknown: all.filter((name) => !isKnown(name) || unverified.has(name)),
    };
  }
  const compared = locks.compare(names);
  const doubtful = [...unverified].filter((name) => names.has(name) && isKnown(name));
  const unknown = [...compared.unknown, ...doubtful];
  const dropped = new Map(compared.dropped.map((name) => [name, locks.get(name)?.token ?? 0]));
  return { isForAll, dropped, resumed: compared.resumed, refreshed: unknown, unknown };
}

function unlessEmpty(member: string, items: readonly unknown[]): object {
  return items.length === 0 ? {} : { [member]: items };
}
