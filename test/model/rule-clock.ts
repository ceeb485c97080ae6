import {
  type Clock,
  later,
  type MonotonicMs,
  monotonicMs,
  type Timer,
  type WallMs,
  wallMs,
} from "../../src/core/timing.js";

interface PendingTimer extends Timer {
  readonly dueAt: MonotonicMs;
  readonly callback: () => void;
}

/**
 * The time of a lab, which stands still until it is moved: by ManualClock's rules, but that whatever a moment brings has
 * come to its end, in the stores too, before the next comes.
 */
export class RuleClock implements Clock {
  #wall = wallMs(Date.UTC(2026, 0));
  #monotonic = monotonicMs(1_000_000);
  /** In the order in which they were set, which decides between timers that are due at the same moment. */
  readonly #timers = new Set<PendingTimer>();
  readonly #settle: () => Promise<void>;

  /** @param settle lets all that was begun come to its end */
  constructor(settle: () => Promise<void>) {
    this.#settle = settle;
  }

  wallMs(): WallMs {
    return this.#wall;
  }

  monotonicMs(): MonotonicMs {
    return this.#monotonic;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: PendingTimer = {
      dueAt: later(this.#monotonic, Math.max(0, delayMs)),
      callback,
      cancel: () => this.#timers.delete(timer),
    };
    this.#timers.add(timer);
    return timer;
  }

  async advance(ms: number): Promise<void> {
    const end = later(this.#monotonic, ms);
    await this.#settle();
    for (let timer = this.#firstDue(end); timer !== undefined; timer = this.#firstDue(end)) {
      this.#moveTo(timer.dueAt);
      timer.cancel();
      timer.callback();
      await this.#settle();
    }
    this.#moveTo(end);
  }

  async settle(): Promise<void> {
    await this.advance(0);
  }

  /** Steps the wall clock alone, as an operator or NTP does. */
  stepWall(ms: number): void {
    this.#wall = later(this.#wall, ms);
  }

  #firstDue(end: MonotonicMs): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= end && (first === undefined || timer.dueAt < first.dueAt)) first = timer;
    }
    return first;
  }

  #moveTo(at: MonotonicMs): void {
    const ms = at - this.#monotonic;
    this.#wall = later(this.#wall, ms);
    this.#monotonic = at;
  }
}
