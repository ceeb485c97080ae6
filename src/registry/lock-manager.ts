import { EventEmitter } from "node:events";
import type { Holder, RegistryEntry, RegistryLock } from "../core/entry.js";
import { NameholdError } from "../core/errors.js";
import {
  type AcquireAnswer,
  acquireEntry,
  canAcquire,
  newLock,
  refreshEntry,
  releaseEntry,
} from "../core/lock-rules.js";
import type { Loss } from "../core/record.js";
import { type Clock, later, type MonotonicMs } from "../core/timing.js";
import { systemClock } from "../platform/clock.js";
import { hostName, newUlid } from "../platform/process-identity.js";
import { deliver } from "./deliver.js";
import { Heartbeat, type HeartbeatTarget, type Held } from "./heartbeat.js";
import { type HoldTiming, holdTiming } from "./hold-timing.js";

const INSTANCE_LENGTH_MAX = 256;

export interface LockManagerOptions {
  /** This process's life, as others see it. A new ULID when not given. Never give two live processes the same one. */
  readonly instanceId?: string;
  /** How long a lock lives without a refresh, in milliseconds. Default: the class's `LOCK_TTL`, 30 000. */
  readonly lockTtlMs?: number;
  /** How often locks are refreshed, in milliseconds. Default: the class's `HEARTBEAT_INTERVAL`, 10 000. */
  readonly heartbeatIntervalMs?: number;
  readonly clock?: Clock;
}

export interface LockManagerEvents {
  /** A name whose heartbeat was started here is not ours any more, and is refreshed no longer. */
  lost: [event: { readonly name: string; readonly loss: Loss }];
  /** A refresh has failed; it is tried again until the lock's deadline. */
  jeopardy: [event: { readonly name: string; readonly error: unknown }];
}

/**
 * The locks of one process: who it is, how long its locks live, and the heartbeat that keeps them.
 *
 * The methods on entries are pure and follow the reference (madsci.common.registry.LockManager): they judge by the
 * times that are written in the entry and return new entries. What a registry persists is judged by more than that
 * (core/lock-rules.ts).
 *
 * @example
 * const manager = new LockManager();
 * let entry = manager.acquire(unlocked);
 * manager.startHeartbeat("my_node", registry);
 * // when done
 * manager.stopHeartbeat("my_node");
 * entry = manager.release(entry);
 */
export class LockManager extends EventEmitter<LockManagerEvents> {
  /** Default time to live of a lock, in milliseconds. A subclass may override it. */
  static readonly LOCK_TTL: number = 30_000;
  /** Default time between heartbeats, in milliseconds. A subclass may override it. */
  static readonly HEARTBEAT_INTERVAL: number = 10_000;

  readonly holder: Holder;
  readonly timing: HoldTiming;
  readonly clock: Clock;
  /** The one loop that refreshes everything this process holds. */
  readonly heartbeat: Heartbeat;

  /** @throws NameholdError `invalid-input` for nonsense: see LockManagerOptions */
  constructor(options: LockManagerOptions = {}) {
    super();
    const defaults = new.target;
    this.timing = holdTiming(
      options.lockTtlMs ?? defaults.LOCK_TTL,
      options.heartbeatIntervalMs ?? defaults.HEARTBEAT_INTERVAL,
    );
    this.clock = options.clock ?? systemClock;
    const instance = options.instanceId ?? newUlid();
    checkInstance(instance);
    this.holder = { instance, pid: process.pid, host: hostName(), ttlMs: this.timing.lockTtlMs };
    this.heartbeat = new Heartbeat(this.clock, this.timing);
  }

  get instanceId(): string {
    return this.holder.instance;
  }

  get lockTtlMs(): number {
    return this.timing.lockTtlMs;
  }

  get heartbeatIntervalMs(): number {
    return this.timing.heartbeatIntervalMs;
  }

  /** A new lock of this instance, from now until one TTL from now. */
  createLock(): RegistryLock {
    return newLock(this.holder, this.clock.wallMs());
  }

  /** Whether this instance may lock the entry, and why, or who stands in the way until when. */
  canAcquire(entry: RegistryEntry): AcquireAnswer {
    return canAcquire(entry, this.instanceId, this.clock.wallMs());
  }

  /**
   * The entry with this instance's lock on it, and `lastSeen` now.
   *
   * @throws RegistryLockError `held` when another holds an unexpired lock
   */
  acquire(entry: RegistryEntry): RegistryEntry {
    return acquireEntry(entry, this.holder, this.clock.wallMs());
  }

  /**
   * The entry with its lock prolonged by one TTL from now.
   *
   * @throws RegistryLockError `lost` when there is no lock, or it is not this instance's
   */
  refresh(entry: RegistryEntry): RegistryEntry {
    return refreshEntry(entry, this.holder, this.clock.wallMs());
  }

  /** The entry without its lock if that is this instance's; otherwise the entry unchanged. */
  release(entry: RegistryEntry): RegistryEntry {
    return releaseEntry(entry, this.instanceId);
  }

  /**
   * Keeps the lock on `name` refreshed in the background, until it is stopped or lost. Idempotent. A loss is reported
   * by the event `lost` (as a process warning when nobody listens).
   */
  startHeartbeat(name: string, registry: HeartbeatTarget | { readonly registry: HeartbeatTarget }): void {
    const target = "registry" in registry ? registry.registry : registry;
    if (!this.heartbeat.resume(name, target)) this.heartbeat.start(new ReportedName(name, this), target);
  }

  /** The lock is not refreshed any more; it lapses one TTL after its last refresh. Idempotent. */
  stopHeartbeat(name: string): void {
    this.heartbeat.stop(name);
  }

  stopAllHeartbeats(): void {
    this.heartbeat.stopAll();
  }
}

/** A name whose heartbeat was started without a claim: what happens to it is reported by its manager. */
class ReportedName implements Held {
  readonly name: string;
  readonly endsAtDeadline = false;
  deadline: MonotonicMs;
  readonly #manager: LockManager;

  constructor(name: string, manager: LockManager) {
    this.name = name;
    this.#manager = manager;
    this.deadline = later(manager.clock.monotonicMs(), manager.timing.holdMs);
  }

  refreshed(deadline: MonotonicMs): void {
    this.deadline = deadline;
  }

  jeopardised(error: unknown): void {
    deliver(() => this.#manager.emit("jeopardy", { name: this.name, error }));
  }

  lost(loss: Loss): void {
    deliver(() => {
      if (this.#manager.emit("lost", { name: this.name, loss })) return;
      process.emitWarning(`The lock on ${JSON.stringify(this.name)} is lost (${loss.reason}).`, "NameholdWarning");
    });
  }
}

function checkInstance(instance: unknown): void {
  if (typeof instance === "string" && instance !== "" && instance.length <= INSTANCE_LENGTH_MAX) return;
  throw new NameholdError(
    "invalid-input",
    `instanceId must be a string of 1 to ${INSTANCE_LENGTH_MAX} characters, not ${JSON.stringify(instance)}.`,
  );
}
