import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { type Clock, later, type MonotonicMs, monotonicMs, type Timer, type WallMs, wallMs } from "../core/timing.js";

interface PendingTimer extends Timer {
  readonly dueAt: MonotonicMs;
  readonly callback: () => void;
}

export interface ManualClockOptions {
  /** Where the wall clock starts, in milliseconds since the epoch. */
  readonly wallMs?: number;
  readonly monotonicMs?: number;
}

/** 2026-01-01T00:00:00Z. */
const START_WALL_MS = 1_767_225_600_000;
const START_MONOTONIC_MS = 1_000_000;

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #wall: WallMs;
  #monotonic: MonotonicMs;
  /** In the order in which they were set, which decides between timers that are due at the same moment. */
  readonly #timers = new Set<PendingTimer>();

  constructor(options: ManualClockOptions = {}) {
    this.#wall = wallMs(options.wallMs ?? START_WALL_MS);
    this.#monotonic = monotonicMs(options.monotonicMs ?? START_MONOTONIC_MS);
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

  /** How many timers are set: 0 when nothing leaks. */
  get timersPending(): number {
    return this.#timers.size;
  }

  /**
   * Lets both clocks run for `ms`. Timers fire in the order in which they are due, each at its own moment; between them
   * and at the end, promises settle. Timers that are set on the way fire too when they are due.
   */
  async advance(ms: number): Promise<void> {
    const end = later(this.#monotonic, ms);
    await this.settleMoment();
    for (let timer = this.#firstDue(end); timer !== undefined; timer = this.#firstDue(end)) {
      this.#moveTo(timer.dueAt);
      timer.cancel();
      timer.callback();
      await this.settleMoment();
    }
    this.#moveTo(end);
  }

  /** Lets promises settle, at the present moment. */
  async settle(): Promise<void> {
    await this.advance(0);
  }

  /** Steps the wall clock alone, as an operator or NTP does. */
  stepWall(ms: number): void {
    this.#wall = later(this.#wall, ms);
  }

  /** Lets come to its end what a moment has brought, before the next comes. */
  protected async settleMoment(): Promise<void> {
    await turnOfEventLoop();
  }

  #firstDue(end: MonotonicMs): PendingTimer | undefined {
    let first: PendingTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAt <= end && (first === undefined || timer.dueAt < first.dueAt)) first = timer;
    }
    return first;
  }

  /** Never backwards: a callback may itself have advanced the clock. */
  #moveTo(at: MonotonicMs): void {
    const ms = Math.max(0, at - this.#monotonic);
    this.#wall = later(this.#wall, ms);
    this.#monotonic = later(this.#monotonic, ms);
  }
}
