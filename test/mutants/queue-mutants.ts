import type { EntryRecord, Waiter } from "../../src/core/record.js";
import type { Clock } from "../../src/core/timing.js";
import type { MemoryStore } from "../../src/stores/memory/memory-store.js";
import type { Change, CommitResult } from "../../src/stores/store.js";
import { Disguise, Handle, type Mutant } from "./mutant.js";

/** Faults about waiters. */
export const queueMutants: readonly Mutant[] = [
  {
    fault: "the last waiter to come is first in the queue",
    caughtBy: "waiters stand in the order in which they came, whichever handle they came to [G12]",
    breakStore: () => (store) =>
      new (class extends Disguise {
        protected override disguise(record: EntryRecord): EntryRecord {
          return { ...record, waiters: record.waiters.toReversed() };
        }
      })(store),
  },
  {
    fault: "a ticket that is queued already goes to the end",
    caughtBy: "a ticket that is queued already keeps its place [G12]",
    breakStore: () => (store) =>
      new (class extends Handle {
        override async commit(change: Change): Promise<CommitResult> {
          for (const part of change.parts) {
            if (part.kind === "enqueue") await store.commit({ ...change, parts: [{ ...part, kind: "dequeue" }] });
          }
          return store.commit(change);
        }
      })(store),
  },
  {
    fault: "a dead waiter stays in the queue",
    caughtBy: "the names of a killed process are free at once, and it waits for none any more [G6]",
    breakStore: () => {
      const seen = new Map<string, Map<string, Waiter>>();
      return (store) => new Unforgetting(store, seen);
    },
  },
  {
    fault: "an offer that is made again starts its time anew",
    caughtBy: "an offer to a waiter ages from when it was first made [G12]",
    breakStore: (clock) => {
      const offers = new Map<string, number>();
      return (store) => new RestartingOffers(store, clock, offers);
    },
  },
  {
    fault: "an offer outlives the grant to somebody else",
    caughtBy: "a grant ends the offers of a name: the next time that it is free, a waiter gets its full turn [G12]",
    breakStore: (clock) => {
      const offers = new Map<string, number>();
      return (store) =>
        new (class extends RestartingOffers {
          protected override disguise(record: EntryRecord): EntryRecord {
            return this.withOffers(record);
          }
        })(store, clock, offers);
    },
  },
];

class Unforgetting extends Disguise {
  readonly #seen: Map<string, Map<string, Waiter>>;

  constructor(store: MemoryStore, seen: Map<string, Map<string, Waiter>>) {
    super(store);
    this.#seen = seen;
  }

  override async commit(change: Change): Promise<CommitResult> {
    for (const part of change.parts) if (part.kind === "dequeue") this.#seen.get(part.name)?.delete(part.ticket);
    return super.commit(change);
  }

  protected override disguise(record: EntryRecord): EntryRecord {
    const seen = this.#seen.get(record.name) ?? new Map<string, Waiter>();
    for (const waiter of record.waiters) seen.set(waiter.ticket, waiter);
    this.#seen.set(record.name, seen);
    return { ...record, waiters: [...seen.values()] };
  }
}

class RestartingOffers extends Disguise {
  readonly #clock: Clock;
  readonly #offers: Map<string, number>;

  constructor(store: MemoryStore, clock: Clock, offers: Map<string, number>) {
    super(store);
    this.#clock = clock;
    this.#offers = offers;
  }

  override async commit(change: Change): Promise<CommitResult> {
    for (const part of change.parts) {
      if (part.kind === "offer") this.#offers.set(part.ticket, this.#clock.monotonicMs());
    }
    return super.commit(change);
  }

  protected override disguise(record: EntryRecord): EntryRecord {
    return record.waiters.some((waiter) => waiter.offeredAgeMs !== null) ? this.withOffers(record) : record;
  }

  protected withOffers(record: EntryRecord): EntryRecord {
    const waiters = record.waiters.map((waiter) => {
      const offeredAt = this.#offers.get(waiter.ticket);
      return { ...waiter, offeredAgeMs: offeredAt === undefined ? null : this.#clock.monotonicMs() - offeredAt };
    });
    return { ...record, waiters };
  }
}
