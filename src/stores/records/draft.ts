import type { Holder } from "../../core/entry.js";
import { NameholdError, RegistryError } from "../../core/errors.js";
import type { Ending, PastHold } from "../../core/history.js";
import { keptIdError } from "../../core/kept-id.js";
import { heldBy, type LockState, newLock } from "../../core/lock-rules.js";
import { quoteName } from "../../core/name.js";
import type { Loss, Version } from "../../core/record.js";
import { editEntry, readEntry, writeEntry } from "../../core/text/entry-text.js";
import { importedEntry } from "../../core/text/imported-entry.js";
import type { ChangePart, EntryWrite, LockWrite } from "../store.js";
import type { Reading } from "./reading.js";
import {
  type EntryRow,
  frozen,
  holderVersion,
  type LockRow,
  type Looked,
  lastRefresh,
  type Pulse,
  versionOf,
} from "./rows.js";

type Part<Kind extends ChangePart["kind"]> = ChangePart & { readonly kind: Kind };

/** A process's time as a holder. */
export interface Life {
  readonly n: number;
  readonly instance: string;
  readonly pulse: Pulse;
}

export interface DraftBase {
  readonly holder: Holder;
  /** Null for a holder that needs none, since it neither takes a lock nor waits. */
  readonly life: Life | null;
  readonly reading: Reading;
  readonly lookUp: (name: string) => Looked;
  /** The name that has this ID in the database. */
  readonly ownerOf: (id: string) => string | undefined;
  /** The names whose locks, standing or taken away, are of holders that act under this ID. */
  readonly namesOfLockId: (id: string) => readonly string[];
  readonly judge: (lock: LockRow) => LockState;
  readonly nextToken: () => number;
}

export interface Word {
  readonly life: number;
  readonly token: number;
  readonly name: string;
  readonly loss: Loss;
}

export type QueueStep = Part<"enqueue" | "dequeue" | "offer"> | { readonly kind: "end-offers"; readonly name: string };

/**
 * A change in the making, beside the rows that it starts from. Parts apply in order, each seeing those before it;
 * versions stay those from before the change. Nothing is written here: a draft of which a part is refused is dropped.
 */
export class Draft {
  /** Names that have changed. Null for one that goes away. */
  readonly changed = new Map<string, EntryRow | null>();
  /** Locks that were taken away with their names. Null for one that is over. */
  readonly formers = new Map<string, LockRow | null>();
  /** Tokens of locks that were given up under a later name. */
  readonly forgotten: number[] = [];
  readonly words: Word[] = [];
  readonly ended: PastHold[] = [];
  readonly recalled: PastHold[] = [];
  readonly queueSteps: QueueStep[] = [];
  /** Numbers of entries whose queues end. */
  readonly endedQueues: number[] = [];
  /** Entries that go away, are renamed or replaced, as they were. */
  readonly replaced = new Map<string, EntryRow>();
  /** Why, for the backup's name. */
  replacedBy: "remove" | "rename" | "import" | undefined;
  readonly #base: DraftBase;

  constructor(base: DraftBase) {
    this.#base = base;
  }

  /**
   * @returns false when a part's precondition fails
   * @throws NameholdError `invalid-input`; RegistryError `already-exists` when an ID belongs to another name,
   *   RegistryLockError `held` when it belonged to one whose holder may still act under it
   */
  applyAll(parts: readonly ChangePart[]): boolean {
    if (!parts.every((part) => this.#apply(part))) return false;
    this.#checkIds();
    for (const part of parts) if (part.kind === "put" && part.write.source !== undefined) this.#checkIdFree(part.name);
    return true;
  }

  row(name: string): EntryRow | null {
    const changed = this.changed.get(name);
    return changed === undefined ? this.#base.lookUp(name).row : changed;
  }

  former(name: string): LockRow | null {
    const changed = this.formers.get(name);
    return changed === undefined ? this.#base.lookUp(name).former : changed;
  }

  #apply(part: ChangePart): boolean {
    switch (part.kind) {
      case "put":
        return this.#put(part);
      case "remove":
        return this.#remove(part);
      case "rename":
        return this.#rename(part);
      case "give-up":
        return this.#giveUp(part);
      case "enqueue":
        return this.row(part.name) !== null && this.#queue(part);
      case "dequeue":
      case "offer":
        return this.#queue(part);
      case "recall":
        this.recalled.push(part.hold);
        return true;
      default:
        return part satisfies never;
    }
  }

  #put({ name, expect, expectHolder, write }: Part<"put">): boolean {
    const present = this.row(name);
    if ((present === null ? "absent" : versionOf(present)) !== expect) return false;
    const inTheWay = present?.lock ?? this.#base.lookUp(name).former;
    // Who grants a free name without naming a holder has seen nobody in the way, and it must still be so.
    const isNamed = expectHolder !== undefined || (write.lock?.kind === "grant" && present?.lock == null);
    if (isNamed && (inTheWay === null ? undefined : holderVersion(inTheWay)) !== expectHolder) return false;
    if (write.source !== undefined && present !== null) this.#keep(present, "import");
    const row = this.#rowAfter(name, present, write);
    this.changed.set(name, write.lock === undefined ? row : this.#lockAfter(row, write.lock));
    return true;
  }

  #rowAfter(name: string, present: EntryRow | null, write: EntryWrite): EntryRow {
    const now = this.#base.reading.wall;
    const isSeen = write.touch === true || write.lock?.kind === "grant";
    const edits = {
      ...(write.metadata === undefined ? {} : { metadata: write.metadata }),
      ...(write.componentType === undefined ? {} : { componentType: write.componentType }),
    };
    if (present !== null && write.source === undefined) {
      const hasEdits = write.metadata !== undefined || write.componentType !== undefined;
      return {
        ...present,
        componentType: write.componentType ?? present.componentType,
        source: hasEdits ? editEntry(present.source, edits) : present.source,
        lastSeen: isSeen ? now : present.lastSeen,
      };
    }
    const base = write.source === undefined ? newEntryText(write, now) : importedEntry(write.source, now);
    const source = editEntry(base, edits);
    const { id, componentType } = readEntry(source, now);
    const lastSeen = isSeen && write.source !== undefined ? now : null;
    const kept = present ?? { n: 0, version: 0, waiters: 0, lock: null };
    return { ...kept, name, id, componentType, source, lastSeen };
  }

  #lockAfter(row: EntryRow, write: LockWrite): EntryRow {
    switch (write.kind) {
      case "grant":
        return this.#grant(row, write.ends ?? { how: "lost" });
      case "clear":
        return this.#clear(row, write.ends ?? { how: "released" }, write.word);
      case "revoke":
        return { ...row, lock: this.#revoke(row, { reason: "revoked", detail: write.reason }, write.reason) };
      default:
        return write satisfies never;
    }
  }

  #grant(row: EntryRow, ends: Ending): EntryRow {
    const { holder, life, reading } = this.#base;
    if (life === null) throw new Error("a lock is granted to a holder without a life");
    this.#end(row, ends);
    if (row.lock !== null && row.lock.life !== life.n) {
      this.#leaveWord(row, { reason: "taken", by: heldBy(newLock(holder, reading.wall)) });
    }
    if (this.former(row.name) !== null) this.formers.set(row.name, null);
    // The name is not free any more: the next time that it is, its waiter gets a full turn.
    if (row.waiters > 0) this.queueSteps.push({ kind: "end-offers", name: row.name });
    const lock: LockRow = {
      id: row.id,
      life: life.n,
      instance: holder.instance,
      pid: holder.pid,
      host: holder.host,
      ttlMs: holder.ttlMs,
      token: this.#base.nextToken(),
      acquiredAt: reading.wall,
      refreshedAt: reading.monotonic,
      refreshedWall: reading.wall,
      follows: true,
      revocation: null,
      pulse: life.pulse,
    };
    return { ...row, lock };
  }

  #clear(row: EntryRow, ends: Ending, word: Loss | undefined): EntryRow {
    const { lock } = row;
    if (lock === null) return row;
    this.#end(row, ends);
    // Its own holder knows. Any other must be told, since its heartbeat does not look at every name.
    const isOwn = lock.life === this.#base.life?.n;
    if (word !== undefined || !isOwn) this.#leaveWord(row, word ?? { reason: "removed" });
    if (lock.revocation !== null) this.forgotten.push(lock.token);
    return { ...row, lock: null };
  }

  #revoke(row: EntryRow, loss: Loss, reason: string): LockRow | null {
    if (row.lock === null) return null;
    this.#leaveWord(row, loss);
    return { ...frozen(row.lock), revocation: { reason, at: this.#base.reading.wall } };
  }

  #remove({ name, expect, expectHolder, word, ends }: Part<"remove">): boolean {
    const row = this.row(name);
    if (row === null || versionOf(row) !== expect || !isHolderAs(expectHolder, row)) return false;
    this.#keep(row, "remove");
    this.#end(row, ends ?? { how: "lost" });
    this.#leaveWord(row, word ?? { reason: "removed" });
    this.#goAway(row);
    return true;
  }

  #rename({ name, to, expect, expectHolder }: Part<"rename">): boolean {
    const row = this.row(name);
    if (row === null || versionOf(row) !== expect || !isHolderAs(expectHolder, row)) return false;
    if (this.row(to) !== null) return false;
    this.#keep(row, "rename");
    this.#end(row, { how: "renamed", detail: to });
    const lock = this.#revoke(row, { reason: "renamed", renamedTo: to }, `renamed to ${quoteName(to)}`);
    this.#goAway(row);
    this.changed.set(to, { ...row, name: to, lock, waiters: 0 });
    return true;
  }

  /** Those who wait, wait for the name and not for the entry. */
  #goAway(row: EntryRow): void {
    if (row.lock !== null) this.formers.set(row.name, frozen(row.lock));
    if (row.waiters > 0) this.endedQueues.push(row.n);
    this.changed.set(row.name, null);
  }

  #giveUp({ name, token }: Part<"give-up">): true {
    const former = this.former(name);
    if (former?.instance === this.#base.holder.instance && former.token === token) this.formers.set(name, null);
    return true;
  }

  #queue(step: QueueStep): true {
    this.queueSteps.push(step);
    return true;
  }

  #keep(row: EntryRow, why: "remove" | "rename" | "import"): void {
    this.replaced.set(row.name, row);
    this.replacedBy ??= why;
  }

  #end({ name, id, lock }: EntryRow, ending: Ending): void {
    if (lock === null) return;
    this.ended.push({
      name,
      id,
      holder: { instance: lock.instance, pid: lock.pid, host: lock.host },
      token: lock.token,
      since: lock.acquiredAt,
      lastHeartbeat: lastRefresh(lock).wallAt,
      until: this.#base.reading.wall,
      ending,
      observed: false,
    });
  }

  #leaveWord({ name, lock }: EntryRow, loss: Loss): void {
    // Nobody asks for a life that is over.
    if (lock !== null && lock.pulse !== null) this.words.push({ life: lock.life, token: lock.token, name, loss });
  }

  /** @see docs/SPEC.md#G2 */
  #checkIds(): void {
    if (!this.#hasNewIds()) return;
    const names = new Map<string, string>();
    for (const [name, row] of this.changed) {
      if (row === null) continue;
      const isKnown = this.#base.lookUp(name).row?.id === row.id;
      const known = names.get(row.id) ?? (isKnown ? undefined : this.#ownerAfter(row.id));
      if (known !== undefined && known !== name) throw sameId(name, row.id, known);
      names.set(row.id, name);
    }
  }

  #hasNewIds(): boolean {
    for (const [name, row] of this.changed) if (row !== null && this.#base.lookUp(name).row?.id !== row.id) return true;
    return false;
  }

  #checkIdFree(name: string): void {
    const { lookUp, namesOfLockId, judge, reading } = this.#base;
    const id = this.row(name)?.id;
    // It was its own already: nothing comes to it.
    if (id === undefined || lookUp(name).row?.id === id) return;
    for (const former of namesOfLockId(id)) {
      const { row, former: takenAway } = lookUp(former);
      const lock = row?.lock ?? takenAway;
      if (former === name || lock?.id !== id) continue;
      const state = judge(lock);
      if (state.kind === "held") throw keptIdError({ ...state, id, name, former, now: reading.wall });
    }
  }

  #ownerAfter(id: string): string | undefined {
    const owner = this.#base.ownerOf(id);
    return owner !== undefined && this.row(owner)?.id === id ? owner : undefined;
  }
}

function isHolderAs(expected: Version | undefined, { lock }: EntryRow): boolean {
  return expected === undefined || (lock !== null && holderVersion(lock) === expected);
}

function newEntryText({ id, componentType }: EntryWrite, now: Reading["wall"]): string {
  if (id === undefined || componentType === undefined) {
    throw new NameholdError("invalid-input", "A new entry needs an id and a component type, or a source.");
  }
  return writeEntry({ id, componentType, createdAt: now, lastSeen: now, metadata: {}, lock: null, workcellId: null });
}

function sameId(name: string, id: string, owner: string): RegistryError {
  return new RegistryError(
    "already-exists",
    `${quoteName(name)} would have the ID ${id}, which belongs to ${quoteName(owner)}.`,
    { name },
  );
}
