import { COMPONENT_TYPES, type ComponentType, type JsonObject } from "../core/entry.js";
import { isNameholdError, NameholdError, RegistryError } from "../core/errors.js";
import { heldError, judgeLock, type LockState } from "../core/lock-rules.js";
import { checkMetadata } from "../core/metadata.js";
import { checkName, quoteName } from "../core/name.js";
import type { NamedEntry } from "../core/named-entry.js";
import type { EntryRecord, Loss, Snapshot } from "../core/record.js";
import { later, type MonotonicMs } from "../core/timing.js";
import { newUlid } from "../platform/process-identity.js";
import type { ChangePart, Recovery, Store } from "../stores/store.js";
import { acquire, checkComponentType, snapshotOf, type WaitInfo } from "./acquire.js";
import { type ChangesOptions, type RegistryChange, watchChanges } from "./changes.js";
import { Claim, lossError } from "./claim.js";
import { commit } from "./commit.js";
import { endingAfter, endingOf } from "./ending.js";
import { atExit } from "./exit-hook.js";
import { FreeNames } from "./free-names.js";
import { GrantTurns } from "./grant-turns.js";
import type { HeartbeatTarget } from "./heartbeat.js";
import { type Hold, historyOf } from "./history.js";
import { expected } from "./judged-record.js";
import type { LockManager } from "./lock-manager.js";
import { Observer } from "./observer.js";
import { notFound } from "./registry-place.js";
import { cannotTell, checkReason, type FormerHolder, type RevokedEntry } from "./revoked-entry.js";
import {
  type CleanOptions,
  type CleanReport,
  clean,
  exportText,
  type ImportOptions,
  type ImportReport,
  importEntries,
  type ProgressOptions,
} from "./transfer.js";

export type { NamedEntry } from "../core/named-entry.js";
export type { FormerHolder, RevokedEntry } from "./revoked-entry.js";

export interface ResolveOptions {
  /** What the component is; a new name is registered as this, an existing one must be this. */
  readonly type: ComponentType;
  /** Merged into the entry's metadata, key by key. */
  readonly metadata?: JsonObject;
  /** Accept a name that is registered as another type. Default false. */
  readonly allowTypeMismatch?: boolean;
}

export interface Resolution {
  readonly id: string;
  /** Whether the name was made by this call. */
  readonly isNew: boolean;
}

export interface ClaimOptions extends ResolveOptions {
  /** How long to wait for a held name, in milliseconds. Default 0: do not wait. Infinity needs a `signal`. */
  readonly waitMs?: number;
  /** Cancels waiting, never a claim that was given. */
  readonly signal?: AbortSignal;
  /** Called when waiting begins, and when the holder or the number of earlier waiters changes. */
  readonly onWait?: (info: WaitInfo) => void;
}

/**
 * Names, their permanent IDs, and the locks on them, over any store.
 *
 * Everything here may fail with the store's faults: RegistryError `busy`, `unreachable`, `damaged`, `read-only`,
 * `storage-failed`, `outcome-unknown`.
 */
export class Registry implements AsyncDisposable, HeartbeatTarget {
  /** Where the entries live, for people. */
  readonly location: string;
  readonly store: Store;
  readonly lockManager: LockManager;
  readonly #observer: Observer;
  /** What this process holds, and claims that were revoked and are not given up yet. */
  readonly #claims = new Map<string, Claim>();
  readonly #turns = new GrantTurns();
  readonly #free = new FreeNames();
  readonly #cancelExitHook: () => void;
  #closing: Promise<void> | undefined;

  /** Registries are made by `openRegistry`. */
  constructor(location: string, store: Store, lockManager: LockManager) {
    this.location = location;
    this.store = store;
    this.lockManager = lockManager;
    this.#observer = new Observer(lockManager.clock);
    this.#cancelExitHook = atExit(() => {
      store.releaseNow?.(lockManager.holder);
    });
  }

  /**
   * Takes the name: at most one live process holds it, until it is released, lost, or the process ends.
   *
   * @throws RegistryLockError `held` (by whom, since when, until when), `wait-timeout`
   * @throws RegistryError `type-mismatch`
   * @throws NameholdError `aborted`, `invalid-input`
   * @see docs/SPEC.md#G1, #G2, #G3
   */
  async claim(name: string, options: ClaimOptions): Promise<Claim> {
    this.#checkOpen();
    checkRequest(name, options);
    const { clock } = this.lockManager;
    const giveUpAt = later(clock.monotonicMs(), checkWait(options));
    for (;;) {
      const claim = await this.#claimUntil(giveUpAt, name, options);
      const refusal = this.#refuseGrant(claim, options.signal);
      if (refusal === undefined) return claim;
      await claim.release();
      if (refusal.code !== "busy" || clock.monotonicMs() >= giveUpAt) throw refusal;
    }
  }

  async #claimUntil(giveUpAt: MonotonicMs, name: string, options: ClaimOptions): Promise<Claim> {
    const { clock, holder, timing, heartbeat } = this.lockManager;
    // An earlier claim that has ended is given up now, so that its lock does not stand in this one's way.
    const earlier = this.#claims.get(name);
    if (earlier?.held === false) await earlier.release();
    const known = this.#free.take(name, options.type);
    const waitMs = Math.max(0, giveUpAt - clock.monotonicMs());
    const { snapshot, record, token, isNew, sentAt } = await acquire(
      { store: this.store, clock, holder, observer: this.#observer, turns: this.#turns },
      { ...options, name, waitMs, ...(known === undefined ? {} : { known }) },
    );
    const deadline = later(sentAt, timing.holdMs);
    const claim = new Claim({ name, id: record.entry.id, token, isNew, deadline }, clock, (it) =>
      this.#giveUp(it, snapshot),
    );
    this.#claims.set(name, claim);
    heartbeat.start(claim, this);
    return claim;
  }

  /** A grant that lands after an abort, or after its own deadline, is given back. */
  #refuseGrant({ name, held }: Claim, signal: AbortSignal | undefined): NameholdError | undefined {
    if (signal?.aborted === true || this.#closing !== undefined) {
      return new NameholdError("aborted", `The claim on ${quoteName(name)} was cancelled and given back.`, { name });
    }
    if (held) return undefined;
    const { lockTtlMs } = this.lockManager;
    return new RegistryError(
      "busy",
      `The claim on ${quoteName(name)} took longer than its TTL of ${lockTtlMs} ms, and was given back. Try again, or take a longer TTL.`,
      { name },
    );
  }

  /**
   * The name's permanent ID, without a lock. A name that does not exist is made.
   *
   * @throws RegistryError `type-mismatch`
   */
  async resolve(name: string, options: ResolveOptions): Promise<string> {
    return (await this.resolveWithInfo(name, options)).id;
  }

  /** As `resolve`, and whether the name was made by it. */
  async resolveWithInfo(name: string, options: ResolveOptions): Promise<Resolution> {
    checkRequest(name, options);
    const { type, metadata } = options;
    let isNew = false;
    const record = await this.#update(name, ({ record: known }) => {
      if (known !== null && options.allowTypeMismatch !== true)
        checkComponentType(name, type, known.entry.componentType);
      isNew = known === null;
      const made = known === null ? { id: newUlid(), componentType: type } : {};
      const write = { ...made, ...(metadata === undefined ? {} : { metadata }), touch: true };
      return { kind: "put", name, expect: known?.version ?? "absent", write };
    });
    return { id: this.#existing({ name, record }).entry.id, isNew };
  }

  /** The name's ID, or null when there is no such name. A registry that cannot be read is an error, never null. */
  async lookup(name: string): Promise<string | null> {
    checkName(name);
    return (await this.store.read(name)).record?.entry.id ?? null;
  }

  async entry(name: string): Promise<NamedEntry | null> {
    checkName(name);
    const snapshot = await this.store.read(name);
    return snapshot.record === null ? null : this.#describe(snapshot.record, snapshot);
  }

  /** The entry of that name, or else the one with that ID. */
  async find(nameOrId: string): Promise<NamedEntry | null> {
    const named = await this.entry(nameOrId);
    if (named !== null) return named;
    for await (const candidate of this.list()) if (candidate.entry.id === nameOrId) return candidate;
    return null;
  }

  async *list(filter: { readonly componentType?: ComponentType } = {}): AsyncIterable<NamedEntry> {
    for await (const snapshot of this.store.list(filter)) {
      if (snapshot.record !== null) yield this.#describe(snapshot.record, snapshot);
    }
  }

  /**
   * What happens to names, as it happens, against how they were when the iteration began (see `onStart`). Who takes his
   * time is told together what has happened meanwhile. Faults that may pass are told as `trouble`, and the watch goes on.
   *
   * @throws NameholdError `closed` when the registry is closed meanwhile, and what no waiting mends
   */
  changes(options: ChangesOptions = {}): AsyncIterable<RegistryChange> {
    this.#checkOpen();
    for (const name of options.names ?? []) checkName(name);
    const { store, lockManager } = this;
    return watchChanges({ store, clock: lockManager.clock, judge: (snapshot) => this.#judge(snapshot) }, options);
  }

  /**
   * Who has held what: the holds that stand, the newest first, then those that are over, the last to end first, as far
   * back as the store remembers.
   *
   * @param nameOrId holds of that name, under whatever ID, and of its entry's ID, under whatever name; or of that ID. All
   *   holds, when not given.
   * @throws RegistryError `not-found` for a name or ID that is neither registered nor on record
   */
  history(nameOrId?: string): Promise<readonly Hold[]> {
    return historyOf(this, nameOrId);
  }

  /**
   * Gives an entry another name; its ID stays.
   *
   * @param options.force also while it is held: the holder is told, and the new name is free when it gives the lock up
   *   or its TTL has passed
   * @returns the ID
   * @throws RegistryError `not-found`, `already-exists`
   * @throws RegistryLockError `held`
   */
  async rename(from: string, to: string, options: { readonly force?: boolean } = {}): Promise<string> {
    checkName(to);
    for (;;) {
      const source = await this.store.read(from);
      const record = this.#existing(source);
      const target = await this.store.read(to);
      if (target.record !== null) {
        throw new RegistryError("already-exists", `${quoteName(to)} exists already. Choose another name.`, {
          name: to,
        });
      }
      const kept = this.#judge(target);
      if (kept.kind === "held") throw heldError(to, kept.lock, kept.decided);
      const state = this.#judge(source);
      if (state.kind === "held" && options.force !== true) throw heldError(from, state.lock, state.decided);
      const part: ChangePart = { kind: "rename", to, ...expected({ record, state }) };
      if ((await this.#commit(part)).kind === "done") return record.entry.id;
    }
  }

  /**
   * Ends somebody's lock. The holder is told at its next heartbeat and is not refreshed again; the name is free when it
   * gives the lock up, is proved dead, or its TTL has passed.
   *
   * @param options.now frees the name at once: two processes may then act for a while
   * @throws RegistryError `not-found`; `unsupported` for a holder that cannot be told (a Python process) without `now`
   */
  async revoke(name: string, options: { readonly reason: string; readonly now?: boolean }): Promise<RevokedEntry> {
    checkReason(options.reason);
    const word: Loss = { reason: "revoked", detail: options.reason };
    let former: FormerHolder | null = null;
    const record = await this.#update(name, (snapshot) => {
      const { version, entry, token } = this.#existing(snapshot);
      former = null;
      if (entry.lock === null) return null;
      if (options.now === true) former = { lock: entry.lock, state: this.#judge(snapshot), isTold: token !== null };
      if (token === null && options.now !== true) throw cannotTell(name, entry.lock);
      const lock =
        options.now === true
          ? ({ kind: "clear", word, ends: { how: "revoked", detail: options.reason } } as const)
          : ({ kind: "revoke", reason: options.reason } as const);
      return { kind: "put", name, expect: version, write: { lock } };
    });
    return { ...this.#describe(this.#existing({ name, record }), await this.store.read(name)), former };
  }

  /**
   * Removes a lock whose holder is gone, so that Python need not wait for its expiry either. For a claim of this
   * process, use `Claim.release`; for a living holder's, `revoke`.
   *
   * @returns whether there was a lock
   * @throws RegistryError `not-found`
   * @throws RegistryLockError `held` when its holder may live
   */
  async release(name: string): Promise<boolean> {
    let wasLocked = false;
    await this.#update(name, (snapshot) => {
      const { entry, version, holder } = this.#existing(snapshot);
      wasLocked = entry.lock !== null;
      if (entry.lock === null || holder === null) return null;
      const state = this.#judge(snapshot);
      if (state.kind === "held") throw heldError(name, entry.lock, state.decided);
      const lock = { kind: "clear", word: { reason: "removed" }, ends: endingOf(state) } as const;
      return { kind: "put", name, expect: version, expectHolder: holder.version, write: { lock } };
    });
    return wasLocked;
  }

  /** Removes names that nobody has used for so long, and nobody holds. A backup stays. */
  clean(options: CleanOptions = {}): Promise<CleanReport> {
    return clean(this, this.#observer, options);
  }

  /**
   * All entries as JSON text in the format of the reference, to the letter, without locks. What a registry file has beside
   * its entries (when it was made, unknown members) is no part of it.
   */
  exportText(options: ProgressOptions = {}): Promise<string> {
    return exportText(this, options);
  }

  /**
   * Takes entries in, without their locks. See ImportOptions for what is refused.
   *
   * @param data JSON text (kept to the letter) or an object in the format of the reference
   */
  importEntries(data: string | JsonObject, options: ImportOptions = {}): Promise<ImportReport> {
    return importEntries(this, this.#observer, data, options);
  }

  /** What was found damaged and how to go on, for stores that need an operator for it. */
  get recovery(): Recovery | undefined {
    return this.store.recovery;
  }

  /** The claim of this process on the name, held or revoked and not yet given up. */
  claimed(name: string): Claim | undefined {
    return this.#claims.get(name);
  }

  /**
   * Refreshes the claim on the name now, beside its heartbeat.
   *
   * @throws RegistryLockError `lost` when this process does not hold the name
   */
  async refresh(name: string): Promise<void> {
    const { clock, timing } = this.lockManager;
    const claim = this.#claims.get(name);
    if (claim?.held !== true) throw lossError(name, claim?.loss ?? { reason: "removed" });
    const sentAt = clock.monotonicMs();
    const loss = (await this.refreshLocks([name])).get(name);
    if (loss === undefined) claim.refreshed(later(sentAt, timing.holdMs));
    else claim.lost(loss);
    if (claim.loss !== null) throw lossError(name, claim.loss);
  }

  /** Refreshes the locks of this process on `names` in one round trip, and tells which are not its own any more. */
  refreshLocks(names: readonly string[]): Promise<ReadonlyMap<string, Loss>> {
    // A name that was never claimed here has token 0, which no lock bears: the store tells whose it is.
    const tokens = new Map(names.map((name) => [name, this.#claims.get(name)?.token ?? 0]));
    return this.store.heartbeat(this.lockManager.holder, tokens);
  }

  /** Releases all that this process holds. @throws the first failure, when all have been tried */
  async releaseAll(): Promise<void> {
    const results = await Promise.allSettled([...this.#claims.values()].map((claim) => claim.release()));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Releases everything and lets the store go. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.releaseAll();
    } finally {
      this.#cancelExitHook();
      await this.store.close();
    }
  }

  /** Takes the lock of an ended claim away where it is still there. @returns whether it was ours */
  async #giveUp(claim: Claim, granted: Snapshot): Promise<boolean> {
    const { heartbeat, holder } = this.lockManager;
    // The heartbeat of this process's next claim of the name is not its own to end.
    if (this.#claims.get(claim.name) === claim) heartbeat.forget(claim.name, this);
    const tried = new Set<string>();
    let name = claim.loss?.renamedTo ?? claim.name;
    let ours = await this.#clearLock(name, claim, name === claim.name ? granted : undefined);
    // Its lock has gone along with every rename, of which the claim may not have been told yet.
    while (!ours) {
      tried.add(name);
      const renamedTo = (await this.store.heartbeat(holder, new Map([[name, claim.token]]))).get(name)?.renamedTo;
      if (renamedTo === undefined || tried.has(renamedTo)) break;
      name = renamedTo;
      ours = await this.#clearLock(name, claim);
    }
    if (!ours) await this.#giveUpFormer(claim);
    if (this.#claims.get(claim.name) === claim) this.#claims.delete(claim.name);
    return ours;
  }

  /** A lock that was taken away keeps its name from others until its holder says that it has stopped. */
  async #giveUpFormer({ name, token }: Claim): Promise<void> {
    const { former } = await this.store.read(name);
    if (former?.lock.holderInstance !== this.lockManager.holder.instance) return;
    await this.#commit({ kind: "give-up", name, token });
  }

  /**
   * @param known the name as it was last seen
   * @returns whether this holder's lock with the token was there
   */
  async #clearLock(name: string, { token, loss }: Claim, known?: Snapshot): Promise<boolean> {
    const { instance } = this.lockManager.holder;
    let ours = false;
    const decide = ({ record }: Snapshot): ChangePart | null => {
      // Without a token, the note of it was lost with the sidecar; the lock is this instance's all the same.
      ours = record?.entry.lock?.holderInstance === instance && (record.token ?? token) === token;
      if (record === null || !ours) return null;
      const ends = endingAfter(loss, record.revocation);
      return { kind: "put", name, expect: record.version, write: { lock: { kind: "clear", ends }, touch: true } };
    };
    try {
      await this.#update(name, decide, known);
    } catch (error) {
      if (!isNameholdError(error, "outcome-unknown")) throw error;
      // A lock that is not there any more has gone by this very write: it is conditional, so that it may be tried again.
      await this.#update(name, decide);
      return true;
    }
    return ours;
  }

  /**
   * Reads, lets `decide` make one conditional write of it (or none), and starts again on a conflict.
   *
   * @param known spares the first look, where what was seen last will mostly do
   * @returns the record as it is in the end
   */
  async #update(
    name: string,
    decide: (snapshot: Snapshot) => ChangePart | null,
    known?: Snapshot,
  ): Promise<EntryRecord | null> {
    let snapshot = known ?? (await this.store.read(name));
    for (;;) {
      const part = decide(snapshot);
      if (part === null) return snapshot.record;
      const result = await this.#commit(part);
      snapshot = snapshotOf(result.snapshots, name);
      if (result.kind !== "done") continue;
      this.#free.note(snapshot);
      return snapshot.record;
    }
  }

  #commit(...parts: readonly ChangePart[]) {
    return commit(this.store, this.lockManager.holder, parts);
  }

  #existing(snapshot: Pick<Snapshot, "name" | "record">): EntryRecord {
    if (snapshot.record === null) throw notFound(snapshot.name, this.location);
    return snapshot.record;
  }

  #judge(snapshot: Snapshot): LockState {
    return judgeLock(snapshot, this.#observer.watchedMs(snapshot));
  }

  #describe(record: EntryRecord, snapshot: Snapshot): NamedEntry {
    const { name, entry, token, revocation, waiters } = record;
    return { name, entry, state: this.#judge(snapshot), token, revocation, waiters };
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new NameholdError("closed", "This registry is closed. Open it again.");
  }
}

function checkRequest(name: unknown, { type, metadata }: ResolveOptions): void {
  checkName(name);
  if (!(COMPONENT_TYPES as readonly unknown[]).includes(type)) {
    throw new NameholdError(
      "invalid-input",
      `A component type is one of ${COMPONENT_TYPES.join(", ")}, not ${JSON.stringify(type)}.`,
    );
  }
  if (metadata !== undefined) checkMetadata(metadata);
}

function checkWait({ waitMs = 0, signal }: ClaimOptions): number {
  if (typeof waitMs !== "number" || !(waitMs >= 0)) {
    throw new NameholdError("invalid-input", `waitMs must be 0 or more milliseconds, not ${String(waitMs)}.`);
  }
  if (waitMs === Number.POSITIVE_INFINITY && signal === undefined) {
    throw new NameholdError("invalid-input", "To wait without an end, give a signal that can cancel it.");
  }
  return waitMs;
}
