/** What a change would be, by what is known. */
import type { Holder } from "../../core/entry.js";
import { isNameholdError, type NameholdError } from "../../core/errors.js";
import { monotonicMs, type WallMs } from "../../core/timing.js";
import { nextToken } from "../../core/token.js";
import { Draft, type Life } from "../records/draft.js";
import type { Looked } from "../records/rows.js";
import { judgeFormer, type SnapshotContext } from "../records/snapshot.js";
import type { Change } from "../store.js";
import { type Granted, nameAfter } from "./keys.js";
import type { OwnLife } from "./own-life.js";
import { pulseOf, REVISIONS, readName } from "./stored.js";
import type { View } from "./view.js";

export interface DraftingBase {
  readonly view: View;
  readonly change: Change;
  readonly own: OwnLife | undefined;
  readonly context: SnapshotContext;
  readonly wall: WallMs;
  /** The last one that is known. */
  readonly revision: number;
}

/** A draft, and what it rests on. Not to be used where something was missing. */
export class Drafting {
  readonly draft: Draft;
  readonly base: DraftingBase;
  readonly missingNames = new Set<string>();
  readonly missingKeys = new Set<string>();
  readonly isAccepted: boolean;
  /** What the change was refused with as a fault. */
  readonly failure: NameholdError | undefined;
  readonly #looked = new Map<string, Looked>();
  #lastToken: number;

  constructor(base: DraftingBase) {
    this.base = base;
    const { view, change, own, wall, revision } = base;
    if (own?.kv != null) view.put(own.key, own.kv);
    this.#lastToken = Math.max(this.floor, change.tokenFloor ?? 0);
    this.draft = new Draft({
      holder: change.holder,
      life: own === undefined ? null : lifeOf(own, base),
      reading: { wall, monotonic: monotonicMs(revision), clock: REVISIONS },
      lookUp: (name) => this.lookUp(name),
      ownerOf: (id) => this.#ownerOf(id),
      namesOfLockId: (id) => this.#namesOfLockId(id),
      judge: (lock) => judgeFormer(lock, base.context),
      nextToken: () => this.#nextToken(),
    });
    const outcome = this.#apply();
    this.isAccepted = outcome === true;
    this.failure = typeof outcome === "boolean" ? undefined : outcome.failure;
  }

  get holder(): Holder {
    return this.base.change.holder;
  }

  /** The names whose state counts. */
  get lookedAt(): Iterable<string> {
    return this.#looked.keys();
  }

  /** The greatest token of what is gone. */
  get floor(): number {
    const kv = this.#get(this.base.view.keys.floor);
    return kv == null ? 0 : (JSON.parse(kv.value) as number);
  }

  lookUp(name: string): Looked {
    const before = this.#looked.get(name);
    if (before !== undefined) return before;
    const found = this.base.view.looked(name);
    if (found === undefined) this.missingNames.add(name);
    const looked = found ?? { name, row: null, former: null, queue: [] };
    this.#looked.set(name, looked);
    return looked;
  }

  /** Locks that were given up under a later name. */
  get forgotten(): readonly Granted[] {
    const given = [...this.draft.changed.keys()].flatMap((name) => this.#looked.get(name)?.row?.lock ?? []);
    return given.filter(({ token, revocation }) => revocation !== null && this.draft.forgotten.includes(token));
  }

  /** Names that are kept for holders who have given up what they were kept for. */
  get forgottenNames(): readonly string[] {
    const { keys } = this.base.view;
    return this.forgotten.flatMap((lock) => this.#namesUnder(keys.keptBy(lock)));
  }

  #apply(): boolean | { readonly failure: NameholdError } {
    try {
      const isAccepted = this.draft.applyAll(this.base.change.parts);
      for (const name of this.forgottenNames) this.lookUp(name);
      return isAccepted;
    } catch (failure) {
      if (!isNameholdError(failure)) throw failure;
      return { failure };
    }
  }

  #get(key: string) {
    const kv = this.base.view.get(key);
    if (kv === undefined) this.missingKeys.add(key);
    return kv;
  }

  #namesUnder(start: string): readonly string[] {
    const kvs = this.base.view.under(start);
    if (kvs === undefined) this.missingKeys.add(start);
    return (kvs ?? []).map(({ key }) => nameAfter(start, key));
  }

  /** An ID that nothing is known of was made for this change. The change is made on condition that it is nobody's. */
  #ownerOf(id: string): string | undefined {
    const kv = this.base.view.get(this.base.view.keys.id(id));
    return kv == null ? undefined : (JSON.parse(kv.value) as string);
  }

  #namesOfLockId(id: string): readonly string[] {
    const { keys } = this.base.view;
    this.#get(keys.id(id));
    const owner = this.#ownerOf(id);
    return [...this.#namesUnder(keys.actingUnder(id)), ...(owner === undefined ? [] : [owner])];
  }

  #nextToken(): number {
    const { view, wall, own } = this.base;
    for (const name of this.#looked.keys()) {
      const { lastToken } = readName(view.get(view.keys.name(name)) ?? null);
      this.#lastToken = Math.max(this.#lastToken, lastToken);
    }
    // By its token alone, a lock is known to its holder, whatever the name is by then.
    this.#lastToken = nextToken(Math.max(this.#lastToken, own?.lastToken ?? 0), wall);
    if (own !== undefined) own.lastToken = this.#lastToken;
    return this.#lastToken;
  }
}

/** Before it has begun, it has no sign of life yet. */
function lifeOf({ n, holder, kv }: OwnLife, { wall, revision }: DraftingBase): Life {
  const pulse = kv == null ? { beat: 0, at: monotonicMs(revision), wallAt: wall, clock: REVISIONS } : pulseOf(kv);
  return { n, instance: holder.instance, pulse };
}
