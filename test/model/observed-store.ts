import type { Holder } from "../../src/core/entry.js";
import type { HistoryQuery, PastHold } from "../../src/core/history.js";
import type { Loss, Snapshot } from "../../src/core/record.js";
import type { MemoryStore } from "../../src/stores/memory/memory-store.js";
import type {
  Change,
  CommitResult,
  ListFilter,
  Store,
  StoreCapabilities,
  WatchOptions,
} from "../../src/stores/store.js";
import type { ManualClock } from "../../src/testing/manual-clock.js";
import type { ReferenceModel, Role } from "./reference-model.js";

export interface Observation {
  readonly model: ReferenceModel;
  readonly clock: ManualClock;
  readonly role: Role;
  /** Told of what is against the model: the code under test must not be able to swallow it. */
  readonly onViolation: (error: unknown) => void;
}

/** A handle of the memory store that tells the model what is really done, whatever its caller gets to hear. */
export class ObservedStore implements Store {
  readonly capabilities: StoreCapabilities;
  readonly #inner: MemoryStore;
  readonly #observation: Observation;

  constructor(inner: MemoryStore, observation: Observation) {
    this.#inner = inner;
    this.#observation = observation;
    this.capabilities = inner.capabilities;
  }

  read(name: string): Promise<Snapshot> {
    return this.#inner.read(name);
  }

  async commit(change: Change): Promise<CommitResult> {
    const result = await this.#inner.commit(change);
    if (result.kind !== "done") return result;
    const { model, clock, role } = this.#observation;
    const tokenOf = (name: string): number | null => result.snapshots.get(name)?.record?.token ?? null;
    this.#observe(() => model.done({ ...change, role, tokenOf, now: clock.monotonicMs() }));
    return result;
  }

  async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    const lost = await this.#inner.heartbeat(holder, names);
    const { model, clock } = this.#observation;
    this.#observe(() => model.heartbeat(holder, names, lost, clock.monotonicMs()));
    return lost;
  }

  list(filter?: ListFilter): AsyncIterable<Snapshot> {
    return this.#inner.list(filter);
  }

  watch(options: WatchOptions): AsyncIterable<readonly string[] | null> {
    return this.#inner.watch(options);
  }

  lastToken(): Promise<number> {
    return this.#inner.lastToken();
  }

  history(query: HistoryQuery): AsyncIterable<PastHold> {
    return this.#inner.history(query);
  }

  releaseNow(holder: Holder): void {
    this.#inner.releaseNow(holder);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #observe(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#observation.onViolation(error);
    }
  }
}
