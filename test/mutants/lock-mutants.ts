import type { Holder } from "../../src/core/entry.js";
import type { EntryRecord, Loss, Snapshot } from "../../src/core/record.js";
import type { Clock } from "../../src/core/timing.js";
import type { MemoryStore } from "../../src/stores/memory/memory-store.js";
import type { Change, CommitResult } from "../../src/stores/store.js";
import { Disguise, Handle, type Mutant, presentVersion, withParts } from "./mutant.js";

/** Faults about locks, tokens and heartbeats. */
export const lockMutants: readonly Mutant[] = [
  {
    fault: "a former holder's release takes the new holder's lock away",
    caughtBy: "a former holder cannot release after a takeover [G5]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          const blind = await withParts(change, (part) =>
            part.kind === "put" && part.write.lock?.kind === "clear" ? presentVersion(store, part) : part,
          );
          return store.commit(blind);
        }
      })(store),
  },
  {
    fault: "a takeover is conditional on the entry alone",
    caughtBy: "a takeover is refused when the old holder has shown a sign of life since the look [G7]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          const bold = await withParts(change, (part) => {
            if (part.kind !== "put") return part;
            const { expectHolder: _, ...rest } = part;
            return rest;
          });
          return store.commit(bold);
        }
      })(store),
  },
  {
    fault: "a token repeats",
    caughtBy: "a token rises with each grant, after release and takeover, at every handle [G3]",
    breakStore: () => (store) => new OtherTokens(store, () => 1_767_225_600_000_000),
  },
  {
    fault: "tokens start again when a name is removed",
    caughtBy: "a token rises across removal and re-creation of its name [G3]",
    breakStore: () => {
      const firstOfName = new Map<string, number>();
      const firstOfId = new Map<string, number>();
      return (store) =>
        new OtherTokens(store, ({ name, entry }, token) => {
          if (!firstOfName.has(name)) firstOfName.set(name, token);
          if (!firstOfId.has(entry.id)) firstOfId.set(entry.id, token);
          return token - (firstOfId.get(entry.id) ?? 0) + (firstOfName.get(name) ?? 0);
        });
    },
  },
  {
    fault: "tokens count from one",
    caughtBy: "a fencing token is a safe integer on the scale of the wall clock in microseconds [G3]",
    breakStore: () => {
      const tokens: number[] = [];
      return (store) =>
        new OtherTokens(store, (_, token) => {
          if (!tokens.includes(token)) tokens.push(token);
          return tokens.indexOf(token) + 1;
        });
    },
  },
  {
    fault: "a refresh brings back a lock that was removed or cleared",
    caughtBy: "a refresh does not bring a cleared lock back [G5]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async heartbeat(
          holder: Holder,
          names: ReadonlyMap<string, number>,
        ): Promise<ReadonlyMap<string, Loss>> {
          const lost = new Map(await store.heartbeat(holder, names));
          for (const name of lost.keys()) {
            const { record } = await store.read(name);
            if (record === null || record.entry.lock !== null) continue;
            const write = { lock: { kind: "grant" } } as const;
            await store.commit({ holder, parts: [{ kind: "put", name, expect: record.version, write }] });
            lost.delete(name);
          }
          return lost;
        }
      })(store),
  },
  {
    fault: "a heartbeat refreshes a revoked lock",
    caughtBy: "a revoked lock is answered as lost, with the operator's words, and is not refreshed [G4]",
    breakStore: (clock) => {
      const beats = new Map<string, number>();
      return (store) => new RefreshingRevoked(store, clock, beats);
    },
  },
  {
    fault: "a heartbeat says that a lock is lost, but not why",
    caughtBy: "the word that a change leaves is what the former holder is told [G4]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async heartbeat(
          holder: Holder,
          names: ReadonlyMap<string, number>,
        ): Promise<ReadonlyMap<string, Loss>> {
          const lost = await store.heartbeat(holder, names);
          return new Map(Array.from(lost.keys(), (name) => [name, { reason: "expired" }]));
        }
      })(store),
  },
  {
    fault: "a loss is told once only",
    caughtBy: "a loss is told again, since its first telling may not have arrived [G4]",
    breakStore: () => {
      const told = new Set<string>();
      return (store) =>
        new (class extends Handle {
          override async heartbeat(
            holder: Holder,
            names: ReadonlyMap<string, number>,
          ): Promise<ReadonlyMap<string, Loss>> {
            const lost = new Map(await store.heartbeat(holder, names));
            for (const name of lost.keys()) {
              const story = `${holder.instance} ${name} ${names.get(name)}`;
              if (told.has(story)) lost.delete(name);
              told.add(story);
            }
            return lost;
          }
        })(store);
    },
  },
  {
    fault: "a heartbeat refreshes all locks of its holder, named or not",
    caughtBy:
      "a lock that the heartbeat does not name lapses, its TTL after its last refresh, while others live on [G6]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async heartbeat(
          holder: Holder,
          names: ReadonlyMap<string, number>,
        ): Promise<ReadonlyMap<string, Loss>> {
          const all = new Map(names);
          for await (const { name, record } of store.list()) {
            if (record?.entry.lock?.holderInstance === holder.instance && record.token !== null) {
              all.set(name, all.get(name) ?? record.token);
            }
          }
          return store.heartbeat(holder, all);
        }
      })(store),
  },
  {
    fault: "a refresh does not look at the token",
    caughtBy: "a refresh with an earlier token of the same holder is lost and refreshes nothing [G5]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async heartbeat(
          holder: Holder,
          names: ReadonlyMap<string, number>,
        ): Promise<ReadonlyMap<string, Loss>> {
          const present = new Map(names);
          for (const name of names.keys()) {
            const { record } = await store.read(name);
            if (record?.entry.lock?.holderInstance === holder.instance) present.set(name, record.token ?? 0);
          }
          return store.heartbeat(holder, present);
        }
      })(store),
  },
  {
    fault: "a name is free as soon as its lock is renamed away",
    caughtBy:
      "the name of a lock that was renamed away or removed is kept from others until its holder is silent [G2, G7]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async read(name: string): Promise<Snapshot> {
          return { ...(await store.read(name)), former: null };
        }
      })(store),
  },
  {
    fault: "a former holder's name is free as soon as it has been told",
    caughtBy: "a name is kept for its former holder though it was told, since the telling may have got lost [G2]",
    breakStore: () => {
      const told = new Set<string>();
      return (store) =>
        new (class extends Handle {
          override async read(name: string): Promise<Snapshot> {
            const snapshot = await store.read(name);
            return told.has(`${snapshot.former?.lock.holderInstance} ${name}`)
              ? { ...snapshot, former: null }
              : snapshot;
          }

          override async heartbeat(
            holder: Holder,
            names: ReadonlyMap<string, number>,
          ): Promise<ReadonlyMap<string, Loss>> {
            const lost = await store.heartbeat(holder, names);
            for (const name of lost.keys()) told.add(`${holder.instance} ${name}`);
            return lost;
          }
        })(store);
    },
  },
  {
    fault: "a grant that names no holder is not checked for former ones",
    caughtBy: "a grant by who has not seen that the name is kept for a former holder is refused [G7]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          const bold = await withParts(change, async (part) => {
            if (part.kind !== "put" || part.expectHolder !== undefined) return part;
            const { former } = await store.read(part.name);
            return former === null ? part : { ...part, expectHolder: former.holder.version };
          });
          return store.commit(bold);
        }
      })(store),
  },
  {
    fault: "an imported lock is taken for a lock",
    caughtBy: "a lock in an imported text is not imported, and the present one stays [G2]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          const locking = await withParts(change, (part) =>
            part.kind === "put" && part.write.source?.includes("holder_instance")
              ? { ...part, write: { ...part.write, lock: { kind: "grant" } } }
              : part,
          );
          return store.commit(locking);
        }
      })(store),
  },
  {
    fault: "a close leaves the presence of its holders",
    caughtBy:
      "close ends the presence of its holders: their names are free at once where death is proved, else after the TTL [G6]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async close(): Promise<void> {
          // Nothing: that is the fault.
        }
      })(store),
  },
];

/** Shows other tokens than the store keeps, and takes them back in heartbeats. */
class OtherTokens extends Disguise {
  readonly #shown: (record: EntryRecord, token: number) => number;

  constructor(store: MemoryStore, shown: (record: EntryRecord, token: number) => number) {
    super(store);
    this.#shown = shown;
  }

  protected override disguise(record: EntryRecord): EntryRecord {
    return record.token === null ? record : { ...record, token: this.#shown(record, record.token) };
  }

  override async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    const kept = new Map(names);
    for (const [name, token] of names) {
      const { record } = await this.inner.read(name);
      if (record !== null && this.disguise(record).token === token) kept.set(name, record.token ?? 0);
    }
    return this.inner.heartbeat(holder, kept);
  }
}

/** Tells of the loss, but lets the lock live on. */
class RefreshingRevoked extends Disguise {
  readonly #clock: Clock;
  readonly #beats: Map<string, number>;

  constructor(store: MemoryStore, clock: Clock, beats: Map<string, number>) {
    super(store);
    this.#clock = clock;
    this.#beats = beats;
  }

  override async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    this.#beats.set(holder.instance, this.#clock.monotonicMs());
    return this.inner.heartbeat(holder, names);
  }

  protected override disguise(record: EntryRecord): EntryRecord {
    const beatAt = this.#beats.get(record.entry.lock?.holderInstance ?? "");
    if (record.revocation === null || record.holder?.evidence.kind !== "beat" || beatAt === undefined) return record;
    const ageMs = this.#clock.monotonicMs() - beatAt;
    return { ...record, holder: { ...record.holder, evidence: { ...record.holder.evidence, ageMs } } };
  }
}
