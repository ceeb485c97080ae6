import { EventEmitter } from "node:events";
import { NameholdError, RegistryLockError } from "../core/errors.js";
import { quoteName } from "../core/name.js";
import type { Loss } from "../core/record.js";
import type { Clock, MonotonicMs } from "../core/timing.js";
import { deliver } from "./deliver.js";
import type { Held } from "./heartbeat.js";

export interface ClaimEvents {
  /** A refresh has failed; `deadlineInMs` is left until the claim is lost unless one succeeds. */
  jeopardy: [event: { readonly error: unknown; readonly deadlineInMs: number }];
  refreshed: [event: { readonly deadlineInMs: number }];
  /** The claim has ended without its release. Told once; it never comes back. */
  lost: [loss: Loss];
}

/** What the registry tells a claim about itself. */
export interface ClaimGrant {
  readonly name: string;
  readonly id: string;
  readonly token: number;
  /** Whether the name was made by this claim. */
  readonly isNew: boolean;
  readonly deadline: MonotonicMs;
}

/**
 * The right to use a name, for as long as `held` is true.
 *
 * `held` and `signal.aborted` are computed when they are asked, from a clock that counts suspended time: after a stall,
 * SIGSTOP or a laptop's sleep they are right before any timer has run. Work that must not outlive the claim takes
 * `signal`; a guarded resource takes `token`.
 *
 * @see docs/SPEC.md#G3, #G4 and #G5
 */
export class Claim extends EventEmitter<ClaimEvents> implements AsyncDisposable, Held {
  readonly name: string;
  /** The name's permanent ID. */
  readonly id: string;
  /** The fencing token: greater than that of every earlier holder of the name. */
  readonly token: number;
  readonly isNew: boolean;
  readonly endsAtDeadline = true;
  readonly #clock: Clock;
  readonly #giveUp: (claim: Claim) => Promise<boolean>;
  /** Made when somebody asks for the signal: it costs more than all else about a claim. */
  #controller: AbortController | undefined;
  #deadline: MonotonicMs;
  #loss: Loss | null = null;
  /** Why it has ended; undefined while it is held. */
  #end: (() => NameholdError) | undefined;
  #releasing: Promise<boolean> | undefined;

  /** Claims are made by `Registry.claim`. */
  constructor(grant: ClaimGrant, clock: Clock, giveUp: (claim: Claim) => Promise<boolean>) {
    super();
    this.name = grant.name;
    this.id = grant.id;
    this.token = grant.token;
    this.isNew = grant.isNew;
    this.#deadline = grant.deadline;
    this.#clock = clock;
    this.#giveUp = giveUp;
  }

  /** Whether this process holds the name at this moment. Once false, false for ever. */
  get held(): boolean {
    this.#expireIfDue();
    return this.#end === undefined;
  }

  /** Aborts when the claim ends: by loss (`reason` is a RegistryLockError `lost`) or by its release (`closed`). */
  get signal(): AbortSignal {
    this.#expireIfDue();
    this.#controller ??= this.#makeController();
    return this.#controller.signal;
  }

  /** Why the claim ended, or null while it is held or after an ordinary release. */
  get loss(): Loss | null {
    this.#expireIfDue();
    return this.#loss;
  }

  /** The moment by which the claim must have been refreshed, on the monotonic clock of this machine. */
  get deadline(): MonotonicMs {
    return this.#deadline;
  }

  /** Milliseconds until the claim is lost unless it is refreshed; 0 when it has ended. */
  get deadlineInMs(): number {
    return this.held ? this.#deadline - this.#clock.monotonicMs() : 0;
  }

  /**
   * Gives the name up. Idempotent; after a failure it may be called again.
   *
   * @returns true when the lock was ours and is gone, false when it was ours no longer
   * @throws RegistryError `busy`, `unreachable`, `damaged`, `storage-failed`: the lock then ends by its TTL
   */
  release(): Promise<boolean> {
    this.#expireIfDue();
    this.#endWith(() => releasedError(this.name));
    this.#releasing ??= this.#giveUp(this).catch((error: unknown) => {
      this.#releasing = undefined;
      throw error;
    });
    return this.#releasing;
  }

  /** Releases; a failure is a process warning, since a disposal must not hide the error that led to it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch (error) {
      process.emitWarning(
        `${quoteName(this.name)} was not released and ends by its TTL: ${String(error)}`,
        "NameholdWarning",
      );
    }
  }

  refreshed(deadline: MonotonicMs): void {
    this.#expireIfDue();
    if (this.#end !== undefined) return;
    this.#deadline = deadline;
    // Asked first: a process may hold a hundred thousand names, of which nobody listens to most.
    if (this.listenerCount("refreshed") > 0) {
      deliver(() => this.emit("refreshed", { deadlineInMs: this.deadlineInMs }));
    }
  }

  jeopardised(error: unknown): void {
    deliver(() => this.emit("jeopardy", { error, deadlineInMs: this.deadlineInMs }));
  }

  lost(loss: Loss): void {
    if (this.#end !== undefined) return;
    this.#loss = loss;
    this.#endWith(() => lossError(this.name, loss));
    deliver(() => this.emit("lost", loss));
  }

  #expireIfDue(): void {
    if (this.#end === undefined && this.#clock.monotonicMs() >= this.#deadline) this.lost({ reason: "expired" });
  }

  #endWith(reason: () => NameholdError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#controller?.abort(reason());
  }

  #makeController(): AbortController {
    const controller = new AbortController();
    if (this.#end === undefined) askBeforeAborted(controller.signal, () => this.#expireIfDue());
    else controller.abort(this.#end());
    return controller;
  }
}

function releasedError(name: string): NameholdError {
  return new NameholdError("closed", `The claim on ${quoteName(name)} was released.`, { name });
}

const LOSS_TEXTS = {
  expired: "it could not be refreshed in time",
  taken: "another process holds it now",
  revoked: "it was revoked",
  renamed: "it was renamed",
  removed: "its entry or its lock was removed",
  closed: "its registry was closed",
} as const satisfies Record<Loss["reason"], string>;

export function lossError(name: string, loss: Loss): RegistryLockError {
  const more = loss.by === undefined ? (loss.renamedTo ?? loss.detail) : `${loss.by.host}, PID ${loss.by.pid}`;
  const why = more === undefined ? LOSS_TEXTS[loss.reason] : `${LOSS_TEXTS[loss.reason]} (${more})`;
  return new RegistryLockError("lost", `${quoteName(name)} is not held any more: ${why}. Stop, and claim it anew.`, {
    name,
    ...(loss.by === undefined ? {} : { heldBy: loss.by }),
  });
}

/** A kept `signal` must be right on the first instruction after a stall too, before a timer could abort it. */
function askBeforeAborted(signal: AbortSignal, ask: () => void): void {
  let asking = false;
  const askOnce = (): void => {
    if (asking) return;
    asking = true;
    try {
      ask();
    } finally {
      asking = false;
    }
  };
  const isAborted = (): boolean => Reflect.get(AbortSignal.prototype, "aborted", signal);
  Object.defineProperties(signal, {
    aborted: {
      get: (): boolean => {
        askOnce();
        return isAborted();
      },
    },
    throwIfAborted: {
      value: (): void => {
        askOnce();
        if (isAborted()) throw signal.reason;
      },
    },
  });
}
