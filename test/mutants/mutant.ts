import type { Holder } from "../../src/core/entry.js";
import type { HistoryQuery, PastHold } from "../../src/core/history.js";
import type { EntryRecord, Loss, Snapshot } from "../../src/core/record.js";
import type { Clock } from "../../src/core/timing.js";
import type { MemoryStore } from "../../src/stores/memory/memory-store.js";
import type {
  Change,
  ChangePart,
  CommitResult,
  ListFilter,
  Store,
  StoreCapabilities,
  WatchOptions,
} from "../../src/stores/store.js";

/** A store that breaks the contract in one way, and the case that must notice. */
export interface Mutant {
  /** What goes wrong, as the end of "a store in which …". */
  readonly fault: string;
  /** The title of the case. */
  readonly caughtBy: string;
  /** Made once for the handles of one registry, so that they can share what the fault needs. */
  readonly breakStore: (clock: Clock) => (store: MemoryStore) => Store;
}

/** A sound store, verb by verb, for a mutant to override one of them. */
export class Handle implements Store {
  readonly capabilities: StoreCapabilities;
  protected readonly inner: MemoryStore;

  constructor(inner: MemoryStore) {
    this.inner = inner;
    this.capabilities = inner.capabilities;
  }

  read(name: string): Promise<Snapshot> {
    return this.inner.read(name);
  }

  commit(change: Change): Promise<CommitResult> {
    return this.inner.commit(change);
  }

  heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    return this.inner.heartbeat(holder, names);
  }

  list(filter?: ListFilter): AsyncIterable<Snapshot> {
    return this.inner.list(filter);
  }

  watch(options: WatchOptions): AsyncIterable<readonly string[] | null> {
    return this.inner.watch(options);
  }

  lastToken(): Promise<number> {
    return this.inner.lastToken();
  }

  history(query: HistoryQuery): AsyncIterable<PastHold> {
    return this.inner.history(query);
  }

  releaseNow(holder: Holder): void {
    this.inner.releaseNow(holder);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** A store that shows other records than it keeps. */
export abstract class Disguise extends Handle {
  protected abstract disguise(record: EntryRecord): EntryRecord;

  override async read(name: string): Promise<Snapshot> {
    return this.#show(await this.inner.read(name));
  }

  override async commit(change: Change): Promise<CommitResult> {
    const result = await this.inner.commit(change);
    if (result.kind === "unknown") return result;
    const snapshots = new Map(Array.from(result.snapshots, ([name, snapshot]) => [name, this.#show(snapshot)]));
    return { kind: result.kind, snapshots };
  }

  override async *list(filter?: ListFilter): AsyncIterable<Snapshot> {
    for await (const snapshot of this.inner.list(filter)) yield this.#show(snapshot);
  }

  #show(snapshot: Snapshot): Snapshot {
    return snapshot.record === null ? snapshot : { ...snapshot, record: this.disguise(snapshot.record) };
  }
}

/** The same change, with parts replaced. */
export async function withParts(
  change: Change,
  replace: (part: ChangePart) => Promise<ChangePart> | ChangePart,
): Promise<Change> {
  return { ...change, parts: await Promise.all(change.parts.map(async (part) => replace(part))) };
}

/** The version that makes a condition empty. */
export async function presentVersion(store: Store, part: ChangePart & { kind: "put" }): Promise<ChangePart> {
  const { record } = await store.read(part.name);
  return record === null || part.expect === "absent" ? part : { ...part, expect: record.version };
}
