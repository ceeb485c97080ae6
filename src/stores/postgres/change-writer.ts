import { isNameholdError, RegistryError } from "../../core/errors.js";
import { quoteName } from "../../core/name.js";
import { namesIn } from "../records/change-parts.js";
import { Draft } from "../records/draft.js";
import type { EntryRow, Looked } from "../records/rows.js";
import { judgeFormer } from "../records/snapshot.js";
import type { Change } from "../store.js";
import { changeRequest } from "./change-request.js";
import { encodeText, keyOf, nameOf } from "./encoded-text.js";
import type { Engine } from "./engine.js";
import type { KnownNames } from "./known-names.js";
import { Numbers } from "./numbers.js";
import type { OwnLife } from "./own-life.js";
import { isCollision } from "./postgres-error.js";
import type { Head, LookedTuple } from "./rows.js";

/** A change that collides so often with others is left to its caller. */
const ATTEMPTS_MAX = 12;

type NameTuple = readonly [key: string, full: string | null];
/** As uses_of_ids tells it. */
export type IdUses = readonly [id: string, owner: NameTuple | null, underIt: readonly NameTuple[] | null];

interface LookAnswer {
  readonly head: Head;
  readonly looked: readonly LookedTuple[];
  readonly ids: readonly IdUses[] | null;
}

interface CommitAnswer {
  readonly answer: "done" | "conflict" | "floor" | "no-life" | "late";
  readonly head: Head;
  readonly looked: readonly LookedTuple[];
}

export interface Written {
  /** False when a precondition failed; then nothing was changed. */
  readonly isDone: boolean;
  /** Each name that the change mentions, as it is now. */
  readonly looked: ReadonlyMap<string, Looked>;
  /** The number under which the table of backups has what was there before. */
  readonly backup: number | undefined;
}

/** A draft wants to know more than was looked up. */
class NeedsLook extends Error {}

/** Looks and writes, and remembers what it has seen. */
export class ChangeWriter {
  readonly #engine: Engine;
  readonly #known: KnownNames;

  constructor(engine: Engine, known: KnownNames) {
    this.#engine = engine;
    this.#known = known;
  }

  /** The names as they are. */
  async look(
    names: readonly string[],
    ids: readonly string[] = [],
  ): Promise<{ looked: ReadonlyMap<string, Looked>; ids: readonly IdUses[] }> {
    const asked = {
      names: names.map((name) => keyOf(name).key),
      ...(ids.length === 0 ? {} : { ids: ids.map(encodeText) }),
      ...this.#engine.noteAsked,
    };
    const answer = await this.#engine.call<LookAnswer>("look", [JSON.stringify(asked)]);
    if (answer === null)
      return { looked: new Map(names.map((name) => [name, nothing(name)])), ids: ids.map((id) => [id, null, null]) };
    return { looked: this.#take(names, answer.looked), ids: answer.ids ?? [] };
  }

  /**
   * All parts or none. What is known of the names may be out of date: then it is looked up, and the change is drafted anew.
   *
   * @throws LostReply when it is not known whether it was written; what the draft throws; PostgreSQL's errors
   */
  async write(change: Change, life: OwnLife | null): Promise<Written> {
    const facts = new Facts(change, this.#known);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (facts.missing.size > 0 || facts.missingIds.size > 0) await this.#lookUp(facts);
      // Where there is no registry yet, nobody has told the time, by which tokens and entries are made.
      if (!this.#engine.serverClock.isKnown) {
        await this.#engine.make();
        facts.doubt();
        await this.#lookUp(facts);
      }
      const numbers = new Numbers(
        Math.max(facts.highest, this.#engine.floor, change.tokenFloor ?? 0),
        this.#engine.serverClock.reading().wall,
      );
      const draft = this.#draft(change, { facts, life, numbers });
      if (draft === "needs-look") continue;
      if (draft === null) return { isDone: false, looked: facts.of(namesIn(change)), backup: undefined };
      const request = changeRequest(draft, {
        change,
        life,
        looked: facts.used,
        numbers,
        expectedUs: this.#engine.expectedUs,
        deadlineUs: this.#engine.deadlineUs(this.#engine.timeoutMs),
        uses: facts.usesAsked,
        recoveredUs: this.#engine.recoveryOverUs,
      });
      const looked = await this.#send(request, { facts, life, names: namesIn(change) });
      if (looked !== null)
        return {
          isDone: true,
          looked,
          backup:
            draft.replacedBy === undefined
              ? undefined
              : (JSON.parse(request) as { beside: { backup: { change: number } } }).beside.backup.change,
        };
    }
    throw new RegistryError(
      "busy",
      `${this.#engine.location} is busy: others have changed ${namesIn(change).slice(0, 3).map(quoteName).join(", ")} each time. Try again.`,
    );
  }

  /** @returns null when a part's precondition fails, with all looked at anew */
  #draft(
    change: Change,
    { facts, life, numbers }: { readonly facts: Facts; readonly life: OwnLife | null; readonly numbers: Numbers },
  ): Draft | null | "needs-look" {
    const reading = this.#engine.serverClock.reading();
    const draft = new Draft({
      holder: change.holder,
      life: life?.asOf(reading.monotonic, reading.wall) ?? null,
      reading,
      lookUp: (name) => facts.lookUp(name),
      ownerOf: (id) => facts.ownerOf(id),
      namesOfLockId: (id) => facts.namesOfLockId(id),
      judge: (lock) => judgeFormer(lock, { reading, isDead: () => false }),
      nextToken: () => numbers.next(),
    });
    try {
      if (draft.applyAll(change.parts)) return draft;
    } catch (error) {
      if (error instanceof NeedsLook) return "needs-look";
      if (!isNameholdError(error) || facts.areFresh) throw error;
      facts.doubt();
      return "needs-look";
    }
    if (facts.areFresh) return null;
    facts.doubt();
    return "needs-look";
  }

  /** @returns null when it was not written, and what there is was looked at */
  async #send(
    request: string,
    { facts, life, names }: { readonly facts: Facts; readonly life: OwnLife | null; readonly names: readonly string[] },
  ): Promise<ReadonlyMap<string, Looked> | null> {
    let answer: CommitAnswer | null;
    try {
      answer = await this.#engine.call<CommitAnswer>("commit", [request], { makes: true });
    } catch (error) {
      if (!isCollision(error)) {
        this.#known.forget(names);
        throw error;
      }
      // Our own row may have been made by a change whose answer got lost.
      if (constraintOf(error) === "lives_pkey") life?.born();
      facts.doubt({ idsToo: true });
      return null;
    }
    if (answer === null) return null;
    const looked = this.#take(names, answer.looked);
    if (answer.answer === "done") {
      life?.born();
      return looked;
    }
    if (answer.answer === "no-life") life?.over();
    facts.add(looked);
    facts.doubtOthers(looked);
    return null;
  }

  async #lookUp(facts: Facts): Promise<void> {
    const names = [...facts.missing];
    const ids = [...facts.missingIds];
    const found = await this.look(names, ids);
    facts.add(found.looked);
    facts.addUses(ids, found.ids);
  }

  #take(names: readonly string[], tuples: readonly LookedTuple[]): ReadonlyMap<string, Looked> {
    const reader = this.#engine.reader;
    return new Map(
      names.map((name, i) => {
        const tuple = tuples[i];
        const looked = tuple === undefined ? nothing(name) : reader.looked(tuple, name);
        this.#known.put(looked);
        return [name, looked];
      }),
    );
  }
}

/** What a draft starts from, as far as it is known, and what it has asked for beyond that. */
class Facts {
  /** Names that must be looked up first. */
  readonly missing = new Set<string>();
  readonly missingIds = new Set<string>();
  readonly #looked = new Map<string, Looked>();
  readonly #used = new Set<string>();
  readonly #uses = new Map<string, IdUses>();
  readonly #fresh = new Set<string>();
  #asksForIds: boolean;

  constructor(change: Change, known: KnownNames) {
    this.#asksForIds = change.parts.some((part) => part.kind === "put" && part.write.source !== undefined);
    for (const name of namesIn(change)) {
      const looked = known.get(name);
      if (looked === undefined) this.missing.add(name);
      else this.#looked.set(name, looked);
    }
  }

  /** Whether everything was looked up for this change. */
  get areFresh(): boolean {
    return [...this.#used].every((name) => this.#fresh.has(name));
  }

  get used(): ReadonlyMap<string, Looked> {
    return this.of([...this.#used]);
  }

  /** Versions, and so tokens, that there have been. */
  get highest(): number {
    return Math.max(
      0,
      ...[...this.#looked.values()].map(({ row, former }) => Math.max(row?.version ?? 0, former?.token ?? 0)),
    );
  }

  get usesAsked(): { readonly ids: readonly string[]; readonly told: unknown } | null {
    if (this.#uses.size === 0) return null;
    return { ids: [...this.#uses.keys()], told: [...this.#uses.values()] };
  }

  of(names: readonly string[]): ReadonlyMap<string, Looked> {
    return new Map(names.map((name) => [name, this.#looked.get(name) ?? nothing(name)]));
  }

  lookUp(name: string): Looked {
    this.#used.add(name);
    const looked = this.#looked.get(name);
    if (looked !== undefined) return looked;
    this.missing.add(name);
    throw new NeedsLook();
  }

  ownerOf(id: string): string | undefined {
    if (!this.#asksForIds) return undefined;
    const [, owner] = this.#usesOf(id);
    return owner === null ? undefined : nameOf(...owner);
  }

  namesOfLockId(id: string): readonly string[] {
    return (this.#usesOf(id)[2] ?? []).map((tuple) => nameOf(...tuple));
  }

  add(looked: ReadonlyMap<string, Looked>): void {
    for (const [name, one] of looked) {
      this.#looked.set(name, one);
      this.#fresh.add(name);
      this.missing.delete(name);
    }
  }

  addUses(ids: readonly string[], uses: readonly IdUses[]): void {
    for (const [i, id] of ids.entries()) {
      this.#uses.set(id, uses[i] ?? [id, null, null]);
      this.missingIds.delete(id);
    }
  }

  /** What was known may be out of date. */
  doubt({ idsToo = false } = {}): void {
    for (const name of this.#looked.keys()) this.missing.add(name);
    this.#looked.clear();
    this.#fresh.clear();
    this.#used.clear();
    this.#forgetUses(idsToo);
  }

  /** All but these. */
  doubtOthers(looked: ReadonlyMap<string, Looked>): void {
    for (const name of [...this.#looked.keys()]) {
      if (looked.has(name)) continue;
      this.#looked.delete(name);
      this.missing.add(name);
    }
    this.#used.clear();
    this.#forgetUses(this.#asksForIds);
  }

  #forgetUses(asksForIds: boolean): void {
    this.#asksForIds ||= asksForIds;
    for (const id of this.#uses.keys()) this.missingIds.add(id);
    this.#uses.clear();
  }

  #usesOf(id: string): IdUses {
    const uses = this.#uses.get(id);
    if (uses !== undefined) return uses;
    this.missingIds.add(id);
    throw new NeedsLook();
  }
}

function nothing(name: string): Looked {
  return { name, row: null as EntryRow | null, former: null, queue: [] };
}

function constraintOf(error: unknown): string | undefined {
  return error instanceof Error && "constraint" in error ? String(error.constraint) : undefined;
}
