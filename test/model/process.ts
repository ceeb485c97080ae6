import { isNameholdError } from "../../src/core/errors.js";
import type { Clock } from "../../src/core/timing.js";
import type { Claim } from "../../src/registry/claim.js";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import type { Store } from "../../src/stores/store.js";
import { FaultyStore, type FaultyVerb, type Pause } from "../../src/testing/faulty-store.js";
import { PausableClock } from "./pausable-clock.js";

/** A claim that was given, and what was seen of it. */
interface Given {
  readonly claim: Claim;
  hasEnded: boolean;
}

export interface Asked {
  readonly name: string;
  readonly controller: AbortController;
  /** Undefined while it is not answered. */
  answer: "given" | "refused" | undefined;
}

/** How a claim or a release may fail: never by anything else. */
const FAILURES = [
  "held",
  "wait-timeout",
  "aborted",
  "busy",
  "unreachable",
  "storage-failed",
  "outcome-unknown",
  "closed",
] as const;

/** One process of the lab: a registry with a clock and a way to the store of its own. */
export class LabProcess {
  readonly registry: Registry;
  readonly faults: FaultyStore;
  readonly given: Given[] = [];
  readonly asked: Asked[] = [];
  /** What went wrong in the background, and should not have. */
  readonly surprises: unknown[] = [];
  readonly #clock: PausableClock;
  readonly #onGiven: (claim: Claim) => void;
  #hanging: Pause[] = [];

  /** @param onGiven told of each claim that this process is given */
  constructor(store: Store, clock: Clock, onGiven: (claim: Claim) => void) {
    this.#onGiven = onGiven;
    this.#clock = new PausableClock(clock);
    this.faults = new FaultyStore(store);
    this.registry = new Registry("the model's", this.faults, new LockManager({ clock: this.#clock }));
  }

  get instance(): string {
    return this.registry.lockManager.instanceId;
  }

  /** Asks for the name and does not wait for the answer. */
  claim(name: string, waitMs: number): Asked {
    const asked: Asked = { name, controller: new AbortController(), answer: undefined };
    this.asked.push(asked);
    void this.#claim(asked, waitMs);
    return asked;
  }

  release(claim: Claim): void {
    claim.release().catch((error: unknown) => this.#expectFailure(error));
  }

  stop(): void {
    this.#clock.stop();
    this.faults.freeze();
  }

  goOn(): void {
    this.faults.thaw();
    this.#clock.goOn();
  }

  /** Holds the next call of `verb` on its way there or back. */
  hang(when: "before" | "after", verb: FaultyVerb): void {
    this.#hanging.push(this.faults.pauseNext(when, verb));
  }

  hangNoMore(): void {
    for (const pause of this.#hanging) pause.resume();
    this.#hanging = [];
  }

  async #claim(asked: Asked, waitMs: number): Promise<void> {
    try {
      const claim = await this.registry.claim(asked.name, { type: "node", waitMs, signal: asked.controller.signal });
      this.#onGiven(claim);
      this.given.push({ claim, hasEnded: false });
      asked.answer = "given";
    } catch (error) {
      asked.answer = "refused";
      this.#expectFailure(error);
    }
  }

  #expectFailure(error: unknown): void {
    if (!isNameholdError(error, ...FAILURES)) this.surprises.push(error);
  }
}
