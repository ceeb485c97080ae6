import { hostname } from "node:os";
import { ulid } from "ulid";
import { describe, expect, it } from "vitest";
import type { Holder } from "../../src/core/entry.js";
import { decideClaim, holderOf } from "../../src/core/lock-rules.js";
import type { EntryRecord, Loss } from "../../src/core/record.js";
import type { LockWrite, Store } from "../../src/stores/store.js";
import { FaultyStore, type FaultyVerb, type Pause } from "../../src/testing/faulty-store.js";
import type { StoreFixture, StoreHarness } from "../../src/testing/store-contract.js";
import { jsonFileHarness } from "./json-file-harness.js";
import { memoryHarness } from "./memory-harness.js";
import { sqliteHarness } from "./sqlite-harness.js";

/**
 * Every takeover is one conditional write that fails if the old holder refreshed after the taker looked. Both sides are
 * stopped before and after each of their calls, and all orders in which the calls can go on are tried.
 */

const NAME = "robot";
const TTL_MS = 30_000;

/** What happens to the old holder, silent for longer than its TTL, while another takes over. */
const ACTS = {
  "its heartbeat": ["heartbeat"],
  "its release": ["read", "commit"],
  "its revocation": ["read", "commit"],
  "its revocation at once": ["read", "commit"],
} as const satisfies Record<string, readonly FaultyVerb[]>;
type Act = keyof typeof ACTS;

const STORES: readonly StoreHarness[] = [memoryHarness("memory"), jsonFileHarness, sqliteHarness];

describe.each(STORES)("in $name", (harness) => {
  describe.each(Object.keys(ACTS) as Act[])("a takeover from a silent holder, and %s", (act) => {
    const orders = interleavings(4, ACTS[act].length * 2);

    it(`leave one holder in all ${orders.length} orders of their steps [G2, G3, G5, G7]`, async () => {
      for (const order of orders) {
        const fixture = await harness.open();
        try {
          const race = await Race.prepare(fixture);
          const outcome = await race.run(act, order);
          expect(await race.problems(act, outcome), order.join(" ")).toEqual([]);
        } finally {
          await fixture.dispose();
        }
      }
    });
  });
});

type Side = "taker" | "other";

interface Outcome {
  /** Whether the taker was granted the name. */
  readonly taken: EntryRecord | undefined;
  /** What the heartbeat answered, or whether the other side's write was done. */
  readonly other: ReadonlyMap<string, Loss> | boolean;
}

class Race {
  readonly #taker: FaultyStore;
  readonly #other: FaultyStore;
  readonly #holder: Holder;
  readonly #token: number;

  private constructor(stores: readonly [Store, Store], holder: Holder, token: number) {
    [this.#taker, this.#other] = [new FaultyStore(stores[0]), new FaultyStore(stores[1])];
    this.#holder = holder;
    this.#token = token;
  }

  /** A name whose holder has been silent for longer than its TTL. */
  static async prepare(fixture: StoreFixture): Promise<Race> {
    const holder = newHolder();
    const write = { id: ulid(), componentType: "node", lock: { kind: "grant" } } as const;
    const made = await fixture.store.commit({ holder, parts: [{ kind: "put", name: NAME, expect: "absent", write }] });
    expect(made.kind).toBe("done");
    await fixture.elapse(TTL_MS + 1);
    const { record } = await fixture.store.read(NAME);
    return new Race([await fixture.another(), fixture.store], holder, record?.token ?? 0);
  }

  async run(act: Act, order: readonly Side[]): Promise<Outcome> {
    const taker = new Actor(pauses(this.#taker, ["read", "commit"]), () => this.#take());
    const other = new Actor(pauses(this.#other, ACTS[act]), () => this.#act(act));
    for (const side of order) await (side === "taker" ? taker : other).step();
    return { taken: await taker.end, other: await other.end };
  }

  /** As a claim does it: look, decide, one conditional write. */
  async #take(): Promise<EntryRecord | undefined> {
    const snapshot = await this.#taker.read(NAME);
    const decision = decideClaim(snapshot, undefined, 0);
    if (decision.kind !== "take") return undefined;
    const holder = holderOf(snapshot);
    const condition = {
      expect: snapshot.record?.version ?? ("absent" as const),
      ...(holder === null ? {} : { expectHolder: holder.version }),
    };
    const result = await this.#taker.commit({
      holder: newHolder(),
      parts: [{ kind: "put", name: NAME, ...condition, write: { lock: { kind: "grant" } } }],
    });
    return result.kind === "done" ? (result.snapshots.get(NAME)?.record ?? undefined) : undefined;
  }

  async #act(act: Act): Promise<ReadonlyMap<string, Loss> | boolean> {
    switch (act) {
      case "its heartbeat":
        return this.#heartbeat();
      case "its release":
        return this.#write({ kind: "clear" });
      case "its revocation":
        return this.#write({ kind: "revoke", reason: "test" });
      case "its revocation at once":
        return this.#write({ kind: "clear", word: { reason: "revoked", detail: "test" } });
      default:
        return act satisfies never;
    }
  }

  #heartbeat(): Promise<ReadonlyMap<string, Loss>> {
    return this.#other.heartbeat(this.#holder, new Map([[NAME, this.#token]]));
  }

  /** Looks whether it is still this holder's lock, and writes on condition that it is. */
  async #write(lock: LockWrite): Promise<boolean> {
    const { record } = await this.#other.read(NAME);
    if (record?.token !== this.#token) return false;
    const parts = [{ kind: "put", name: NAME, expect: record.version, write: { lock } }] as const;
    return (await this.#other.commit({ holder: this.#holder, parts })).kind === "done";
  }

  /** What is wrong with the outcome, a sentence each. */
  async problems(act: Act, { taken, other }: Outcome): Promise<readonly string[]> {
    const before = (await this.#taker.read(NAME)).record;
    const isLost = (await this.#heartbeat()).has(NAME);
    const after = (await this.#taker.read(NAME)).record;
    const otherGotOn = typeof other === "boolean" ? other : !other.has(NAME);
    const isStillHis = act === "its heartbeat" || act === "its revocation";
    const tokenLeft = isStillHis ? this.#token : null;
    const facts = {
      "neither side gets on": !otherGotOn && taken === undefined,
      "the taker takes what the heartbeat has prolonged": act === "its heartbeat" && otherGotOn && taken !== undefined,
      "the taker's lock does not stay": taken !== undefined && before?.token !== taken.token,
      "the token has not risen": taken !== undefined && (taken.token ?? 0) <= this.#token,
      "the taker's lock is marked revoked": taken !== undefined && before?.revocation !== null,
      "the other's write is not there": taken === undefined && before?.token !== tokenLeft,
      "the mark is lost": taken === undefined && act === "its revocation" && before?.revocation?.reason !== "test",
      "the former holder is not told": isLost !== (taken !== undefined || act !== "its heartbeat"),
      "a late heartbeat changes something": after?.token !== before?.token,
    };
    return Object.entries(facts).flatMap(([problem, isSo]) => (isSo ? [problem] : []));
  }
}

/** One side, stopped at each of its pauses until it is its turn. */
class Actor<T> {
  readonly end: Promise<T>;
  readonly #pauses: readonly Pause[];
  readonly #arrived: Promise<unknown>[];
  #next = 0;

  constructor(pauses: readonly Pause[], act: () => Promise<T>) {
    this.#pauses = pauses;
    this.end = act();
    this.#arrived = [...pauses.map(({ reached }) => Promise.race([reached, this.end])), this.end];
  }

  /** Goes on from one pause to the next. One that has ended early stands still. */
  async step(): Promise<void> {
    await this.#arrived[this.#next];
    this.#pauses[this.#next]?.resume();
    this.#next += 1;
    await this.#arrived[this.#next];
  }
}

function pauses(store: FaultyStore, verbs: readonly FaultyVerb[]): readonly Pause[] {
  return verbs.flatMap((verb) => [store.pauseNext("before", verb), store.pauseNext("after", verb)]);
}

/** All orders of so many steps of either side. */
function interleavings(taker: number, other: number): readonly (readonly Side[])[] {
  if (taker === 0 && other === 0) return [[]];
  return [
    ...(taker === 0 ? [] : interleavings(taker - 1, other).map((rest) => ["taker", ...rest] as const)),
    ...(other === 0 ? [] : interleavings(taker, other - 1).map((rest) => ["other", ...rest] as const)),
  ];
}

function newHolder(): Holder {
  return { instance: ulid(), pid: process.pid, host: hostname(), ttlMs: TTL_MS };
}
