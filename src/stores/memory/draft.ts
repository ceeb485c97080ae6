import type { Holder } from "../../core/entry.js";
import { NameholdError, RegistryError } from "../../core/errors.js";
import type { Ending, PastHold } from "../../core/history.js";
import { keptIdError } from "../../core/kept-id.js";
import { heldBy, type LockState, newLock } from "../../core/lock-rules.js";
import { quoteName } from "../../core/name.js";
import type { Loss, Version } from "../../core/record.js";
import { entryIdOf } from "../../core/text/entry-id.js";
import { editEntry, writeEntry } from "../../core/text/entry-text.js";
import { importedEntry } from "../../core/text/imported-entry.js";
import type { WallMs } from "../../core/timing.js";
import { nextToken } from "../../core/token.js";
import type { ChangePart, EntryWrite, LockWrite } from "../store.js";
import { pastHold } from "./past-hold.js";
import type { Beat, Lock, Row } from "./row.js";

export interface DraftBase {
  readonly rows: ReadonlyMap<string, Row>;
  readonly formers: ReadonlyMap<string, Lock>;
  readonly lastToken: number;
  readonly holder: Holder;
  readonly beat: Beat;
  readonly judge: (former: Lock) => LockState;
}

/**
 * A change in the making, beside the rows that it starts from. Parts apply in order, each seeing those before it;
 * versions stay those from before the change. Dropped when a part is refused.
 */
export class Draft {
  /** Null for a name that goes away. */
  readonly changed = new Map<string, Row | null>();
  /** Locks that were taken away from their holders, who may not know it yet, by name. Null for one that is over. */
  readonly formers = new Map<string, Lock | null>();
  /** Names of which the former lock was given up. */
  readonly givenUp = new Set<string>();
  readonly ended: PastHold[] = [];
  readonly recalled: PastHold[] = [];
  readonly words: { readonly instance: string; readonly name: string; readonly word: Loss }[] = [];
  lastToken: number;
  readonly #base: DraftBase;

  constructor(base: DraftBase) {
    this.#base = base;
    this.lastToken = base.lastToken;
  }

  /**
   * @returns false when a part's precondition fails
   * @throws RegistryError `already-exists` when an ID that is given belongs to another name
   * @throws RegistryLockError `held` when it belonged to one whose holder may still act under it
   */
  applyAll(parts: readonly ChangePart[]): boolean {
    if (!parts.every((part) => this.#apply(part))) return false;
    const puts = parts.filter((part) => part.kind === "put");
    const imported = puts.filter(({ write }) => write.source !== undefined);
    if (imported.length > 0 || puts.some((part) => this.#mayShareId(part))) this.#assertIdsApart();
    for (const { name } of imported) this.#assertIdFree(name);
    return true;
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
        return this.#giveUp(part.name, part.token);
      case "enqueue":
        return this.#enqueue(part.name, part.ticket);
      case "dequeue":
        return this.#editQueue(part.name, (row) => row.waiters.filter((waiter) => waiter.ticket !== part.ticket));
      case "offer":
        return this.#offer(part.name, part.ticket);
      case "recall":
        this.recalled.push(part.hold);
        return true;
      default:
        return part satisfies never;
    }
  }

  /** Quickly: no other text has the new ID anywhere in it. */
  #mayShareId({ name, expect, write: { id = "" } }: ChangePart & { kind: "put" }): boolean {
    if (expect !== "absent") return false;
    for (const other of [...this.#base.rows.keys(), ...this.changed.keys()])
      if (other !== name && this.#row(other)?.text.includes(id) === true) return true;
    return false;
  }

  #assertIdsApart(): void {
    const owners = new Map<string, string>();
    for (const name of new Set([...this.#base.rows.keys(), ...this.changed.keys()])) {
      const row = this.#row(name);
      if (row === undefined) continue;
      const id = entryIdOf(row.text);
      const owner = owners.get(id);
      if (owner !== undefined) {
        throw new RegistryError(
          "already-exists",
          `${quoteName(owner)} and ${quoteName(name)} would have the ID ${id}.`,
          { name },
        );
      }
      owners.set(id, name);
    }
  }

  #assertIdFree(name: string): void {
    const { rows, formers, judge, beat } = this.#base;
    const id = entryIdOf(this.#row(name)?.text ?? "{}");
    const before = rows.get(name);
    // It was its own already: nothing comes to it.
    if (before !== undefined && entryIdOf(before.text) === id) return;
    const standing = [...rows].flatMap(([other, { lock }]) => (lock === null ? [] : [[other, lock] as const]));
    for (const [former, lock] of [...standing, ...formers]) {
      if (former === name || lock.id !== id) continue;
      const state = judge(lock);
      if (state.kind === "held") throw keptIdError({ ...state, id, name, former, now: beat.wallAt });
    }
  }

  #put({ name, expect, expectHolder, write }: ChangePart & { kind: "put" }): boolean {
    const row = this.#row(name);
    if ((row?.version ?? "absent") !== expect) return false;
    const inTheWay = row?.lock ?? this.#base.formers.get(name);
    // Who grants a free name without naming a holder has seen nobody in the way, and it must still be so.
    const isNamed = expectHolder !== undefined || (write.lock?.kind === "grant" && !row?.lock);
    if (isNamed && inTheWay?.beat.version !== expectHolder) return false;
    const kept = row ?? { version: "" as Version, text: "", lock: null, waiters: [] };
    const text = this.#textAfter(row?.text, write);
    const changed = { ...kept, text };
    this.changed.set(name, write.lock === undefined ? changed : this.#lockAfter(name, changed, write.lock));
    return true;
  }

  #textAfter(present: string | undefined, write: EntryWrite): string {
    const now = this.#base.beat.wallAt;
    const isSeen = write.touch === true || write.lock?.kind === "grant";
    return editEntry(
      write.source === undefined ? (present ?? newEntry(write, now)) : importedEntry(write.source, now),
      {
        ...(write.metadata === undefined ? {} : { metadata: write.metadata }),
        ...(isSeen ? { lastSeen: now } : {}),
      },
    );
  }

  #lockAfter(name: string, row: Row, write: LockWrite): Row {
    const { beat, holder } = this.#base;
    switch (write.kind) {
      case "grant":
        this.#end(name, row, write.ends ?? { how: "lost" });
        this.lastToken = nextToken(this.lastToken, beat.wallAt);
        this.#leaveWord(name, row.lock, { reason: "taken", by: heldBy(newLock(holder, beat.wallAt)) });
        this.formers.set(name, null);
        return {
          ...row,
          lock: {
            holder,
            id: entryIdOf(row.text),
            token: this.lastToken,
            acquiredAt: beat.wallAt,
            beat,
            revocation: null,
          },
          // The name is not free any more: the next time that it is, its waiter gets a full turn.
          waiters: row.waiters.map((waiter) => ({ ...waiter, offeredAt: null })),
        };
      case "clear":
        this.#end(name, row, write.ends ?? { how: "released" });
        this.#leaveWord(name, row.lock, write.word);
        this.#forgetFormer(row.lock);
        return { ...row, lock: null };
      case "revoke":
        return { ...row, lock: revoked(row.lock, write.reason, beat) };
      default:
        return write satisfies never;
    }
  }

  #remove({ name, expect, expectHolder, word, ends }: ChangePart & { kind: "remove" }): boolean {
    const row = this.#row(name);
    if (row?.version !== expect || !isHolderAs(expectHolder, row)) return false;
    this.#end(name, row, ends ?? { how: "lost" });
    this.#leaveWord(name, row.lock, word);
    this.#leaveFormer(name, row.lock);
    this.changed.set(name, null);
    return true;
  }

  #rename({ name, to, expect, expectHolder }: ChangePart & { kind: "rename" }): boolean {
    const row = this.#row(name);
    if (row?.version !== expect || this.#row(to) !== undefined || !isHolderAs(expectHolder, row)) return false;
    this.#end(name, row, { how: "renamed", detail: to });
    this.#leaveWord(name, row.lock, { reason: "renamed", renamedTo: to });
    this.#leaveFormer(name, row.lock);
    this.changed.set(name, null);
    // Those who wait, wait for the name and not for the entry.
    this.changed.set(to, { ...row, lock: revoked(row.lock, "renamed", this.#base.beat), waiters: [] });
    return true;
  }

  #giveUp(name: string, token: number): true {
    const former = this.#base.formers.get(name);
    if (former?.holder.instance === this.#base.holder.instance && former.token === token) this.givenUp.add(name);
    return true;
  }

  #enqueue(name: string, ticket: string): boolean {
    const { beat, holder } = this.#base;
    const waiter = { ticket, instance: holder.instance, since: beat.wallAt, offeredAt: null };
    if (this.#row(name) === undefined) return false;
    return this.#editQueue(name, ({ waiters }) =>
      waiters.some((other) => other.ticket === ticket) ? waiters : [...waiters, waiter],
    );
  }

  /** An offer that was made is not made again, or its time would never end. */
  #offer(name: string, ticket: string): boolean {
    const offeredAt = this.#base.beat.at;
    return this.#editQueue(name, ({ waiters }) =>
      waiters.map((waiter) =>
        waiter.ticket === ticket && waiter.offeredAt === null ? { ...waiter, offeredAt } : waiter,
      ),
    );
  }

  /** A queue that is gone has nobody in it: there is nothing to do, and nothing wrong. */
  #editQueue(name: string, edit: (row: Row) => Row["waiters"]): true {
    const row = this.#row(name);
    if (row !== undefined) this.changed.set(name, { ...row, waiters: edit(row) });
    return true;
  }

  #end(name: string, { lock, text }: Row, ending: Ending): void {
    if (lock !== null)
      this.ended.push(pastHold({ name, id: entryIdOf(text), lock, until: this.#base.beat.wallAt, ending }));
  }

  #leaveWord(name: string, lock: Lock | null, word: Loss | undefined): void {
    if (lock !== null && word !== undefined) this.words.push({ instance: lock.holder.instance, name, word });
  }

  #leaveFormer(name: string, lock: Lock | null): void {
    if (lock !== null) this.formers.set(name, lock);
  }

  /** A lock that is given up under its new name is given up under its old ones, too. */
  #forgetFormer(lock: Lock | null): void {
    for (const [name, former] of this.#base.formers) if (former.token === lock?.token) this.formers.set(name, null);
  }

  #row(name: string): Row | undefined {
    const changed = this.changed.get(name);
    return changed === undefined ? this.#base.rows.get(name) : (changed ?? undefined);
  }
}

function revoked(lock: Lock | null, reason: string, { wallAt }: Beat): Lock | null {
  return lock === null ? null : { ...lock, revocation: { reason, at: wallAt } };
}

function isHolderAs(expected: Version | undefined, { lock }: Row): boolean {
  return expected === undefined || lock?.beat.version === expected;
}

function newEntry({ id, componentType }: EntryWrite, now: WallMs): string {
  if (id === undefined || componentType === undefined) {
    throw new NameholdError("invalid-input", "A new entry needs an id and a component type, or a source.");
  }
  return writeEntry({ id, componentType, createdAt: now, lastSeen: now, metadata: {}, lock: null, workcellId: null });
}
