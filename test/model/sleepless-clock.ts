import type { Clock, MonotonicMs, Timer, WallMs } from "../../src/core/timing.js";

/**
 * A shared clock as a store sees it that does not sleep: it reads the same time, and what it sleeps for takes none. So what
 * a store does by itself (another look, a turn to write, a try at a presence) is done when it is asked for, and the
 * rules' time stands still meanwhile.
 */
export class SleeplessClock implements Clock {
  readonly #shared: Clock;
  readonly #sleeping = new Set<() => void>();

  constructor(shared: Clock) {
    this.#shared = shared;
  }

  wallMs(): WallMs {
    return this.#shared.wallMs();
  }

  monotonicMs(): MonotonicMs {
    return this.#shared.monotonicMs();
  }

  setTimer(_delayMs: number, callback: () => void): Timer {
    const wake = (): void => callback();
    this.#sleeping.add(wake);
    return { cancel: () => this.#sleeping.delete(wake) };
  }

  /** Wakes all that sleeps now; not what it sets on the way, since some sleep again for ever. */
  wake(): void {
    for (const wake of [...this.#sleeping]) if (this.#sleeping.delete(wake)) wake();
  }
}
