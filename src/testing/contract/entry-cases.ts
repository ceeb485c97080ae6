import assert from "node:assert/strict";
import { ulid } from "ulid";
import type { JsonObject } from "../../core/entry.js";
import { assertThrows, type Bench, creation, done, putOn, recordIn, refused } from "./bench.js";
import type { ContractCase } from "./harness.js";

/** How many commits race for one name. */
const RACERS = 50;
const COUNTERS = 20;

/** Entries: made once, changed on condition, all or nothing. */
export const entryCases: readonly ContractCase[] = [
  {
    title: "a name that nobody has made reads as no record [G11]",
    async run(bench) {
      const { name, record } = await bench.store.read("nobody");
      assert.deepEqual({ name, record }, { name: "nobody", record: null });
    },
  },
  {
    title: "a new entry has the id and type that were asked for, no lock, and the store's time [G1]",
    async run(bench) {
      const before = (await bench.store.read("a")).now;
      const id = ulid();
      const found = done(await bench.commit(bench.holder(), creation("a", { id, componentType: "module" })));
      const { entry, token, revocation, holder, waiters } = recordIn(found, "a");
      const after = (await bench.store.read("a")).now;
      assert.deepEqual(
        {
          id: entry.id,
          type: entry.componentType,
          metadata: entry.metadata,
          lock: entry.lock,
          workcell: entry.workcellId,
        },
        { id, type: "module", metadata: {}, lock: null, workcell: null },
      );
      assert.deepEqual(
        { token, revocation, holder, waiters },
        { token: null, revocation: null, holder: null, waiters: [] },
      );
      for (const time of [entry.createdAt, entry.lastSeen]) assert.ok(time >= before - 1 && time <= after + 1);
      assert.deepEqual((await bench.read("a")).entry, entry);
    },
  },
  {
    title: "a second creation of a name is refused and shows the first [G1]",
    async run(bench) {
      const first = await bench.create("a");
      const other = await bench.another();
      const found = refused(await other.commit(other.holder(), creation("a")));
      assert.equal(recordIn(found, "a").entry.id, first.entry.id);
      assert.equal((await bench.read("a")).entry.id, first.entry.id);
    },
  },
  {
    title: "id and creation time survive every change of an entry [G1]",
    async run(bench) {
      const first = await bench.create("a");
      const holder = bench.holder();
      await bench.elapse(0.1);
      let record = await bench.put(first, { lock: { kind: "grant" }, metadata: { key: 1 } }, holder);
      record = await bench.put(record, { lock: { kind: "revoke", reason: "test" } });
      record = await bench.put(record, { lock: { kind: "clear" }, touch: true }, holder);
      done(await bench.commit(holder, { kind: "rename", name: "a", to: "b", expect: record.version }));
      const { id, createdAt, componentType } = (await bench.read("b")).entry;
      const wanted = first.entry;
      assert.deepEqual(
        { id, createdAt, componentType },
        { id: wanted.id, createdAt: wanted.createdAt, componentType: "node" },
      );
    },
  },
  {
    title: "a change names the version that it changes: with an old one it is refused and changes nothing [G9]",
    async run(bench) {
      const first = await bench.create("a");
      const second = await bench.put(first, { metadata: { writer: "second" } });
      assert.notEqual(second.version, first.version);
      const other = await bench.another();
      const found = refused(await other.commit(other.holder(), putOn(first, { metadata: { writer: "late" } })));
      assert.deepEqual(recordIn(found, "a").entry.metadata, { writer: "second" });
      assert.deepEqual((await bench.read("a")).entry.metadata, { writer: "second" });
      assert.equal((await bench.read("a")).version, second.version);
    },
  },
  {
    title: "what one handle writes, every handle reads at once [G9]",
    async run(bench) {
      const other = await bench.another();
      assert.equal((await other.store.read("a")).record, null);
      let record = await bench.create("a", { metadata: { round: 0 } });
      for (let round = 1; round <= 3; round += 1) {
        assert.deepEqual((await other.read("a")).entry.metadata, { round: round - 1 });
        record = await bench.put(record, { metadata: { round } });
        assert.equal((await other.read("a")).version, record.version);
      }
    },
  },
  {
    title: "a version never comes back, not after removal and re-creation either [G9]",
    async run(bench) {
      const first = await bench.create("a");
      done(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: first.version }));
      const second = await bench.create("a");
      assert.notEqual(second.version, first.version);
      refused(await bench.commit(bench.holder(), putOn(first, { touch: true })));
    },
  },
  {
    title: "a change of several parts is done together [G9]",
    async run(bench) {
      const gone = await bench.create("gone");
      const kept = await bench.create("kept");
      const found = done(
        await bench.commit(bench.holder(), creation("new"), putOn(kept, { metadata: { changed: true } }), {
          kind: "remove",
          name: "gone",
          expect: gone.version,
        }),
      );
      assert.deepEqual([...found.keys()].sort(), ["gone", "kept", "new"]);
      assert.equal(found.get("gone")?.record, null);
      assert.deepEqual(recordIn(found, "kept").entry.metadata, { changed: true });
      assert.deepEqual([...(await bench.list()).keys()].sort(), ["kept", "new"]);
    },
  },
  {
    title: "a change of which one part is refused changes nothing, whichever part it is [G9]",
    async run(bench) {
      const old = await bench.create("stale");
      await bench.put(old, { metadata: { writer: "second" } });
      const kept = await bench.create("kept");
      const good = [creation("new"), putOn(kept, { metadata: { changed: true } })];
      const refusals = [
        putOn(old, { metadata: { writer: "late" } }),
        creation("kept"),
        { kind: "remove", name: "stale", expect: old.version },
        { kind: "rename", name: "stale", to: "elsewhere", expect: old.version },
        { kind: "enqueue", name: "missing", ticket: "ticket" },
      ] as const;
      for (const bad of refusals) {
        refused(await bench.commit(bench.holder(), ...good, bad));
        refused(await bench.commit(bench.holder(), bad, ...good));
      }
      assert.deepEqual([...(await bench.list()).keys()].sort(), ["kept", "stale"]);
      assert.deepEqual((await bench.read("kept")).entry.metadata, {});
      assert.equal((await bench.read("kept")).version, kept.version);
      assert.deepEqual((await bench.read("stale")).entry.metadata, { writer: "second" });
    },
  },
  {
    title: "metadata are merged key by key: other keys stay as they are [G10]",
    async run(bench) {
      const first = await bench.create("a", { metadata: { kept: { deep: [1, null] }, changed: 1 } });
      const record = await bench.put(first, { metadata: { changed: { now: "this" }, added: false } });
      const wanted = { kept: { deep: [1, null] }, changed: { now: "this" }, added: false };
      assert.deepEqual(record.entry.metadata, wanted);
      assert.deepEqual((await bench.read("a")).entry.metadata, wanted);
    },
  },
  {
    title: "metadata that JSON cannot carry are invalid input, and nothing is changed [G11]",
    async run(bench) {
      const first = await bench.create("a", { metadata: { kept: 1 } });
      const cycle: Record<string, unknown> = {};
      cycle["self"] = cycle;
      for (const value of [undefined, Number.NaN, 10n, () => 1, new Map([[1, 2]]), { deep: [undefined] }, cycle]) {
        const metadata = { kept: 2, bad: value } as JsonObject;
        await assertThrows(bench.commit(bench.holder(), putOn(first, { metadata })), "invalid-input");
        await assertThrows(bench.commit(bench.holder(), creation("b", { metadata })), "invalid-input");
      }
      assert.deepEqual((await bench.read("a")).entry.metadata, { kept: 1 });
      assert.equal((await bench.store.read("b")).record, null);
    },
  },
  {
    title: "touch sets when an entry was last seen, and nothing else [G10]",
    async run(bench) {
      const first = await bench.create("a", { metadata: { key: 1 } });
      await bench.elapse(0.1);
      const { lastSeen, ...rest } = (await bench.put(first, { touch: true })).entry;
      const { lastSeen: before, ...wanted } = first.entry;
      assert.deepEqual(rest, wanted);
      assert.ok(lastSeen - before >= 0.1 * bench.ttlMs - 1);
      const { entry } = await bench.put(await bench.read("a"), { metadata: { key: 2 } });
      assert.equal(entry.lastSeen, lastSeen);
    },
  },
  {
    title: "a removed entry is gone, and only its present version removes it [G1]",
    async run(bench) {
      const first = await bench.create("a");
      const second = await bench.put(first, { touch: true, metadata: { key: 1 } });
      refused(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: first.version }));
      assert.equal((await bench.read("a")).version, second.version);
      const found = done(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: second.version }));
      assert.equal(found.get("a")?.record, null);
      assert.equal((await bench.store.read("a")).record, null);
      assert.equal((await bench.list()).size, 0);
      refused(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: second.version }));
    },
  },
  {
    title: "rename moves an entry with its id and metadata, and answers with both names [G1]",
    async run(bench) {
      const first = await bench.create("a", { metadata: { key: 1 } });
      const found = done(
        await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: first.version }),
      );
      assert.equal(found.get("a")?.record, null);
      assert.deepEqual(recordIn(found, "b").entry, first.entry);
      assert.deepEqual([...(await bench.list()).keys()], ["b"]);
      assert.equal((await bench.store.read("a")).record, null);
    },
  },
  {
    title: "rename is refused when the new name exists or the entry has changed [G1]",
    async run(bench) {
      const first = await bench.create("a");
      const other = await bench.create("b");
      refused(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: first.version }));
      await bench.put(first, { metadata: { key: 1 } });
      refused(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "c", expect: first.version }));
      assert.equal((await bench.read("a")).entry.id, first.entry.id);
      assert.equal((await bench.read("b")).entry.id, other.entry.id);
      assert.equal((await bench.store.read("c")).record, null);
    },
  },
  {
    title: "a fault is thrown with its code, and is no conflict [G11]",
    async run(bench) {
      const incomplete = { kind: "put", name: "a", expect: "absent", write: {} } as const;
      await assertThrows(bench.commit(bench.holder(), incomplete), "invalid-input");
      await assertThrows(bench.commit(bench.holder(), creation("a", { source: "{" })), "invalid-input");
      assert.equal((await bench.store.read("a")).record, null);
    },
  },
  {
    title: `of ${RACERS} changes to one version, one is done and the others are shown it [G9]`,
    async run(bench) {
      const record = await bench.create("a");
      const other = await bench.another();
      const results = await Promise.all(
        Array.from({ length: RACERS }, (_, racer) =>
          (racer % 2 === 0 ? bench : other).commit(bench.holder(), putOn(record, { metadata: { racer } })),
        ),
      );
      const winners = results.flatMap((result, racer) => (result.kind === "done" ? [racer] : []));
      assert.equal(winners.length, 1);
      const wanted = { racer: winners[0] };
      for (const result of results) {
        if (result.kind !== "done") assert.deepEqual(recordIn(refused(result), "a").entry.metadata, wanted);
      }
      assert.deepEqual((await bench.read("a")).entry.metadata, wanted);
    },
  },
  {
    title: "no update of those who write at once and start again on a conflict is lost [G9]",
    async run(bench) {
      await bench.create("a", { metadata: { count: 0 } });
      const benches = [bench, await bench.another()];
      await Promise.all(
        Array.from({ length: COUNTERS }, (_, counter) => countUp(benches[counter % 2] ?? bench, counter)),
      );
      const { count, ...marks } = (await bench.read("a")).entry.metadata;
      assert.equal(count, COUNTERS);
      assert.equal(Object.keys(marks).length, COUNTERS);
    },
  },
];

async function countUp(bench: Bench, counter: number): Promise<void> {
  let record = await bench.read("a");
  for (;;) {
    const count = Number(record.entry.metadata["count"]) + 1;
    const result = await bench.commit(bench.holder(), putOn(record, { metadata: { count, [`mark${counter}`]: true } }));
    if (result.kind === "done") return;
    record = recordIn(refused(result), "a");
  }
}
