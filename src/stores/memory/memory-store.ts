import type { Holder } from "../../core/entry.js";
import { NameholdError } from "../../core/errors.js";
import type { HistoryQuery, PastHold } from "../../core/history.js";
import type { Loss, Snapshot } from "../../core/record.js";
import type { Clock } from "../../core/timing.js";
import { namesIn } from "../records/change-parts.js";
import type { Change, CommitResult, ListFilter, Store, StoreCapabilities, WatchOptions } from "../store.js";
import { Bell } from "./bell.js";
import { MemoryState } from "./memory-state.js";

/**
 * The contract of stores in its plainest form, over `Map`s: the reference for other stores, and a store for tests.
 * Nothing is kept when the process ends.
 *
 * Several holders may share one store, as threads share a connection. `another()` opens a second one on the same data,
 * as another process would: closing it, or `kill`, ends only its own holders.
 */
export class MemoryStore implements Store {
  readonly capabilities: StoreCapabilities = {
    timeAuthority: "process",
    deathProof: true,
    exceptions: [
      { guarantee: "G1", why: "Entries live in the memory of one process and end with it." },
      { guarantee: "G3", why: "The last token ends with the process; tokens still rise with the wall clock." },
    ],
  };
  readonly #clock: Clock;
  readonly #state: MemoryState;
  readonly #holders = new Set<string>();
  readonly #closing = new AbortController();

  /** @param clock stamps all times, of all stores that share the data */
  constructor(clock: Clock, state: MemoryState = new MemoryState(clock)) {
    this.#clock = clock;
    this.#state = state;
  }

  /** A second store on the same data, with a life of its own. */
  another(): MemoryStore {
    return new MemoryStore(this.#clock, this.#state);
  }

  /** Ends the life of a holder, as the death of its process does: proved, at once. */
  kill(instance: string): void {
    this.#state.kill(instance);
  }

  async read(name: string): Promise<Snapshot> {
    this.#assertOpen();
    return this.#state.snapshot(name);
  }

  async commit(change: Change): Promise<CommitResult> {
    this.#assertOpen();
    this.#holders.add(change.holder.instance);
    const done = this.#state.commit(change);
    const snapshots = new Map(namesIn(change).map((name) => [name, this.#state.snapshot(name)]));
    return { kind: done ? "done" : "conflict", snapshots };
  }

  async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    this.#assertOpen();
    this.#holders.add(holder.instance);
    return this.#state.heartbeat(holder, names);
  }

  async *list(filter: ListFilter = {}): AsyncIterable<Snapshot> {
    this.#assertOpen();
    for (const name of this.#state.names()) {
      const snapshot = this.#state.snapshot(name);
      const type = snapshot.record?.entry.componentType;
      if (type !== undefined && type === (filter.componentType ?? type)) yield snapshot;
    }
  }

  async *watch(options: WatchOptions): AsyncIterable<readonly string[] | null> {
    this.#assertOpen();
    const wanted = options.names === undefined ? undefined : new Set(options.names);
    const bell = new Bell();
    const unsubscribe = this.#state.subscribe((name) => {
      if (wanted?.has(name) !== false) bell.ring(name);
    });
    const signals = [options.signal, this.#closing.signal];
    // Not only when the reader comes back: he may have left for good.
    const end = (): void => {
      unsubscribe();
      bell.end();
    };
    for (const signal of signals) signal.addEventListener("abort", end);
    try {
      let news = await bell.heard();
      while (!signals.some((signal) => signal.aborted)) {
        yield news;
        news = await bell.heard();
      }
    } finally {
      unsubscribe();
      for (const signal of signals) signal.removeEventListener("abort", end);
    }
  }

  async lastToken(): Promise<number> {
    this.#assertOpen();
    return this.#state.lastToken();
  }

  async *history(query: HistoryQuery): AsyncIterable<PastHold> {
    this.#assertOpen();
    yield* this.#state.history(query);
  }

  releaseNow(holder: Holder): void {
    if (!this.#closing.signal.aborted) this.#state.releaseNow(holder);
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    for (const instance of this.#holders) this.#state.kill(instance);
    this.#closing.abort();
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new NameholdError("closed", "The store is closed.");
  }
}
