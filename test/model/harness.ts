import type { Holder } from "../../src/core/entry.js";
import type { Clock } from "../../src/core/timing.js";
import type { Store } from "../../src/stores/store.js";

/** How the model runs over one kind of store. */
export interface ModelHarness {
  readonly name: string;
  /** How many runs take seconds. */
  readonly runs: number;
  /** @param clock by which the store is to measure how old things are */
  open(clock: Clock): Promise<ModelFixture>;
}

/** One registry that is made for one run. */
export interface ModelFixture {
  /** A way to the registry of one process's own. */
  connect(): Store;
  /** Ends the life of a process as its death does: proved, at once. */
  kill(store: Store, holder: Holder): void;
  /** Lets the event loop turn, and all that stores wait for by themselves (turns, news, retries) come about in no time. */
  stir(): Promise<void>;
  dispose(): Promise<void>;
}
