import { ulid } from "ulid";
import type { JsonObject } from "../../src/core/entry.js";
import { isNameholdError } from "../../src/core/errors.js";
import type { EntryRecord, Snapshot } from "../../src/core/record.js";
import type { MemoryStore } from "../../src/stores/memory/memory-store.js";
import type { Change, ChangePart, CommitResult, ListFilter, WatchOptions } from "../../src/stores/store.js";
import { Disguise, Handle, type Mutant, presentVersion, withParts } from "./mutant.js";

/** Faults about entries, their text, lists and watches. */
export const recordMutants: readonly Mutant[] = [
  {
    fault: "an error is swallowed and answered as a conflict",
    caughtBy: "a fault is thrown with its code, and is no conflict [G11]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          return store.commit(change).catch(() => ({ kind: "conflict", snapshots: new Map() }));
        }
      })(store),
  },
  {
    fault: "remove does nothing",
    caughtBy: "a removed entry is gone, and only its present version removes it [G1]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          return store.commit({ ...change, parts: change.parts.filter((part) => part.kind !== "remove") });
        }
      })(store),
  },
  {
    fault: "the last writer wins",
    caughtBy: "a change names the version that it changes: with an old one it is refused and changes nothing [G9]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          return store.commit(
            await withParts(change, (part) => (part.kind === "put" ? presentVersion(store, part) : part)),
          );
        }
      })(store),
  },
  {
    fault: "a change is done part by part until one is refused",
    caughtBy: "a change of which one part is refused changes nothing, whichever part it is [G9]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          const snapshots = new Map<string, Snapshot>();
          for (const part of change.parts) {
            const result = await store.commit({ ...change, parts: [part] });
            if (result.kind === "unknown") return result;
            for (const [name, snapshot] of result.snapshots) snapshots.set(name, snapshot);
            if (result.kind === "conflict") return { kind: "conflict", snapshots };
          }
          return { kind: "done", snapshots };
        }
      })(store),
  },
  {
    fault: "a rename makes a new id",
    caughtBy: "rename moves an entry with its id and metadata, and answers with both names [G1]",
    breakStore: () => (store) =>
      new Rewriting(
        store,
        ({ kind }) => kind === "rename",
        (entry) => ({ ...entry, id: ulid() }),
      ),
  },
  {
    fault: "a rename drops the members that it does not know",
    caughtBy: "a rename under a lock keeps every letter of the entry [G10]",
    breakStore: () => (store) =>
      new Rewriting(
        store,
        ({ kind }) => kind === "rename",
        ({ firmware: _, zz: __, ...known }) => known,
      ),
  },
  {
    fault: "an import gives two names one id",
    caughtBy: "a text whose id belongs to another name is refused as existing already, and nothing is changed [G2]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          try {
            return await store.commit(change);
          } catch (error) {
            if (!isNameholdError(error, "already-exists")) throw error;
            return { kind: "done", snapshots: new Map() };
          }
        }
      })(store),
  },
  {
    fault: "a new name may have another name's id",
    caughtBy: "a new name that would have another name's id is refused as existing already, and nothing is made [G2]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          const isImport = change.parts.some((part) => part.kind === "put" && part.write.source !== undefined);
          try {
            return await store.commit(change);
          } catch (error) {
            if (isImport || !isNameholdError(error, "already-exists")) throw error;
            return { kind: "done", snapshots: new Map() };
          }
        }
      })(store),
  },
  {
    fault: "numbers go through JavaScript",
    caughtBy: "an imported text is kept to the letter [G10]",
    breakStore: () => (store) =>
      new (class extends Disguise {
        protected override disguise(record: EntryRecord): EntryRecord {
          return { ...record, source: JSON.stringify(JSON.parse(record.source)) };
        }
      })(store),
  },
  {
    fault: "new metadata replace the old",
    caughtBy: "metadata are merged key by key: other keys stay as they are [G10]",
    breakStore: () => (store) => {
      let given: JsonObject | undefined;
      return new Rewriting(
        store,
        (part) => {
          given = part.kind === "put" && part.expect !== "absent" ? part.write.metadata : undefined;
          return given !== undefined;
        },
        (entry) => ({ ...entry, metadata: given ?? {} }),
      );
    },
  },
  {
    fault: "reads come from a cache that other handles' changes leave as it is",
    caughtBy: "what one handle writes, every handle reads at once [G9]",
    breakStore: () => (store) =>
      new (class extends Handle {
        readonly #cache = new Map<string, Snapshot>();

        override async read(name: string): Promise<Snapshot> {
          const snapshot = this.#cache.get(name) ?? (await store.read(name));
          this.#cache.set(name, snapshot);
          return snapshot;
        }

        override async commit(change: Change): Promise<CommitResult> {
          this.#cache.clear();
          return store.commit(change);
        }
      })(store),
  },
  {
    fault: "names are the keys of an ordinary object",
    caughtBy: "any string is a name, and odd ones are kept apart [G10]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async *list(filter?: ListFilter): AsyncIterable<Snapshot> {
          const snapshots: Record<string, Snapshot> = {};
          for await (const snapshot of store.list(filter)) snapshots[snapshot.name] = snapshot;
          yield* Object.values(snapshots);
        }
      })(store),
  },
  {
    fault: "names are normalised",
    caughtBy: "any string is a name, and odd ones are kept apart [G10]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override read(name: string): Promise<Snapshot> {
          return store.read(name.normalize("NFC"));
        }

        override async commit(change: Change): Promise<CommitResult> {
          return store.commit(await withParts(change, (part) => ({ ...part, name: part.name.normalize("NFC") })));
        }
      })(store),
  },
  {
    fault: "a list ends at its first page",
    caughtBy: "a list of 250 entries is complete, at once or read slowly while others write [G8]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async *list(filter?: ListFilter): AsyncIterable<Snapshot> {
          let listed = 0;
          for await (const snapshot of store.list(filter)) {
            if (listed === 100) return;
            listed += 1;
            yield snapshot;
          }
        }
      })(store),
  },
  {
    fault: "a watch misses what happens while nobody asks",
    caughtBy: "a watch keeps a change that comes while nobody asks [G12]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async *watch(options: WatchOptions): AsyncIterable<null> {
          if (options.signal.aborted) return;
          yield null;
          while (!options.signal.aborted) {
            const fresh = store.watch(options)[Symbol.asyncIterator]();
            await fresh.next();
            if ((await fresh.next()).done === true) return;
            yield null;
          }
        }
      })(store),
  },
  {
    fault: "a watch tells of its own handle's changes alone",
    caughtBy: "a watch yields as soon as it listens, and then on each kind of change, by whichever handle [G12]",
    breakStore: () => (store) => new OwnChangesOnly(store),
  },
];

/** After a change that `applies`, puts the entry's text through JavaScript and `rewrite`. */
class Rewriting extends Handle {
  readonly #applies: (part: ChangePart) => boolean;
  readonly #rewrite: (entry: Record<string, unknown>) => Record<string, unknown>;

  constructor(
    store: MemoryStore,
    applies: (part: ChangePart) => boolean,
    rewrite: (entry: Record<string, unknown>) => Record<string, unknown>,
  ) {
    super(store);
    this.#applies = applies;
    this.#rewrite = rewrite;
  }

  override async commit(change: Change): Promise<CommitResult> {
    const result = await this.inner.commit(change);
    const part = change.parts.find((candidate) => this.#applies(candidate));
    if (part === undefined || result.kind !== "done") return result;
    const name = part.kind === "rename" ? part.to : part.name;
    const { record } = await this.inner.read(name);
    if (record === null) return result;
    const source = JSON.stringify(this.#rewrite(JSON.parse(record.source) as Record<string, unknown>));
    const parts = [{ kind: "put", name, expect: record.version, write: { source } }] as const;
    const rewritten = await this.inner.commit({ holder: change.holder, parts });
    if (rewritten.kind === "unknown") return rewritten;
    return { kind: "done", snapshots: new Map([...result.snapshots, ...rewritten.snapshots]) };
  }
}

class OwnChangesOnly extends Handle {
  #tell: () => void = () => undefined;

  override async commit(change: Change): Promise<CommitResult> {
    const result = await this.inner.commit(change);
    this.#tell();
    return result;
  }

  override async *watch({ signal }: WatchOptions): AsyncIterable<null> {
    let told = Promise.withResolvers<void>();
    this.#tell = () => told.resolve();
    signal.addEventListener("abort", this.#tell);
    while (!signal.aborted) {
      yield null;
      await told.promise;
      told = Promise.withResolvers<void>();
    }
  }
}
