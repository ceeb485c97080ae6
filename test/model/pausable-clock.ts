import type { Clock, MonotonicMs, Timer, WallMs } from "../../src/core/timing.js";

/** A shared clock as one process sees it that can be stopped: time goes on, its timers fire when it goes on itself. */
export class PausableClock implements Clock {
  readonly #shared: Clock;
  readonly #overdue = new Set<() => void>();
  #isStopped = false;

  constructor(shared: Clock) {
    this.#shared = shared;
  }

  wallMs(): WallMs {
    return this.#shared.wallMs();
  }

  monotonicMs(): MonotonicMs {
    return this.#shared.monotonicMs();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const fire = (): void => {
      if (this.#isStopped) this.#overdue.add(callback);
      else callback();
    };
    const timer = this.#shared.setTimer(delayMs, fire);
    return {
      cancel: () => {
        timer.cancel();
        this.#overdue.delete(callback);
      },
    };
  }

  stop(): void {
    this.#isStopped = true;
  }

  goOn(): void {
    this.#isStopped = false;
    const overdue = [...this.#overdue];
    this.#overdue.clear();
    for (const callback of overdue) callback();
  }
}
