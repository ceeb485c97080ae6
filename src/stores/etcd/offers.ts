import { type Clock, type MonotonicMs, monotonicMs } from "../../core/timing.js";
import { bootClockName } from "../machine/boot-clock.js";
import type { OfferedAt } from "./view.js";

const OFFERS_MAX = 1_000;

/**
 * How long ago waiters were offered free names: by the clock of the machine where that was made there, and since when it
 * was seen here otherwise. Clocks of other machines are not trusted: at stake is a turn, which passes a little late.
 */
export class Offers {
  readonly #clock: Clock;
  readonly #seen = new Map<string, MonotonicMs>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly offeredAt: OfferedAt = (key, { at, clock }, mod) => {
    const now = this.#clock.monotonicMs();
    if (clock !== "" && clock === bootClockName()) return monotonicMs(Math.min(at, now));
    const which = `${mod} ${key}`;
    const seen = this.#seen.get(which) ?? now;
    if (this.#seen.size >= OFFERS_MAX) this.#seen.clear();
    this.#seen.set(which, seen);
    return seen;
  };
}
