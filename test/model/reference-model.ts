import type { Holder } from "../../src/core/entry.js";
import type { Loss } from "../../src/core/record.js";
import type { ChangePart } from "../../src/stores/store.js";

interface ModelLock {
  readonly instance: string;
  readonly token: number;
  readonly ttlMs: number;
  readonly refreshedAt: number;
  readonly isRevoked: boolean;
}

interface ModelEntry {
  readonly id: string;
  readonly lock: ModelLock | null;
}

/** Who makes a change: a process that holds names, or an operator, who may end other people's locks. */
export type Role = "process" | "operator";

export interface DoneChange {
  readonly role: Role;
  readonly holder: Holder;
  readonly parts: readonly ChangePart[];
  /** The token on a name after the change. */
  readonly tokenOf: (name: string) => number | null;
  readonly now: number;
}

/**
 * What names, IDs and locks are, in as few words as possible. It sees what is done at the store, in order, and throws
 * when that is against a guarantee; it decides nothing and knows nothing of the code under test.
 */
export class ReferenceModel {
  readonly entries = new Map<string, ModelEntry>();
  /** Tokens of locks that an operator has ended at once: their holders may believe in them until their next heartbeat. */
  readonly cutShort = new Set<number>();
  /** Locks that were renamed away: their old names are kept until they are given up, or their holders are gone. */
  readonly #formers = new Map<string, ModelLock>();
  readonly #dead = new Set<string>();
  /** Tokens of locks of which a claim was given. */
  readonly #told = new Set<number>();
  readonly #highestToken = new Map<string, number>();

  /** Whether nobody alive has a right to the name. */
  isFree(name: string, now: number): boolean {
    const lock = this.lockOn(name);
    return lock === null || this.#dead.has(lock.instance) || now - lock.refreshedAt >= lock.ttlMs;
  }

  /** Whose the name is, or was. */
  lockOn(name: string): ModelLock | null {
    return this.entries.get(name)?.lock ?? this.#formers.get(name) ?? null;
  }

  entryOf(id: string): (ModelEntry & { readonly name: string }) | undefined {
    for (const [name, entry] of this.entries) if (entry.id === id) return { ...entry, name };
    return undefined;
  }

  /** A claim with this token was given. */
  told(token: number): void {
    this.#told.add(token);
  }

  kill(instance: string): void {
    this.#dead.add(instance);
  }

  done(change: DoneChange): void {
    for (const part of change.parts) this.#apply(part, change);
  }

  heartbeat(holder: Holder, names: ReadonlyMap<string, number>, lost: ReadonlyMap<string, Loss>, now: number): void {
    for (const [name, token] of names) {
      const entry = this.entries.get(name);
      const lock = entry?.lock ?? null;
      const isHis = lock?.instance === holder.instance && lock.token === token && !lock.isRevoked;
      if (lost.has(name) === isHis)
        throw new Error(`G5: a heartbeat for ${name} is answered ${isHis ? "lost" : "fine"}`);
      if (entry && lock && isHis)
        this.entries.set(name, { ...entry, lock: { ...lock, refreshedAt: now, ttlMs: holder.ttlMs } });
    }
  }

  #apply(part: ChangePart, change: DoneChange): void {
    switch (part.kind) {
      case "put":
        this.#put(part, change);
        return;
      case "rename": {
        const entry = this.entries.get(part.name);
        if (entry === undefined || this.entries.has(part.to))
          throw new Error(`G1: ${part.name} cannot become ${part.to}`);
        this.entries.delete(part.name);
        if (entry.lock !== null) this.#formers.set(part.name, entry.lock);
        this.entries.set(part.to, { ...entry, lock: entry.lock && { ...entry.lock, isRevoked: true } });
        return;
      }
      case "remove":
        throw new Error(`G1: nobody has asked for the removal of ${part.name}`);
      case "give-up": {
        const former = this.#formers.get(part.name);
        const isHis = former?.instance === change.holder.instance && former.token === part.token;
        if (isHis) this.#formers.delete(part.name);
        return;
      }
      case "enqueue":
      case "dequeue":
      case "offer":
      case "recall":
        return;
      default:
        part satisfies never;
    }
  }

  #put({ name, expect, write }: ChangePart & { kind: "put" }, change: DoneChange): void {
    const present = this.entries.get(name);
    if ((present === undefined) !== (expect === "absent"))
      throw new Error(`G9: ${name} was not what the change expected`);
    const entry = present ?? { id: write.id ?? "", lock: null };
    if (this.entryOf(entry.id)?.name !== (present && name)) throw new Error(`G2: two names have the id ${entry.id}`);
    switch (write.lock?.kind) {
      case undefined:
        this.entries.set(name, entry);
        return;
      case "grant":
        this.entries.set(name, { ...entry, lock: this.#grant(name, entry, change) });
        this.#formers.delete(name);
        return;
      case "clear":
        this.#assertMayClear(name, entry, change);
        this.entries.set(name, { ...entry, lock: null });
        for (const [old, { token }] of this.#formers) if (token === entry.lock?.token) this.#formers.delete(old);
        return;
      case "revoke":
        this.entries.set(name, { ...entry, lock: entry.lock && { ...entry.lock, isRevoked: true } });
    }
  }

  #grant(name: string, { id, lock }: ModelEntry, { holder, now, tokenOf }: DoneChange): ModelLock {
    // A lock of which no claim has come, since the reply was lost, is its own instance's to take anew.
    const isOwnUntold = lock?.instance === holder.instance && !this.#told.has(lock.token);
    if (!this.isFree(name, now) && !isOwnUntold)
      throw new Error(`G7: ${name} is taken from ${lock?.instance}, which is alive`);
    const token = tokenOf(name);
    if (token === null || !Number.isSafeInteger(token))
      throw new Error(`G3: the grant of ${name} has the token ${token}`);
    for (const key of [`name ${name}`, `id ${id}`]) {
      const highest = this.#highestToken.get(key) ?? 0;
      if (token <= highest) throw new Error(`G3: the token of ${name} is ${token}, after ${highest}`);
      this.#highestToken.set(key, token);
    }
    return { instance: holder.instance, token, ttlMs: holder.ttlMs, refreshedAt: now, isRevoked: false };
  }

  #assertMayClear(name: string, { lock }: ModelEntry, { role, holder }: DoneChange): void {
    if (role === "operator" && lock !== null) this.cutShort.add(lock.token);
    else if (lock?.instance !== holder.instance)
      throw new Error(`G5: ${holder.instance} clears ${lock?.instance}'s lock on ${name}`);
  }
}
