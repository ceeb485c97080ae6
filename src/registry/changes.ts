/** What happens in a registry, as it happens: the store tells that something may have changed, a look finds out what. */
import {
  changesOf,
  endedHold,
  type NameChange,
  pairSightings,
  type Sighting,
  type SightingPair,
} from "../core/changes.js";
import { type ErrorCode, isNameholdError, type NameholdError, RegistryError } from "../core/errors.js";
import type { LockState } from "../core/lock-rules.js";
import type { NamedEntry } from "../core/named-entry.js";
import type { Snapshot } from "../core/record.js";
import { type Clock, later, type MonotonicMs, type WallMs } from "../core/timing.js";
import type { Store } from "../stores/store.js";
import { News } from "./news.js";
import { isPassing } from "./passing-trouble.js";
import { pastEndings } from "./past-endings.js";

/** The store could not be looked at, or was found damaged; or that is over. Names are watched on meanwhile, as far as possible. */
export interface StoreChange {
  readonly kind: "trouble" | "trouble-over";
  /** By this process's clock. */
  readonly at: WallMs;
  readonly name: null;
  /** What the trouble is, or was. */
  readonly code: ErrorCode;
  readonly words: string;
}

export type RegistryChange = NameChange | StoreChange;

export interface ChangesOptions {
  /** Only of these, registered or not. Of all names, when not given. */
  readonly names?: readonly string[];
  /** Called once, with the names as they are before the first change: what comes is told against them. */
  readonly onStart?: (states: readonly NamedEntry[]) => void;
  /** Ends the watch, quietly. */
  readonly signal?: AbortSignal;
}

interface Source {
  readonly store: Store;
  readonly clock: Clock;
  readonly judge: (snapshot: Snapshot) => LockState;
}

/** So many names are read at once. */
const READ_AT_ONCE = 100;
/** For how long the store is trusted to tell. */
const LOOK_AGAIN_MS = 60_000;
/** How soon a look is repeated that has met with trouble of which the store may not tell the end. */
const RETRY_MS = 1_000;
/** A store in trouble may tell of it without end. */
const TROUBLE_REST_MS = 250;
const REST_MS_MAX = 1_000;

export async function* watchChanges(source: Source, options: ChangesOptions): AsyncGenerator<RegistryChange, void> {
  const signal = options.signal ?? new AbortController().signal;
  if (signal.aborted) return;
  const names = options.names === undefined ? undefined : new Set(options.names);
  using news = new News(source.store, source.clock, { ...(names === undefined ? {} : { names: [...names] }), signal });
  const sight = new Sight(source, names, options.onStart);
  for (let tookMs = 0; ; ) {
    // Looking may take half of the time: what happens meanwhile is told together.
    const restMs = Math.min(Math.max(tookMs, sight.isTroubled ? TROUBLE_REST_MS : 0), REST_MS_MAX);
    const changed = await news.next(restMs, sight.nextLookInMs());
    if (signal.aborted) return;
    const from = source.clock.monotonicMs();
    const changes = await sight.look(changed, news.trouble);
    tookMs = source.clock.monotonicMs() - from;
    for (const change of changes) {
      if (signal.aborted) return;
      yield change;
    }
  }
}

/** What one look has found out. A name that is neither found nor missing could not be looked at. */
interface Findings {
  readonly found: Map<string, NamedEntry>;
  readonly missing: Set<string>;
  at: WallMs;
  trouble: NameholdError | null;
}

/** The names as they were last seen. */
class Sight {
  readonly #source: Source;
  readonly #names: ReadonlySet<string> | undefined;
  readonly #onStart: ChangesOptions["onStart"];
  #known: Map<string, Sighting> | undefined;
  /** When damage hid names at the start, until none is hidden: those that were made before then are no new ones. */
  #hiddenSince: WallMs | undefined;
  /** When the locks lapse if nothing happens. */
  readonly #lapses = new Map<string, MonotonicMs>();
  #trouble: NameholdError | null = null;
  #lookedAt: MonotonicMs;

  constructor(source: Source, names: ReadonlySet<string> | undefined, onStart: ChangesOptions["onStart"]) {
    this.#source = source;
    this.#names = names;
    this.#onStart = onStart;
    this.#lookedAt = source.clock.monotonicMs();
  }

  get isTroubled(): boolean {
    return this.#trouble !== null;
  }

  /** When to look though nobody tells of a change. */
  nextLookInMs(): number {
    let dueAt = this.#allDueAt();
    for (const lapse of this.#lapses.values()) if (lapse < dueAt) dueAt = lapse;
    return Math.max(0, dueAt - this.#now());
  }

  /**
   * @param names which may have changed; null for any
   * @param watchTrouble why the store cannot tell of changes just now
   */
  async look(names: readonly string[] | null, watchTrouble: NameholdError | null): Promise<readonly RegistryChange[]> {
    const known = this.#known;
    if (names === null || known === undefined || this.#allDueAt() <= this.#now()) return this.#lookAtAll(watchTrouble);
    const seen = await this.#read([...new Set([...names, ...this.#takeLapsed()])]);
    // Where a name comes or goes, another may have gone or come.
    return seen.trouble === null && isOfSameNames(known, seen)
      ? this.#changes(known, seen)
      : this.#lookAtAll(watchTrouble);
  }

  async #lookAtAll(watchTrouble: NameholdError | null): Promise<readonly RegistryChange[]> {
    this.#lookedAt = this.#now();
    const known = this.#known;
    const seen = this.#names === undefined ? await this.#list() : await this.#read([...this.#names]);
    if (known === undefined) return this.#start(seen, watchTrouble);
    if (this.#names === undefined) await this.#confirmMissing(known, seen);
    await this.#findRenamed(known, seen);
    const trouble = seen.trouble ?? watchTrouble ?? (await this.#damage());
    const changes = [...this.#storeChanges(trouble), ...(await this.#changes(known, seen))];
    if (seen.trouble === null) this.#hiddenSince = undefined;
    return changes;
  }

  async #start(seen: Findings, watchTrouble: NameholdError | null): Promise<readonly RegistryChange[]> {
    const trouble = seen.trouble ?? watchTrouble;
    // Damage may last, and what it leaves in sight is watched meanwhile; all else passes, and is waited out.
    const isPartial = seen.trouble !== null && seen.trouble.code !== "damaged";
    if (trouble !== null && (isPartial || seen.found.size === 0)) {
      // Who may not read is told at once: waiting does not help.
      if (trouble.code === "read-only") throw trouble;
      return this.#storeChanges(trouble);
    }
    const changes = this.#storeChanges(trouble);
    // Damage from before is no change.
    this.#trouble ??= await this.#damage();
    this.#known = new Map();
    if (seen.trouble !== null) this.#hiddenSince = seen.at;
    await this.#changes(this.#known, seen);
    this.#onStart?.([...seen.found.values()]);
    return changes;
  }

  async #changes(known: Map<string, Sighting>, seen: Findings): Promise<readonly NameChange[]> {
    this.#takeInHidden(known, seen);
    const before = new Map<string, Sighting>();
    for (const name of [...seen.missing, ...seen.found.keys()]) {
      const sighting = known.get(name);
      if (sighting !== undefined) before.set(name, sighting);
    }
    const pairs = pairSightings(before, seen.found);
    for (const name of seen.missing) known.delete(name);
    for (const { now } of pairs) if (now !== null && this.#isWatched(now.named.name)) known.set(now.named.name, now);
    return this.#describe(pairs, seen.at);
  }

  /** Names that were hidden at the start are known from here on, and nothing is told of that. */
  #takeInHidden(known: Map<string, Sighting>, { found }: Findings): void {
    const since = this.#hiddenSince;
    if (since === undefined) return;
    const ids = new Set([...known.values()].map(({ named }) => named.entry.id));
    const hidden = [...found].filter(
      ([name, { entry }]) =>
        this.#isWatched(name) && !known.has(name) && !ids.has(entry.id) && entry.createdAt <= since,
    );
    for (const { now } of pairSightings(new Map(), new Map(hidden))) if (now !== null) known.set(now.named.name, now);
  }

  async #describe(pairs: readonly SightingPair[], at: WallMs): Promise<readonly NameChange[]> {
    const ended = new Map(
      pairs.flatMap((pair) => {
        const hold = endedHold(pair);
        return hold === null ? [] : [[pair, hold] as const];
      }),
    );
    const endings = await pastEndings(this.#source, new Set(ended.values()));
    return pairs.flatMap((pair) => {
      const hold = ended.get(pair);
      return changesOf(pair, at, (hold && endings.get(hold)) ?? null);
    });
  }

  #storeChanges(trouble: NameholdError | null): readonly StoreChange[] {
    const before = this.#trouble;
    this.#trouble = trouble;
    const at = this.#source.clock.wallMs();
    if (trouble !== null) {
      const isKnown = before?.code === trouble.code && before.message === trouble.message;
      return isKnown ? [] : [{ kind: "trouble", at, name: null, code: trouble.code, words: trouble.message }];
    }
    if (before === null) return [];
    const words = "The registry can be watched again: what is told from here on is all that has changed meanwhile.";
    return [{ kind: "trouble-over", at, name: null, code: before.code, words }];
  }

  /** Damage in spite of which known names go on. */
  async #damage(): Promise<NameholdError | null> {
    try {
      const damage = (await this.#source.store.recovery?.inspect()) ?? null;
      if (damage === null) return null;
      const words = `The registry was damaged (${damage.what}). Known names go on, and are watched; see 'namehold recover'.`;
      return new RegistryError("damaged", words);
    } catch (error) {
      return passing(error);
    }
  }

  async #list(): Promise<Findings> {
    const seen = this.#nothing();
    try {
      for await (const snapshot of this.#source.store.list()) this.#note(seen, snapshot);
    } catch (error) {
      seen.trouble = passing(error);
    }
    return seen;
  }

  async #read(names: readonly string[]): Promise<Findings> {
    const seen = this.#nothing();
    for (let from = 0; from < names.length && seen.trouble === null; from += READ_AT_ONCE) {
      const answers = await Promise.allSettled(
        names.slice(from, from + READ_AT_ONCE).map((name) => this.#source.store.read(name)),
      );
      for (const answer of answers) {
        if (answer.status === "fulfilled") this.#note(seen, answer.value);
        else seen.trouble = passing(answer.reason);
      }
    }
    return seen;
  }

  /** What a list does not show may only have been out of sight: damaged, or lost in damage. Reading tells. */
  async #confirmMissing(known: ReadonlyMap<string, Sighting>, seen: Findings): Promise<void> {
    if (seen.trouble !== null && seen.trouble.code !== "damaged") return;
    const unseen = [...known.keys()].filter((name) => !seen.found.has(name));
    if (unseen.length === 0) return;
    const read = await this.#read(unseen);
    for (const name of read.missing) seen.missing.add(name);
    for (const [name, found] of read.found) seen.found.set(name, found);
    seen.at = read.at;
    seen.trouble ??= read.trouble;
  }

  /** Where the IDs of names that are gone are now: beside the names that are watched, or passed by the list's pages. */
  async #findRenamed(known: ReadonlyMap<string, Sighting>, seen: Findings): Promise<void> {
    const ids = new Set([...seen.missing].flatMap((name) => known.get(name)?.named.entry.id ?? []));
    for (const { entry } of seen.found.values()) ids.delete(entry.id);
    if (ids.size === 0) return;
    const { found } = await this.#list();
    for (const [name, elsewhere] of found) if (ids.has(elsewhere.entry.id)) seen.found.set(name, elsewhere);
  }

  #nothing(): Findings {
    return { found: new Map(), missing: new Set(), at: this.#source.clock.wallMs(), trouble: null };
  }

  #note(seen: Findings, snapshot: Snapshot): void {
    seen.at = snapshot.now;
    this.#lapses.delete(snapshot.name);
    if (snapshot.record === null) {
      seen.missing.add(snapshot.name);
      return;
    }
    const { name, entry, token, revocation, waiters } = snapshot.record;
    const state = this.#source.judge(snapshot);
    if (state.kind === "held" && this.#isWatched(name)) this.#lapses.set(name, later(this.#now(), state.lapsesInMs));
    seen.found.set(name, { name, entry, state, token, revocation, waiters });
  }

  /** Each once: a lock that stands still is given a new time by looking at it. */
  #takeLapsed(): readonly string[] {
    const now = this.#now();
    const lapsed = [...this.#lapses].filter(([, lapse]) => lapse <= now).map(([name]) => name);
    for (const name of lapsed) this.#lapses.delete(name);
    return lapsed;
  }

  #isWatched(name: string): boolean {
    return this.#names?.has(name) !== false;
  }

  #allDueAt(): MonotonicMs {
    const isRetried = this.#trouble !== null && this.#trouble.code !== "damaged";
    return later(this.#lookedAt, isRetried ? RETRY_MS : LOOK_AGAIN_MS);
  }

  #now(): MonotonicMs {
    return this.#source.clock.monotonicMs();
  }
}

/** Whether no name has come, gone or got another ID. */
function isOfSameNames(known: ReadonlyMap<string, Sighting>, { found, missing }: Findings): boolean {
  return (
    [...found].every(([name, { entry }]) => known.get(name)?.named.entry.id === entry.id) &&
    [...missing].every((name) => !known.has(name))
  );
}

/** @throws what no waiting mends */
function passing(error: unknown): NameholdError {
  if (isNameholdError(error) && isPassing(error)) return error;
  throw error;
}
