/**
 * Getting a name: look, decide (core/lock-rules.ts), write conditionally, look at the outcome; wait where asked.
 */
import type { ComponentType, Holder, JsonObject } from "../core/entry.js";
import { type HeldBy, isNameholdError, NameholdError, RegistryError, RegistryLockError } from "../core/errors.js";
import type { Ending } from "../core/history.js";
import { type ClaimDecision, decideClaim, heldBy, heldError, holderOf } from "../core/lock-rules.js";
import { quoteName } from "../core/name.js";
import type { EntryRecord, Snapshot } from "../core/record.js";
import { type Clock, later, type MonotonicMs, type WallMs } from "../core/timing.js";
import { newUlid } from "../platform/process-identity.js";
import type { ChangePart, Store } from "../stores/store.js";
import { endingOf } from "./ending.js";
import type { GrantTurns } from "./grant-turns.js";
import type { Observer } from "./observer.js";
import { pause } from "./pause.js";
import { Wakeup } from "./wakeup.js";

/** Whom a waiter waits for. */
export interface WaitInfo {
  readonly name: string;
  /** Null when the name is free and about to go to an earlier waiter. */
  readonly heldBy: HeldBy | null;
  readonly since: WallMs | null;
  readonly until: WallMs | null;
  /** How many waiters came before this one. */
  readonly ahead: number;
}

export interface AcquireRequest {
  readonly name: string;
  readonly type: ComponentType;
  readonly metadata?: JsonObject;
  readonly allowTypeMismatch?: boolean;
  /** How long to wait for a held name, in milliseconds; 0 does not wait. */
  readonly waitMs: number;
  readonly signal?: AbortSignal;
  readonly onWait?: (info: WaitInfo) => void;
  /** The free name as it was last seen: it saves a look, and where it has changed since, the write is refused. */
  readonly known?: Snapshot;
}

export interface Acquired {
  /** The name as it was granted. */
  readonly snapshot: Snapshot;
  readonly record: EntryRecord;
  readonly token: number;
  readonly isNew: boolean;
  /** When the write that granted the name was sent: the holder's deadline is counted from here. */
  readonly sentAt: MonotonicMs;
}

export interface AcquireContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly holder: Holder;
  readonly observer: Observer;
  readonly turns: GrantTurns;
}

const NEVER_TOLD: Ending = { how: "released", detail: "the reply to its grant was lost" };

const UNKNOWN_MAX = 2;

/** How long a waiter lets a store alone that cannot be reached. */
const OUTAGE_PAUSE_MS = 500;

/** How long a waiter trusts that the store wakes it; then it looks by itself. */
const LOOK_AGAIN_MS = 5_000;

/**
 * @throws RegistryLockError `held`, or `wait-timeout` when waiting did not help
 * @throws RegistryError `type-mismatch`, and the store's faults
 * @throws NameholdError `aborted`
 */
export async function acquire(context: AcquireContext, request: AcquireRequest): Promise<Acquired> {
  const attempt = new Attempt(context, request);
  try {
    return await attempt.run();
  } finally {
    await attempt.leave();
  }
}

class Attempt {
  readonly #context: AcquireContext;
  readonly #request: AcquireRequest;
  readonly #giveUpAt: MonotonicMs;
  #madeTicket: string | undefined;
  #queued = false;
  #unknownOutcomes = 0;
  #wakeup: Wakeup | undefined;
  #told = "";

  constructor(context: AcquireContext, request: AcquireRequest) {
    this.#context = context;
    this.#request = request;
    this.#giveUpAt = later(context.clock.monotonicMs(), request.waitMs);
  }

  /** Made for those who wait: most claims do not, and it costs a twentieth of one. */
  get #ticket(): string {
    this.#madeTicket ??= newUlid();
    return this.#madeTicket;
  }

  async run(): Promise<Acquired> {
    const { store } = this.#context;
    const { name } = this.#request;
    let snapshot = this.#request.known;
    for (;;) {
      this.#throwIfAborted();
      try {
        snapshot ??= await store.read(name);
        const answer = await this.#step(snapshot);
        if ("token" in answer) return answer;
        snapshot = answer;
      } catch (error) {
        await this.#outlast(error);
        snapshot = undefined;
      }
    }
  }

  #step(snapshot: Snapshot): Promise<Acquired | Snapshot> {
    this.#checkType(snapshot);
    const watchedMs = this.#context.observer.watchedMs(snapshot);
    return this.#act(snapshot, decideClaim(snapshot, this.#queued ? this.#ticket : undefined, watchedMs));
  }

  /** Who has time left waits for a store that is busy, or cannot be reached, too. @throws what cannot be waited for */
  async #outlast(error: unknown): Promise<void> {
    const { clock } = this.#context;
    const leftMs = this.#giveUpAt - clock.monotonicMs();
    if (!isNameholdError(error, "busy", "unreachable") || leftMs <= 0) throw error;
    // What was listened to may have ended with the outage.
    this.#wakeup?.[Symbol.dispose]();
    this.#wakeup = undefined;
    // A busy store has already used up its own time.
    if (error.code === "unreachable") await pause(clock, Math.min(OUTAGE_PAUSE_MS, leftMs), this.#request.signal);
  }

  #act(snapshot: Snapshot, decision: ClaimDecision): Promise<Acquired | Snapshot> {
    switch (decision.kind) {
      case "create":
        return this.#take(snapshot, undefined);
      case "take":
        return this.#take(snapshot, endingOf(decision));
      case "pass-over":
        return this.#write({ kind: "dequeue", name: snapshot.name, ticket: decision.ticket });
      case "held":
        if (this.#isNobodys(snapshot)) return this.#take(snapshot, NEVER_TOLD);
        return this.#wait(snapshot, decision);
      case "not-your-turn":
        return this.#wait(snapshot, decision);
      default:
        return decision satisfies never;
    }
  }

  /** Gives the place in the queue back if it was not used, and stops listening. */
  async leave(): Promise<void> {
    this.#wakeup?.[Symbol.dispose]();
    if (!this.#queued) return;
    try {
      await this.#write({ kind: "dequeue", name: this.#request.name, ticket: this.#ticket });
    } catch {
      // Only its own turn is at stake, which the next in line passes over after TURN_MS. The caller's error matters more.
    }
  }

  #take(snapshot: Snapshot, ends: Ending | undefined): Promise<Acquired | Snapshot> {
    return this.#context.turns.run(this.#request.name, () => this.#grant(snapshot, ends));
  }

  /** Whether the lock is this instance's by a grant of which no claim has come. */
  #isNobodys({ record }: Snapshot): boolean {
    const { holder, turns } = this.#context;
    return record?.entry.lock?.holderInstance === holder.instance && turns.isDoubtful(record);
  }

  async #grant(looked: Snapshot, ends: Ending | undefined): Promise<Acquired | Snapshot> {
    const { store, clock, holder, turns } = this.#context;
    const { record } = looked;
    // Another claim of this process has had its turn meanwhile: the lock is that one's.
    if (ends === NEVER_TOLD && !this.#isNobodys(looked)) return store.read(looked.name);
    const inTheWay = holderOf(looked);
    const { name, type, metadata } = this.#request;
    const parts: ChangePart[] = [
      {
        kind: "put",
        name,
        expect: record === null ? "absent" : record.version,
        ...(inTheWay === null ? {} : { expectHolder: inTheWay.version }),
        write: {
          ...(record === null ? { id: newUlid(), componentType: type } : {}),
          ...(metadata === undefined ? {} : { metadata }),
          lock: { kind: "grant", ...(ends === undefined ? {} : { ends }) },
        },
      },
    ];
    if (this.#queued) parts.push({ kind: "dequeue", name, ticket: this.#ticket });
    const sentAt = clock.monotonicMs();
    const result = await store.commit({ holder, parts });
    const tokenBefore = record?.token ?? 0;
    // Until it is found: it may also be written later than we look.
    if (result.kind === "unknown") turns.doubt(name, tokenBefore);
    const snapshot = result.kind === "unknown" ? await store.read(name) : snapshotOf(result.snapshots, name);
    const mine = this.#grantIn(snapshot, result.kind, tokenBefore);
    if (mine === undefined) {
      if (result.kind === "unknown") this.#countUnknown(result.cause);
      return snapshot;
    }
    turns.granted(mine.record.entry.id, mine.token);
    this.#queued = false;
    return { ...mine, snapshot, isNew: record === null, sentAt };
  }

  /** Who has no time left asks once more, and not for ever. */
  #countUnknown(cause: unknown): void {
    this.#unknownOutcomes += 1;
    if (this.#unknownOutcomes < UNKNOWN_MAX || this.#context.clock.monotonicMs() < this.#giveUpAt) return;
    throw new RegistryError(
      "outcome-unknown",
      `Whether ${quoteName(this.#request.name)} was claimed is not known: the store shows it free and answers no write. A claim that is written yet is given up by itself; try again.`,
      { name: this.#request.name, cause },
    );
  }

  /** The grant, when the snapshot shows that the name is ours by the commit just made. */
  #grantIn(
    snapshot: Snapshot,
    outcome: "done" | "conflict" | "unknown",
    tokenBefore: number,
  ): { record: EntryRecord; token: number } | undefined {
    const record = snapshot.record;
    if (outcome === "conflict" || record === null || record.token === null) return undefined;
    if (record.entry.lock?.holderInstance !== this.#context.holder.instance) return undefined;
    // After an unknown outcome, a lock of ours may also be that of another claim of this process.
    const isOlder = record.token <= tokenBefore || this.#context.turns.isKnown(record.entry.id, record.token);
    if (outcome === "unknown" && isOlder) return undefined;
    return { record, token: record.token };
  }

  async #wait(snapshot: Snapshot, decision: ClaimDecision & { kind: "held" | "not-your-turn" }): Promise<Snapshot> {
    const { store, clock } = this.#context;
    const { name, signal } = this.#request;
    const leftMs = this.#giveUpAt - clock.monotonicMs();
    if (decision.kind === "not-your-turn" && decision.offer) {
      return this.#write({ kind: "offer", name, ticket: decision.ticket });
    }
    if (leftMs <= 0) throw this.#refusal(snapshot, decision);
    if (this.#wakeup === undefined) {
      this.#wakeup = new Wakeup(store, clock, name);
      return store.read(name);
    }
    if (snapshot.record !== null && !isQueued(snapshot, this.#ticket)) {
      const queued = await this.#write({ kind: "enqueue", name, ticket: this.#ticket });
      this.#queued = isQueued(queued, this.#ticket);
      return queued;
    }
    this.#tell(snapshot, decision);
    // One millisecond later than the rules say, so that rounding never makes a look too early.
    await this.#wakeup.sleep(Math.max(1, Math.min(leftMs, decision.lapsesInMs + 1, LOOK_AGAIN_MS)), signal);
    return store.read(name);
  }

  #tell(snapshot: Snapshot, decision: ClaimDecision & { kind: "held" | "not-your-turn" }): void {
    const waiters = snapshot.record?.waiters ?? [];
    const lock = decision.kind === "held" ? decision.lock : null;
    const info: WaitInfo = {
      name: this.#request.name,
      heldBy: lock === null ? null : heldBy(lock),
      since: lock?.acquiredAt ?? null,
      until: lock?.expiresAt ?? null,
      ahead: Math.max(
        0,
        waiters.findIndex((waiter) => waiter.ticket === this.#ticket),
      ),
    };
    const story = `${info.heldBy?.instance} ${info.ahead}`;
    if (story === this.#told) return;
    this.#told = story;
    this.#request.onWait?.(info);
  }

  #refusal(snapshot: Snapshot, decision: ClaimDecision & { kind: "held" | "not-your-turn" }): RegistryLockError {
    const { name, waitMs } = this.#request;
    const held =
      decision.kind === "held"
        ? heldError(name, decision.lock, decision.decided)
        : notYourTurnError(name, decision.ticket, snapshot);
    if (waitMs === 0) return held;
    return new RegistryLockError("wait-timeout", `Waited ${waitMs} ms in vain. ${held.message}`, held.details);
  }

  /** A write about the queue: its outcome is in the snapshot, and a conflict is only news. */
  async #write(part: ChangePart & { kind: "enqueue" | "dequeue" | "offer" }): Promise<Snapshot> {
    const result = await this.#context.store.commit({ holder: this.#context.holder, parts: [part] });
    return result.kind === "unknown" ? this.#context.store.read(part.name) : snapshotOf(result.snapshots, part.name);
  }

  #checkType(snapshot: Snapshot): void {
    const { name, type, allowTypeMismatch } = this.#request;
    const actual = snapshot.record?.entry.componentType ?? type;
    if (allowTypeMismatch !== true) checkComponentType(name, type, actual);
  }

  #throwIfAborted(): void {
    if (this.#request.signal?.aborted !== true) return;
    throw new NameholdError("aborted", `Waiting for ${quoteName(this.#request.name)} was cancelled.`, {
      name: this.#request.name,
      cause: this.#request.signal.reason,
    });
  }
}

function notYourTurnError(name: string, ticket: string, snapshot: Snapshot): RegistryLockError {
  const first = snapshot.record?.waiters.find((waiter) => waiter.ticket === ticket)?.instance;
  return new RegistryLockError(
    "held",
    `${quoteName(name)} is free, but goes to a waiter that came first (instance ${first}). Wait for it, or try again.`,
    { name },
  );
}

/** @throws RegistryError `type-mismatch` */
export function checkComponentType(name: string, asked: ComponentType, actual: ComponentType): void {
  if (asked === actual) return;
  throw new RegistryError(
    "type-mismatch",
    `${quoteName(name)} is registered as a ${actual}, not as a ${asked}. Use the right name or type, or waive the check (allowTypeMismatch; on the command line, leave --type away).`,
    { name },
  );
}

export function snapshotOf(snapshots: ReadonlyMap<string, Snapshot>, name: string): Snapshot {
  const snapshot = snapshots.get(name);
  if (snapshot === undefined) {
    throw new NameholdError("storage-failed", `The store answered a commit about ${quoteName(name)} without it.`, {
      name,
    });
  }
  return snapshot;
}

function isQueued(snapshot: Snapshot, ticket: string): boolean {
  return snapshot.record?.waiters.some((waiter) => waiter.ticket === ticket) ?? false;
}
