import type { Clock, Timer } from "../../core/timing.js";
import { probePresence } from "../../platform/presence-probe.js";

/** The kernel does not tell of a lock that a dying process lets go of; to try it costs some microseconds. */
const CHECK_MS = 5;
/** Checking for deaths may take this part of the time. */
const CHECK_SHARE = 1 / 20;

/** Tries the presence locks of the holders that are waited for, and tells of each death once. */
export class DeathWatch {
  readonly #clock: Clock;
  readonly #holdersDirectory: string;
  readonly #onDeath: (instance: string) => void;
  readonly #dead = new Set<string>();
  #timer: Timer | undefined;

  /** Whose deaths are to be told. */
  instances: Iterable<string> = [];

  constructor(clock: Clock, holdersDirectory: string, onDeath: (instance: string) => void) {
    this.#clock = clock;
    this.#holdersDirectory = holdersDirectory;
    this.#onDeath = onDeath;
  }

  start(): void {
    this.#schedule(CHECK_MS);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dead.clear();
    this.instances = [];
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#clock.setTimer(delayMs, () => this.#check(), { background: true });
  }

  #check(): void {
    const from = this.#clock.monotonicMs();
    for (const instance of [...this.instances]) {
      // An instance with a fixed id may live again.
      if (!this.#isDead(instance)) this.#dead.delete(instance);
      else if (!this.#dead.has(instance)) {
        this.#dead.add(instance);
        this.#onDeath(instance);
      }
    }
    const tookMs = this.#clock.monotonicMs() - from;
    if (this.#timer !== undefined) this.#schedule(Math.max(CHECK_MS, tookMs / CHECK_SHARE));
  }

  #isDead(instance: string): boolean {
    try {
      return probePresence(this.#holdersDirectory, instance, this.#clock.monotonicMs()).kind === "dead";
    } catch {
      // Not knowing is no death. Who waits reads for himself in a while, and is told what is wrong.
      return false;
    }
  }
}
