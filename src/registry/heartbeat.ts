import type { Loss } from "../core/record.js";
import { type Clock, later, type MonotonicMs, type Timer } from "../core/timing.js";
import type { HoldTiming } from "./hold-timing.js";

/** Where locks are refreshed: one round trip for all names. Rejects when that could not be asked. */
export interface HeartbeatTarget {
  refreshLocks(names: readonly string[]): Promise<ReadonlyMap<string, Loss>>;
}

/** A held name, as the heartbeat sees it. Its callbacks must not throw. */
export interface Held {
  readonly name: string;
  /** By this moment it must have been refreshed, or it is lost. */
  readonly deadline: MonotonicMs;
  /** Whether its deadline is still watched when its heartbeat is stopped. */
  readonly endsAtDeadline: boolean;
  refreshed(deadline: MonotonicMs): void;
  /** A refresh has failed; the deadline is not reached yet. */
  jeopardised(error: unknown): void;
  lost(loss: Loss): void;
}

/**
 * The background loop of one process: one timer for all names, one batch a target. It never keeps the process alive
 * and never rejects. A name that is lost is told so, once, and dropped; nothing brings it back.
 *
 * Deadlines are counted from before a refresh was sent, so that a late answer never prolongs what had ended.
 *
 * @see docs/SPEC.md#G4
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #timing: HoldTiming;
  readonly #held = new Map<HeartbeatTarget, Map<string, Held>>();
  /** Held names that are not refreshed any more and end at their deadlines. */
  readonly #lapsing = new Set<Held>();
  readonly #inFlight = new Set<HeartbeatTarget>();
  /** Targets that missed a turn because they still owed an answer. */
  readonly #overdue = new Set<HeartbeatTarget>();
  #nextBeatAt: MonotonicMs;
  /** No deadline is earlier. Looked up anew at each turn, not at each claim: there may be a hundred thousand. */
  #earliestDeadline: MonotonicMs | undefined;
  #timer: Timer | undefined;
  #timerAt: MonotonicMs | undefined;

  constructor(clock: Clock, timing: HoldTiming) {
    this.#clock = clock;
    this.#timing = timing;
    this.#nextBeatAt = clock.monotonicMs();
  }

  /** Refreshes `held` from now on. A name that is there already is replaced. */
  start(held: Held, target: HeartbeatTarget): void {
    if (this.#held.size === 0) this.#nextBeatAt = later(this.#clock.monotonicMs(), this.#timing.heartbeatIntervalMs);
    const names = this.#held.get(target) ?? new Map<string, Held>();
    this.#held.set(target, names.set(held.name, held));
    this.#mindDeadline(held);
    // One that was granted long after it was asked for has less time left than an interval may take.
    const { heartbeatIntervalMs, holdMs } = this.#timing;
    this.#beatAt(later(held.deadline, heartbeatIntervalMs - holdMs));
  }

  /** Refreshes the name again if it is held here; answers whether it is. */
  resume(name: string, target: HeartbeatTarget): boolean {
    const held = this.#held.get(target)?.get(name);
    if (held === undefined) return false;
    // At once: the next turn of the loop may come after the deadline.
    if (this.#lapsing.delete(held)) this.#beatAt(this.#clock.monotonicMs());
    return true;
  }

  /** Stops refreshing the name, at every target; what is held there ends at its deadline. */
  stop(name: string): void {
    for (const [target, names] of this.#held) {
      const held = names.get(name);
      if (held?.endsAtDeadline === true) this.#lapsing.add(held);
      else this.forget(name, target);
    }
  }

  stopAll(): void {
    for (const held of [...this.#all()]) this.stop(held.name);
  }

  /** The name is not held any more. */
  forget(name: string, target: HeartbeatTarget): void {
    const names = this.#held.get(target);
    const held = names?.get(name);
    if (names === undefined || held === undefined) return;
    names.delete(name);
    this.#lapsing.delete(held);
    if (names.size === 0) this.#held.delete(target);
    this.#schedule();
  }

  /** The next turn comes no later than this. */
  #beatAt(at: MonotonicMs): void {
    if (at < this.#nextBeatAt) this.#nextBeatAt = at;
    this.#schedule();
  }

  #mindDeadline({ deadline }: Held): void {
    if (this.#earliestDeadline === undefined || deadline < this.#earliestDeadline) this.#earliestDeadline = deadline;
  }

  #schedule(): void {
    const earliest = this.#earliestDeadline ?? this.#nextBeatAt;
    const wakeAt = earliest < this.#nextBeatAt ? earliest : this.#nextBeatAt;
    if (this.#held.size > 0 && this.#timer !== undefined && this.#timerAt === wakeAt) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#held.size === 0) return;
    this.#timerAt = wakeAt;
    const delayMs = Math.max(0, wakeAt - this.#clock.monotonicMs());
    this.#timer = this.#clock.setTimer(delayMs, () => this.#wake(), { background: true });
  }

  #wake(): void {
    this.#timer = undefined;
    this.#expire();
    const now = this.#clock.monotonicMs();
    if (now >= this.#nextBeatAt) {
      this.#nextBeatAt = later(now, this.#timing.heartbeatIntervalMs);
      for (const [target, names] of this.#held) {
        // A target that still owes an answer is not asked again before it has given it.
        if (this.#inFlight.has(target)) this.#overdue.add(target);
        else
          void this.#beat(
            target,
            [...names.values()].filter((held) => !this.#lapsing.has(held)),
          );
      }
    }
    this.#schedule();
  }

  /** Before anything is sent: what ended while this process was stopped must not be refreshed. */
  #expire(): void {
    const now = this.#clock.monotonicMs();
    this.#earliestDeadline = undefined;
    for (const [target, names] of this.#held) {
      for (const held of names.values()) {
        if (now >= held.deadline) this.#lose(held, target, { reason: "expired" });
        else this.#mindDeadline(held);
      }
    }
  }

  async #beat(target: HeartbeatTarget, batch: readonly Held[]): Promise<void> {
    if (batch.length === 0) return;
    const sentAt = this.#clock.monotonicMs();
    this.#inFlight.add(target);
    try {
      const lost = await target.refreshLocks(batch.map((held) => held.name));
      this.#expire();
      for (const held of batch) {
        if (!this.#isCurrent(held, target)) continue;
        const loss = lost.get(held.name);
        if (loss !== undefined) this.#lose(held, target, loss);
        else held.refreshed(later(sentAt, this.#timing.holdMs));
      }
    } catch (error) {
      this.#expire();
      for (const held of batch) if (this.#isCurrent(held, target)) held.jeopardised(error);
      this.#beatAt(later(this.#clock.monotonicMs(), this.#timing.retryMs));
    } finally {
      this.#inFlight.delete(target);
      if (this.#overdue.delete(target)) this.#beatAt(this.#clock.monotonicMs());
      this.#schedule();
    }
  }

  #lose(held: Held, target: HeartbeatTarget, loss: Loss): void {
    if (!this.#isCurrent(held, target)) return;
    this.forget(held.name, target);
    held.lost(loss);
  }

  #isCurrent(held: Held, target: HeartbeatTarget): boolean {
    return this.#held.get(target)?.get(held.name) === held;
  }

  *#all(): Iterable<Held> {
    for (const names of this.#held.values()) yield* names.values();
  }
}
