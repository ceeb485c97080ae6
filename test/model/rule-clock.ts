import { ManualClock } from "../../src/testing/manual-clock.js";

/** The time of a lab: whatever a moment brings has come to its end, in the stores too, before the next comes. */
export class RuleClock extends ManualClock {
  readonly #settle: () => Promise<void>;

  /** @param settle lets all that was begun come to its end */
  constructor(settle: () => Promise<void>) {
    super();
    this.#settle = settle;
  }

  protected override settleMoment(): Promise<void> {
    return this.#settle();
  }
}
