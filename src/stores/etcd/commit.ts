/** One change: drafted from what is known, and made by one transaction on condition that it is still so. */

import { RegistryError } from "../../core/errors.js";
import { quoteName } from "../../core/name.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { later } from "../../core/timing.js";
import { bootClockName } from "../machine/boot-clock.js";
import { namesIn } from "../records/change-parts.js";
import type { SnapshotContext } from "../records/snapshot.js";
import type { Change, ChangePart } from "../store.js";
import { Drafting } from "./drafting.js";
import { isLeaseMissing } from "./etcd-fault.js";
import { leaseSeconds, type OwnLife, type Renewal, startLease, withLease } from "./own-life.js";
import type { Tools } from "./tools.js";
import { OPS_MAX, rangeOf, View } from "./view.js";
import { DraftWriter, type Write } from "./write-draft.js";

/** A word that nobody asks for is forgotten so long after the TTL of whom it is for. */
const WORD_KEPT_SECONDS = 600;

export interface Committed {
  /** False when a precondition failed; then nothing was changed. */
  readonly isDone: boolean;
  /** The names as they are now. */
  readonly view: View;
  /** The key of what was there before. */
  readonly backup: string | undefined;
}

/** Whether the change gives its holder something that must end with the holder's life. */
export function needsLife({ parts }: Change): boolean {
  return parts.some((part) => part.kind === "put" && part.write.lock?.kind === "grant");
}

export class Commit {
  readonly #tools: Tools;
  readonly #change: Change;
  readonly #own: OwnLife | undefined;
  readonly #context: SnapshotContext;
  readonly #view: View;
  readonly #names: Set<string>;
  /** Keys and beginnings of keys, beside the names', that the change rests on. */
  readonly #others: Set<string>;
  /** Whether all that is known was seen after the change was asked for. */
  #isFresh = false;

  /** @param own of a holder that has been granted something, or is now */
  constructor(tools: Tools, change: Change, { own, context }: { own: OwnLife | undefined; context: SnapshotContext }) {
    this.#tools = tools;
    this.#change = change;
    this.#own = own;
    this.#context = context;
    this.#view = new View(tools.keys, tools.known);
    this.#names = new Set(namesIn(change));
    this.#others = new Set([
      tools.keys.floor,
      tools.keys.recovery,
      ...change.parts.flatMap(idOf).map((id) => tools.keys.id(id)),
    ]);
  }

  /** @throws OutcomeUnknown; NameholdError as `Store.commit` */
  async run(): Promise<Committed> {
    const { clock, client } = this.#tools;
    const deadline = later(clock.monotonicMs(), client.timeoutMs);
    for (;;) {
      const committed = await this.#attempt();
      if (committed !== null) return committed;
      if (clock.monotonicMs() >= deadline) throw contended([...this.#names], client.timeoutMs);
    }
  }

  /** @returns null when more has to be known first, or was not as it was known */
  async #attempt(): Promise<Committed | null> {
    const drafting = this.#makeDraft();
    if (drafting.missingNames.size + drafting.missingKeys.size > 0) {
      for (const name of drafting.missingNames) this.#names.add(name);
      for (const key of drafting.missingKeys) this.#others.add(key);
      return this.#look();
    }
    if (drafting.isAccepted) return this.#write(drafting);
    // It may rest on what is out of date.
    const unseen = [...drafting.lookedAt].filter((name) => !this.#names.has(name));
    for (const name of unseen) this.#names.add(name);
    if (!this.#isFresh || unseen.length > 0) return this.#look();
    if (drafting.failure !== undefined) throw drafting.failure;
    return { isDone: false, view: this.#view, backup: undefined };
  }

  #makeDraft(): Drafting {
    const { clock, client } = this.#tools;
    return new Drafting({
      view: this.#view,
      change: this.#change,
      own: this.#own,
      context: this.#context,
      wall: clock.wallMs(),
      revision: client.revision,
    });
  }

  async #look(): Promise<null> {
    const ownKeys = this.#ownKeys();
    await this.#view.lookAtNames(this.#tools.client, this.#names, [...this.#others, ...ownKeys]);
    this.#sawOwn(ownKeys);
    this.#isFresh = true;
    return null;
  }

  /** One that may be on its way still says nothing by its absence. */
  #ownKeys(): readonly string[] {
    return this.#own === undefined || this.#own.kv === null ? [] : [this.#own.key];
  }

  #sawOwn(lookedAt: readonly string[]): void {
    for (const key of lookedAt) this.#own?.saw(key, this.#view.get(key) ?? null);
  }

  async #write(drafting: Drafting): Promise<Committed | null> {
    try {
      if (this.#own === undefined || !needsLife(this.#change)) return await this.#transact(drafting, null);
      return await this.#grant(drafting, this.#own);
    } catch (error) {
      if (!isLeaseMissing(error)) throw error;
      // A life that it was to end with is over by now, or the lease of those who wait.
      this.#tools.waiting.forget();
      return this.#look();
    }
  }

  async #grant(drafting: Drafting, own: OwnLife): Promise<Committed | null> {
    const { n } = own;
    let committed: Committed | null = null;
    await own.granting(drafting.base.wall, async (renewal) => {
      // That life has ended meanwhile.
      if (own.n !== n) return false;
      committed = await this.#transact(drafting, renewal);
      return committed !== null;
    });
    return committed;
  }

  async #transact(drafting: Drafting, renewal: Renewal | null): Promise<Committed | null> {
    const { client, keys } = this.#tools;
    const words = this.#wordLease(drafting);
    const write = await this.#writeOf(drafting, words?.id);
    const lookedAt = new Set(drafting.lookedAt);
    const shown = namesIn(this.#change).flatMap((name) => [
      keys.queue(name),
      ...(lookedAt.has(name) ? [] : [keys.name(name)]),
    ]);
    const guards = [...write.guards, ...(renewal?.guards ?? [])];
    const ops = [...write.ops, ...(renewal?.ops ?? []), ...shown.map(rangeOf)];
    const ownKeys = this.#ownKeys();
    const wanted = this.#wantedOtherwise(ownKeys);
    const transact = () => client.txn(guards, ops, wanted.map(rangeOf));
    const result = await (words === undefined ? transact() : withLease(words, transact));
    if (!result.succeeded) {
      this.#view.take(wanted, result);
      if (wanted.length > 0) this.#sawOwn(ownKeys);
      this.#isFresh = wanted.length > 0;
      return wanted.length > 0 ? null : this.#look();
    }
    this.#view.take(shown, result);
    this.#note(write, renewal, result.revision);
    if (this.#own !== undefined) noteLocks(drafting, this.#own);
    // Whose lock it is on a name that did not matter may not be known.
    const unknown = namesIn(this.#change).filter((name) => this.#view.looked(name) === undefined);
    if (unknown.length > 0) await this.#view.lookAtNames(client, unknown);
    return { isDone: true, view: this.#view, backup: write.backup };
  }

  /** So that a refusal comes with the present, in the same trip. */
  #wantedOtherwise(ownKeys: readonly string[]): readonly string[] {
    const wanted = [...new Set([...this.#view.keysOf(this.#names), ...this.#others, ...ownKeys])];
    return wanted.length <= OPS_MAX ? wanted : [];
  }

  /** Words outlive every deadline that their reader can have: his beats see them until he has given up by himself. */
  #wordLease({ draft }: Drafting) {
    if (draft.words.length === 0) return undefined;
    const ttlsMs = [...this.#names].flatMap((name) => this.#view.looked(name)?.row?.lock?.ttlMs ?? []);
    return startLease(this.#tools.client, this.#tools.clock, WORD_KEPT_SECONDS + leaseSeconds(Math.max(0, ...ttlsMs)));
  }

  async #writeOf(drafting: Drafting, wordLease: string | undefined): Promise<Write> {
    const { clock, waiting } = this.#tools;
    const tickets = this.#change.parts.filter(({ kind }) => kind === "enqueue");
    const waitingLease = tickets.length > 0 ? await waiting.id(this.#change.holder.ttlMs) : undefined;
    for (const part of this.#change.parts) {
      if (part.kind === "enqueue") waiting.keep(part.ticket);
      if (part.kind === "dequeue") waiting.release(part.ticket);
    }
    const offerClock = { at: clock.monotonicMs(), clock: bootClockName() };
    return new DraftWriter(drafting, { rests: this.#others, offerClock, waitingLease, wordLease }).write();
  }

  #note({ written }: Write, renewal: Renewal | null, revision: number): void {
    for (const [key, one] of written) {
      const create = this.#view.get(key)?.create ?? revision;
      this.#view.put(key, one && { key, value: one.text, mod: revision, create, lease: one.lease });
    }
    if (renewal?.written == null) return;
    const { key, value } = renewal.written;
    const create = this.#view.get(key)?.create ?? revision;
    const kv = { key, value, mod: revision, create, lease: renewal.lease.id };
    this.#view.put(key, kv);
    this.#own?.saw(key, kv);
  }
}

/** What the holder was granted, and what it gave up, so that its heartbeats need not ask. */
function noteLocks(drafting: Drafting, { n, locks }: OwnLife): void {
  for (const [name, row] of drafting.draft.changed) {
    const lock = row?.lock ?? null;
    const before = drafting.lookUp(name).row?.lock ?? null;
    if (lock?.life !== n && before?.life !== n) continue;
    const isGranted = lock?.life === n && lock.follows;
    if (isGranted && lock.token === before?.token) continue;
    locks.put(name, isGranted ? { token: lock.token, follows: true } : undefined);
  }
}

function idOf(part: ChangePart): readonly string[] {
  if (part.kind !== "put") return [];
  const { id, source } = part.write;
  return [id ?? "", source === undefined ? "" : idInText(source)].filter((one) => one !== "");
}

/** Text that is no entry is refused by the draft. */
function idInText(source: string): string {
  try {
    return entryIdOf(source);
  } catch {
    return "";
  }
}

function contended(names: readonly string[], timeoutMs: number): RegistryError {
  return new RegistryError(
    "busy",
    `${quoteName(names[0] ?? "")} is changed by others so often that the change did not come about within ${timeoutMs} ms. Try again.`,
  );
}
