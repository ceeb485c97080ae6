import type { Clock, MonotonicMs, Timer } from "../../core/timing.js";

/**
 * Calls `onDue` once, when the moment that `dueAt` tells has come. The moment may move meanwhile, and the machine may
 * sleep: the clock is looked at every tick.
 */
export class DueWatch implements Disposable {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #dueAt: () => MonotonicMs;
  readonly #onDue: () => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, tickMs: number, dueAt: () => MonotonicMs, onDue: () => void) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#dueAt = dueAt;
    this.#onDue = onDue;
    this.#look();
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const leftMs = this.#dueAt() - this.#clock.monotonicMs();
    // Never in the caller's own turn: it may not have finished building what `onDue` needs.
    const next = leftMs > 0 ? () => this.#look() : this.#onDue;
    this.#timer = this.#clock.setTimer(Math.max(0, Math.min(leftMs, this.#tickMs)), next);
  }
}
