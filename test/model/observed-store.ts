import type { Holder } from "../../src/core/entry.js";
import type { HistoryQuery, PastHold } from "../../src/core/history.js";
import type { Loss, Snapshot } from "../../src/core/record.js";
import type { Clock } from "../../src/core/timing.js";
import type {
  Change,
  CommitResult,
  ListFilter,
  Store,
  StoreCapabilities,
  WatchOptions,
} from "../../src/stores/store.js";
import type { ReferenceModel, Role } from "./reference-model.js";
import type { Traffic } from "./traffic.js";

export interface Observation {
  readonly model: ReferenceModel;
  readonly clock: Clock;
  readonly traffic: Traffic;
  readonly role: Role;
  /** Told of what is against the model: the code under test must not be able to swallow it. */
  readonly onViolation: (error: unknown) => void;
}

/** A handle of a store that tells the model what is really done, whatever its caller gets to hear. */
export class ObservedStore implements Store {
  readonly capabilities: StoreCapabilities;
  readonly #inner: Store;
  readonly #observation: Observation;

  constructor(inner: Store, observation: Observation) {
    this.#inner = inner;
    this.#observation = observation;
    this.capabilities = inner.capabilities;
  }

  read(name: string): Promise<Snapshot> {
    return this.#observation.traffic.count(() => this.#inner.read(name));
  }

  commit(change: Change): Promise<CommitResult> {
    return this.#observation.traffic.inTurn(() => this.#commit(change));
  }

  heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    return this.#observation.traffic.inTurn(() => this.#heartbeat(holder, names));
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
    this.#inner.releaseNow?.(holder);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #commit(change: Change): Promise<CommitResult> {
    const result = await this.#inner.commit(change);
    if (result.kind !== "done") return result;
    const { model, clock, role } = this.#observation;
    const tokenOf = (name: string): number | null => result.snapshots.get(name)?.record?.token ?? null;
    this.#observe(() => model.done({ ...change, role, tokenOf, now: clock.monotonicMs() }));
    return result;
  }

  async #heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    const lost = await this.#inner.heartbeat(holder, names);
    const { model, clock } = this.#observation;
    this.#observe(() => model.heartbeat(holder, names, lost, clock.monotonicMs()));
    return lost;
  }

  #observe(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#observation.onViolation(error);
    }
  }
}
