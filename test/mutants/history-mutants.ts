import type { Ending, HistoryQuery, PastHold } from "../../src/core/history.js";
import type { MemoryStore } from "../../src/stores/memory/memory-store.js";
import type { Change, ChangePart, CommitResult, Store, StoreCapabilities } from "../../src/stores/store.js";
import { Handle, type Mutant, withParts } from "./mutant.js";

/** Faults about holds that are over, and about names that go away. */
export const historyMutants: readonly Mutant[] = [
  {
    fault: "past holds have lost their tokens",
    caughtBy: "a hold that was released is told with its name, ID, holder, token and times",
    breakStore: () => retelling((holds) => holds.map((hold) => ({ ...hold, token: null }))),
  },
  {
    fault: "past holds end when they began",
    caughtBy: "a hold that was released is told with its name, ID, holder, token and times",
    breakStore: () => retelling((holds) => holds.map((hold) => ({ ...hold, until: hold.since }))),
  },
  {
    fault: "the heartbeats of past holds are forgotten",
    caughtBy: "a heartbeat is remembered as the hold's last sign of life",
    breakStore: () => retelling((holds) => holds.map((hold) => ({ ...hold, lastHeartbeat: hold.since }))),
  },
  {
    fault: "every takeover takes the name away from a living holder",
    caughtBy: "a takeover ends the hold before it as the taker says, and takes it away where he says nothing",
    breakStore: () => changing(withoutEndsOf("grant")),
  },
  {
    fault: "every lock that is cleared was released",
    caughtBy: "a lock that is cleared has ended as is said, and was released where nothing is",
    breakStore: () => changing(withoutEndsOf("clear")),
  },
  {
    fault: "holds of removed names are forgotten",
    caughtBy: "a removal ends a hold as is said, and takes it away where nothing is",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async *history(query: HistoryQuery): AsyncIterable<PastHold> {
          for await (const hold of store.history(query)) {
            if ((await store.read(hold.name)).record !== null) yield hold;
          }
        }
      })(store),
  },
  {
    fault: "a removal says nothing of how the hold ended",
    caughtBy: "a removal ends a hold as is said, and takes it away where nothing is",
    breakStore: () =>
      changing((part) => {
        if (part.kind !== "remove") return part;
        const { ends: _, ...rest } = part;
        return rest;
      }),
  },
  {
    fault: "a renamed hold has ended otherwise",
    caughtBy: "a rename ends the hold of the old name, and the lock that goes along is a hold of the new one",
    breakStore: () => retellingEndings(({ how }) => (how === "renamed" ? { how: "lost" } : undefined)),
  },
  {
    fault: "a lock that a rename brought along is no hold of the new name",
    caughtBy: "a rename ends the hold of the old name, and the lock that goes along is a hold of the new one",
    breakStore: () =>
      retelling((holds) => {
        const renamed = holds.filter(({ ending }) => ending.how === "renamed");
        return holds.filter((hold) => renamed.includes(hold) || !renamed.some(({ token }) => token === hold.token));
      }),
  },
  {
    fault: "holds under earlier names are not found by their ID",
    caughtBy: "holds are found by their ID under earlier names, and by a name under the IDs that it had",
    breakStore: () => asking(({ name }) => (name === undefined ? {} : { name })),
  },
  {
    fault: "holds of a name under another ID are not found",
    caughtBy: "holds are found by their ID under earlier names, and by a name under the IDs that it had",
    breakStore: () => asking((query) => (query.id === undefined ? query : { id: query.id })),
  },
  {
    fault: "the first hold to end is told first",
    caughtBy: "the last to end is told first, and the reader may stop when he has enough [G12]",
    breakStore: () => retelling((holds) => holds.toReversed()),
  },
  {
    fault: "a dozen holds are remembered",
    caughtBy: "the last to end is told first, and the reader may stop when he has enough [G12]",
    breakStore: () => retelling((holds) => holds.slice(0, 12)),
  },
  {
    fault: "a hold that stands is told as one that is over",
    caughtBy: "a hold that stands is not told of, revoked or not",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async *history(query: HistoryQuery): AsyncIterable<PastHold> {
          yield* store.history(query);
          for await (const { name, record } of store.list()) if (record?.entry.lock != null) yield standing(name);
        }
      })(store),
  },
  {
    fault: "a refused change is remembered as if it had been done",
    caughtBy: "a refused change ends no hold, not in its earlier parts either",
    breakStore: () => (store) => new Remembering(store, false),
  },
  {
    fault: "each handle tells only what it has ended itself",
    caughtBy: "what one handle ends, every handle tells",
    breakStore: () => (store) => new Remembering(store, true),
  },
  {
    fault: "releaseNow leaves no record",
    caughtBy: "releaseNow releases what its holder holds, but for what an operator has revoked",
    breakStore: () => (store) => new Discreet(store),
  },
  {
    fault: "what an operator has revoked was released in the end",
    caughtBy: "releaseNow releases what its holder holds, but for what an operator has revoked",
    breakStore: () => retellingEndings(({ how }) => (how === "revoked" ? { how: "released" } : undefined)),
  },
  {
    fault: "a removal does not look whether the holder has shown a sign of life",
    caughtBy: "a removal or a rename that rests on a holder's silence is refused when it has shown a sign of life [G7]",
    breakStore: () => changing(boldly("remove")),
  },
  {
    fault: "a rename does not look whether the holder has shown a sign of life",
    caughtBy: "a removal or a rename that rests on a holder's silence is refused when it has shown a sign of life [G7]",
    breakStore: () => changing(boldly("rename")),
  },
  {
    fault: "a removal that rests on a holder's silence is never done",
    caughtBy: "a removal or a rename that rests on a holder's silence is done while it is silent",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          const rests = change.parts.some((part) => part.kind === "remove" && part.expectHolder !== undefined);
          return rests ? { kind: "conflict", snapshots: new Map() } : store.commit(change);
        }
      })(store),
  },
  {
    fault: "IDs go away without a backup",
    caughtBy: "what a removal, a rename or an import has taken away is in the backup that they answer with [G1]",
    breakStore: () => (store) => new Permanent(store, undefined),
  },
  {
    fault: "the backup is empty",
    caughtBy: "what a removal, a rename or an import has taken away is in the backup that they answer with [G1]",
    breakStore: () => (store) => new Permanent(store, "/dev/null"),
  },
];

type Break = (store: MemoryStore) => Store;

/** The same history, told otherwise. */
function retelling(retell: (holds: readonly PastHold[]) => readonly PastHold[]): Break {
  return (store) =>
    new (class extends Handle {
      override async *history(query: HistoryQuery): AsyncIterable<PastHold> {
        yield* retell(await historyOf(store, query));
      }
    })(store);
}

function retellingEndings(retell: (ending: Ending) => Ending | undefined): Break {
  return retelling((holds) => holds.map((hold) => ({ ...hold, ending: retell(hold.ending) ?? hold.ending })));
}

function asking(ask: (query: HistoryQuery) => HistoryQuery): Break {
  return (store) =>
    new (class extends Handle {
      override history(query: HistoryQuery): AsyncIterable<PastHold> {
        return store.history(ask(query));
      }
    })(store);
}

function changing(replace: (part: ChangePart) => ChangePart): Break {
  return (store) =>
    new (class extends Handle {
      override async commit(change: Change): Promise<CommitResult> {
        return store.commit(await withParts(change, replace));
      }
    })(store);
}

function withoutEndsOf(kind: "grant" | "clear"): (part: ChangePart) => ChangePart {
  return (part) =>
    part.kind === "put" && part.write.lock?.kind === kind
      ? { ...part, write: { ...part.write, lock: { kind } } }
      : part;
}

function boldly(kind: "remove" | "rename"): (part: ChangePart) => ChangePart {
  return (part) => {
    if (part.kind !== kind) return part;
    const { expectHolder: _, ...rest } = part;
    return rest;
  };
}

/** A memory of its own: of all that was asked for, or of what was done here. */
class Remembering extends Handle {
  readonly #onlyDone: boolean;
  readonly #remembered: PastHold[] = [];

  constructor(store: MemoryStore, onlyDone: boolean) {
    super(store);
    this.#onlyDone = onlyDone;
  }

  override async commit(change: Change): Promise<CommitResult> {
    const before = await historyOf(this.inner, {});
    const result = await this.inner.commit(change);
    const after = await historyOf(this.inner, {});
    if (result.kind === "done") this.#remembered.unshift(...after.slice(0, after.length - before.length));
    else if (!this.#onlyDone) this.#remembered.unshift(...change.parts.map(({ name }) => standing(name)));
    return result;
  }

  override async *history(): AsyncIterable<PastHold> {
    yield* this.#remembered;
  }
}

class Discreet extends Handle {
  readonly #forgotten = new Set<string>();

  override releaseNow(...given: Parameters<Handle["releaseNow"]>): void {
    this.#forgotten.add(given[0].instance);
    super.releaseNow(...given);
  }

  override async *history(query: HistoryQuery): AsyncIterable<PastHold> {
    for await (const hold of this.inner.history(query)) if (!this.#forgotten.has(hold.holder.instance)) yield hold;
  }
}

/** A store that promises permanence without an exception. */
class Permanent extends Handle {
  override readonly capabilities: StoreCapabilities;
  readonly #backup: string | undefined;

  constructor(store: MemoryStore, backup: string | undefined) {
    super(store);
    this.capabilities = { ...store.capabilities, exceptions: [] };
    this.#backup = backup;
  }

  override async commit(change: Change): Promise<CommitResult> {
    const result = await this.inner.commit(change);
    return result.kind === "done" && this.#backup !== undefined ? { ...result, backup: this.#backup } : result;
  }
}

async function historyOf(store: Store, query: HistoryQuery): Promise<readonly PastHold[]> {
  const holds: PastHold[] = [];
  for await (const hold of store.history(query)) holds.push(hold);
  return holds;
}

function standing(name: string): PastHold {
  const at = 0 as PastHold["since"];
  const holder = { instance: "", pid: 0, host: "" };
  const ending = { how: "released" } as const;
  return { name, id: "", holder, token: null, since: at, lastHeartbeat: at, until: at, ending, observed: false };
}
