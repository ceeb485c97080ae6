import { type Clock, later, type MonotonicMs, type Timer, type WallMs } from "../../src/core/timing.js";
import { systemClock } from "../../src/platform/clock.js";

interface PendingTimer extends Timer {
  readonly dueAt: MonotonicMs;
  readonly fire: () => void;
}

/**
 * The machine's clock, from which a test can cut time out: what waits for locks and disks waits in real time, what would
 * wait for half a minute does not. Timers whose time was cut out fire at once.
 */
export class SkippingClock implements Clock {
  #skippedMs = 0;
  readonly #timers = new Set<PendingTimer>();

  wallMs(): WallMs {
    return later(systemClock.wallMs(), this.#skippedMs);
  }

  monotonicMs(): MonotonicMs {
    return later(systemClock.monotonicMs(), this.#skippedMs);
  }

  setTimer(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): Timer {
    const cancel = (): void => {
      this.#timers.delete(timer);
      real.cancel();
    };
    const fire = (): void => {
      cancel();
      callback();
    };
    const timer: PendingTimer = { dueAt: later(this.monotonicMs(), delayMs), fire, cancel };
    const real = systemClock.setTimer(delayMs, fire, options);
    this.#timers.add(timer);
    return timer;
  }

  skip(ms: number): void {
    this.#skippedMs += ms;
    const now = this.monotonicMs();
    const due = [...this.#timers].filter((timer) => timer.dueAt <= now);
    for (const timer of due.toSorted((a, b) => a.dueAt - b.dueAt)) timer.fire();
  }
}
