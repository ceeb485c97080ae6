import assert from "node:assert/strict";
import { type Bench, creation, done, putOn } from "./bench.js";
import type { ContractCase } from "./harness.js";

/** More than one page of a store that lists in pages, as far as a test can afford. */
const MANY = 250;

/** Lists and watches. */
export const viewCases: readonly ContractCase[] = [
  {
    title: "an empty store lists nothing [G8]",
    async run(bench) {
      assert.equal((await bench.list()).size, 0);
    },
  },
  {
    title: "a list shows every entry once, with its lock, token, holder and waiters [G8]",
    async run(bench) {
      await bench.create("free", { metadata: { key: 1 } });
      const grant = await bench.grant("held", bench.holder());
      done(await bench.commit(bench.holder(), { kind: "enqueue", name: "held", ticket: "t" }));
      const records = await bench.list();
      assert.deepEqual([...records.keys()].toSorted(), ["free", "held"]);
      assert.deepEqual(records.get("free")?.entry.metadata, { key: 1 });
      const { token, holder, entry, version, waiters } = records.get("held") ?? grant;
      assert.deepEqual({ token, entry, version }, { token: grant.token, entry: grant.entry, version: grant.version });
      assert.equal(holder?.version, grant.holder.version);
      assert.equal(waiters.length, 1);
    },
  },
  {
    title: "a list is filtered by component type [G8]",
    async run(bench) {
      for (const componentType of ["node", "manager", "node"] as const) {
        await bench.create(`${componentType}${(await bench.list()).size}`, { componentType });
      }
      assert.deepEqual([...(await bench.list({ componentType: "node" })).keys()].toSorted(), ["node0", "node2"]);
      assert.deepEqual([...(await bench.list({ componentType: "manager" })).keys()], ["manager1"]);
      assert.equal((await bench.list({ componentType: "workcell" })).size, 0);
    },
  },
  {
    title: `a list of ${MANY} entries is complete, at once or read slowly while others write [G8]`,
    async run(bench) {
      const names = Array.from({ length: MANY }, (_, index) => `name ${index}`);
      await bench.commitMany(
        bench.holder(),
        names.map((name) => creation(name)),
      );
      assert.deepEqual([...(await bench.list()).keys()].toSorted(), names.toSorted());
      const other = await bench.another();
      const seen: string[] = [];
      let changed: readonly string[] = [];
      for await (const { name } of bench.store.list()) {
        seen.push(name);
        if (seen.length === 1)
          changed = await writeAround(
            other,
            names.filter((other) => other !== name),
          );
      }
      const steady = names.filter((name) => !changed.includes(name));
      assert.deepEqual(seen.filter((name) => steady.includes(name)).toSorted(), steady.toSorted());
      assert.equal(new Set(seen).size, seen.length);
    },
  },
  {
    title: "a list may be left early [G12]",
    async run(bench) {
      for (const name of ["a", "b", "c"]) await bench.create(name);
      for await (const { record } of bench.store.list()) {
        assert.ok(record);
        break;
      }
      assert.equal((await bench.list()).size, 3);
    },
  },
  {
    title: "a watch yields as soon as it listens, and then on each kind of change, by whichever handle [G12]",
    async run(bench) {
      const record = await bench.create("a");
      const other = await bench.another();
      const holder = other.holder();
      const changes: Record<string, () => Promise<unknown>> = {
        grant: () => other.grant("a", holder),
        metadata: async () => other.put(await other.read("a"), { metadata: { key: 1 } }),
        revoke: async () => other.put(await other.read("a"), { lock: { kind: "revoke", reason: "test" } }),
        clear: async () => other.put(await other.read("a"), { lock: { kind: "clear" } }),
        enqueue: () => other.commit(holder, { kind: "enqueue", name: "a", ticket: "t" }),
        dequeue: () => other.commit(holder, { kind: "dequeue", name: "a", ticket: "t" }),
        rename: async () =>
          other.commit(holder, { kind: "rename", name: "a", to: "b", expect: (await other.read("a")).version }),
        create: () => other.create("a", { id: record.entry.id.replace(/.$/, (last) => (last === "0" ? "1" : "0")) }),
        remove: async () =>
          other.commit(holder, { kind: "remove", name: "a", expect: (await other.read("a")).version }),
      };
      await watching(bench, ["a"], async (reader) => {
        for (const [what, change] of Object.entries(changes)) await reader.nextAfter(what, change);
      });
    },
  },
  {
    title: "a watch tells of what its own handle changes [G12]",
    async run(bench) {
      const record = await bench.create("a");
      await watching(bench, ["a"], async (reader) => {
        await reader.nextAfter("a change", () => bench.put(record, { metadata: { key: 1 } }));
      });
    },
  },
  {
    title: "a watch without names tells of every name, new ones included [G12]",
    async run(bench) {
      const other = await bench.another();
      await watching(bench, undefined, async (reader) => {
        await reader.nextAfter("a creation", () => other.create("new"));
        await reader.nextAfter("a grant", () => other.grant("new", other.holder()));
      });
    },
  },
  {
    title: "a watch tells of the new name of a rename too [G12]",
    async run(bench) {
      const { version } = await bench.create("a");
      const other = await bench.another();
      await watching(bench, ["b"], async (reader) => {
        await reader.nextAfter("the rename", () =>
          other.commit(other.holder(), { kind: "rename", name: "a", to: "b", expect: version }),
        );
      });
    },
  },
  {
    title: "a watch tells when a renamed lock is given up, which frees its old name [G12]",
    async run(bench) {
      const other = await bench.another();
      const holder = other.holder();
      const { version } = await other.grant("a", holder);
      done(await other.commit(other.holder(), { kind: "rename", name: "a", to: "b", expect: version }));
      const renamed = await other.read("b");
      await watching(bench, ["a"], async (reader) => {
        await reader.nextAfter("the release", () => other.put(renamed, { lock: { kind: "clear" } }, holder));
      });
    },
  },
  {
    title: "a watch keeps a change that comes while nobody asks [G12]",
    async run(bench) {
      const record = await bench.create("a");
      const other = await bench.another();
      await watching(bench, ["a"], async (reader) => {
        await other.put(record, { metadata: { key: 1 } });
        await bench.elapse(0.1);
        await reader.next("the change");
      });
    },
  },
  {
    title: "a watch ends when its signal aborts, at once when it has aborted before [G12]",
    async run(bench) {
      await bench.create("a");
      const controller = new AbortController();
      const watch = bench.store.watch({ names: ["a"], signal: controller.signal })[Symbol.asyncIterator]();
      await bench.within(watch.next(), "the first yield");
      // What is told late about the creation is not the end that is waited for.
      const abortSoon = async (): Promise<void> => {
        await bench.elapse(0.01);
        controller.abort();
      };
      await Promise.all([bench.within(untilDone(watch), "the end of the watch"), abortSoon()]);
      for await (const _ of bench.store.watch({ signal: controller.signal })) assert.fail("an aborted watch yields");
    },
  },
  {
    title: "several watches of one name are all told [G12]",
    async run(bench) {
      const record = await bench.create("a");
      const other = await bench.another();
      await watching(bench, ["a"], (first) =>
        watching(other, ["a"], async (second) => {
          const change = (): Promise<unknown> => bench.put(record, { metadata: { key: 1 } });
          await second.nextAfter("a change", () => first.nextAfter("a change", change));
        }),
      );
    },
  },
];

/** Changes three names of a list that is being read, and makes another. @returns those that need not be listed */
async function writeAround(other: Bench, names: readonly string[]): Promise<readonly string[]> {
  const [first = "", last = "", middle = ""] = [names[0], names.at(-1), names[MANY / 2]];
  const [removed, renamed, changed] = [await other.read(first), await other.read(last), await other.read(middle)];
  done(
    await other.commit(
      other.holder(),
      { kind: "remove", name: first, expect: removed.version },
      { kind: "rename", name: last, to: "moved", expect: renamed.version },
      putOn(changed, { metadata: { key: 1 } }),
      creation("made"),
    ),
  );
  return [first, last];
}

/** A reader of a watch, who asks once at a time. */
class Reader {
  readonly #bench: Bench;
  readonly #watch: AsyncIterator<unknown>;
  #asked: Promise<IteratorResult<unknown>> | undefined;

  constructor(bench: Bench, watch: AsyncIterator<unknown>) {
    this.#bench = bench;
    this.#watch = watch;
  }

  /** Waits for the next yield. */
  async next(what: string): Promise<void> {
    const { done: ended } = await this.#bench.within(this.#ask(), what);
    assert.ok(ended !== true, `the watch ended instead of ${what}`);
    this.#asked = undefined;
  }

  /** Nothing else may break the silence before the change, or it proves nothing: a watch may tell of one change twice. */
  async nextAfter(what: string, change: () => Promise<unknown>): Promise<void> {
    while (await this.#bench.isSettledSoon(this.#ask())) await this.next("what is told late");
    await Promise.all([this.next(`the yield after ${what}`), change()]);
  }

  #ask(): Promise<IteratorResult<unknown>> {
    this.#asked ??= this.#watch.next();
    return this.#asked;
  }
}

/** Watches while `use` runs, the first yield taken. */
async function watching(
  bench: Bench,
  names: readonly string[] | undefined,
  use: (reader: Reader) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const options = { signal: controller.signal, ...(names === undefined ? {} : { names }) };
  const reader = new Reader(bench, bench.store.watch(options)[Symbol.asyncIterator]());
  try {
    await reader.next("the first yield");
    await use(reader);
  } finally {
    controller.abort();
  }
}

async function untilDone(watch: AsyncIterator<unknown>): Promise<void> {
  for (;;) if ((await watch.next()).done === true) return;
}
