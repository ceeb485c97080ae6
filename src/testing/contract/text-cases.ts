import assert from "node:assert/strict";
import { ulid } from "ulid";
import { assertThrows, creation, done, putOn } from "./bench.js";
import type { ContractCase } from "./harness.js";
import { type Letters, lettersOf, membersOf } from "./json-letters.js";

/** What JavaScript's objects and numbers would change. */
const SOURCE = String.raw`{
  "id": "01JABCDEFGHJKMNPQRSTVWXYZ0",
  "firmware": {"10": 1.0, "2": [1.10, 1e3, -0.0, 9007199254740993], "__proto__": {"x": 1}},
  "component_type": "manager",
  "created_at": "2024-01-02T03:04:05.123456Z",
  "last_seen": "2024-01-02T03:04:05.654321Z",
  "metadata": {"": null, "10": 1.0, "2": 123456789012345678901234567890, "__proto__": "own", "b": "\"}],:{[", "é\n": "\ud83e\udd16"},
  "workcell_id": "cell 7",
  "zz": []
}`;

const COMPOSED = "caf\u00e9";
const DECOMPOSED = "cafe\u0301";
const ODD_NAMES = [
  "",
  " ",
  "__proto__",
  "constructor",
  "toString",
  "10",
  "2",
  "-1",
  "../../etc/passwd",
  "a/b",
  "/",
  "back\\slash",
  "new\nline",
  "tab\t",
  "nul\u0000",
  "\u2028",
  'quo"te',
  "'; drop table entries; --",
  "%s%00",
  "*",
  COMPOSED,
  DECOMPOSED,
  "🤖",
  "👩‍🔬",
  "x".repeat(1024),
  "é".repeat(1024),
];

/** Texts and names: what was not changed is kept to the letter. */
export const textCases: readonly ContractCase[] = [
  {
    title: "an imported text is kept to the letter [G10]",
    async run(bench) {
      const { entry, source } = await bench.create("a", { source: SOURCE });
      assertLetters(source);
      assert.deepEqual(
        { id: entry.id, type: entry.componentType, workcell: entry.workcellId },
        { id: "01JABCDEFGHJKMNPQRSTVWXYZ0", type: "manager", workcell: "cell 7" },
      );
      assert.ok(Math.abs(entry.createdAt - (Date.parse("2024-01-02T03:04:05.123Z") + 0.456)) < 0.001);
      assert.deepEqual(Object.keys(entry.metadata).toSorted(), ["", "10", "2", "__proto__", "b", "é\n"].toSorted());
      assert.equal(Object.getOwnPropertyDescriptor(entry.metadata, "__proto__")?.value, "own");
      const [listed] = (await bench.list()).values();
      assertLetters(listed?.source);
    },
  },
  {
    title: "an imported text replaces the present one, and its id with it [G10]",
    async run(bench) {
      const first = await bench.create("a", { metadata: { old: true } });
      const record = await bench.put(first, { source: SOURCE });
      assertLetters(record.source);
      assert.equal(record.entry.id, "01JABCDEFGHJKMNPQRSTVWXYZ0");
    },
  },
  {
    title: "grant, refresh, revoke, clear, touch and rename keep every other letter of an entry [G10]",
    async run(bench) {
      const holder = bench.holder();
      await bench.create("a", { source: SOURCE });
      const grant = await bench.grant("a", holder);
      assertLetters(grant.source);
      await bench.heartbeat(holder, grant);
      assertLetters((await bench.read("a")).source);
      const marked = await bench.put(await bench.read("a"), { lock: { kind: "revoke", reason: "test" } });
      assertLetters(marked.source);
      const cleared = await bench.put(marked, { lock: { kind: "clear" }, touch: true });
      assertLetters(cleared.source);
      done(await bench.commit(holder, { kind: "rename", name: "a", to: "b", expect: cleared.version }));
      assertLetters((await bench.read("b")).source);
      assertLetters((await (await bench.another()).read("b")).source);
    },
  },
  {
    title: "a rename under a lock keeps every letter of the entry [G10]",
    async run(bench) {
      await bench.create("a", { source: SOURCE });
      const { version } = await bench.grant("a", bench.holder());
      done(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: version }));
      assertLetters((await bench.read("b")).source);
    },
  },
  {
    title: "merged metadata leave every other letter of an entry, and take odd keys [G10]",
    async run(bench) {
      const first = await bench.create("a", { source: SOURCE });
      const metadata = JSON.parse('{"2": "changed", "__proto__": {"now": 1}, "new": [true]}') as Record<string, number>;
      const { source, entry } = await bench.put(first, { metadata });
      assert.deepEqual([...membersOf(lettersOf(source), "metadata", "lock", "last_seen")], lettersKept("metadata"));
      const merged = membersOf(membersOf(lettersOf(source)).get("metadata"), "2", "__proto__", "new");
      const before = membersOf(membersOf(lettersOf(SOURCE)).get("metadata"), "2", "__proto__");
      assert.deepEqual([...merged], [...before]);
      for (const [key, value] of Object.entries(metadata)) {
        assert.deepEqual(Object.getOwnPropertyDescriptor(entry.metadata, key)?.value, value);
      }
    },
  },
  {
    title: "a change of one entry leaves every letter of its neighbours [G10]",
    async run(bench) {
      await bench.create("neighbour", { source: SOURCE });
      const holder = bench.holder();
      const record = await bench.grant("a", holder);
      await bench.heartbeat(holder, record);
      await bench.put(await bench.read("a"), { metadata: { key: 1 } });
      done(await bench.commit(holder, { kind: "remove", name: "a", expect: (await bench.read("a")).version }));
      assertLetters((await bench.read("neighbour")).source);
    },
  },
  {
    title: "a text that is no entry is invalid input, and nothing is changed [G11]",
    async run(bench) {
      const first = await bench.create("a");
      const { id: _, ...withoutId } = JSON.parse(SOURCE) as Record<string, unknown>;
      const texts = ["", "{", "[]", "null", "{}", JSON.stringify(withoutId), SOURCE.replace('"manager"', '"robot"')];
      for (const source of [...texts, `${SOURCE}}`]) {
        await assertThrows(bench.commit(bench.holder(), creation("b", { source })), "invalid-input");
        await assertThrows(bench.commit(bench.holder(), putOn(first, { source })), "invalid-input");
      }
      assert.equal((await bench.store.read("b")).record, null);
      assert.equal((await bench.read("a")).version, first.version);
    },
  },
  {
    title: "a text whose id belongs to another name is refused as existing already, and nothing is changed [G2]",
    async run(bench) {
      const first = await bench.create("a", { source: SOURCE });
      const second = await bench.create("b");
      await assertThrows(bench.commit(bench.holder(), creation("c", { source: SOURCE })), "already-exists");
      await assertThrows(bench.commit(bench.holder(), putOn(second, { source: SOURCE })), "already-exists");
      assert.equal((await bench.store.read("c")).record, null);
      assert.equal((await bench.read("b")).version, second.version);
      const moved = [{ kind: "remove", name: "a", expect: first.version }, putOn(second, { source: SOURCE })] as const;
      done(await bench.commit(bench.holder(), ...moved));
      assert.equal((await bench.read("b")).entry.id, first.entry.id);
    },
  },
  {
    title: "a new name that would have another name's id is refused as existing already, and nothing is made [G2]",
    async run(bench) {
      const { entry, version } = await bench.create("a");
      const id = ulid();
      const refused = [[creation("b", { id: entry.id })], [creation("b", { id }), creation("c", { id })]];
      for (const parts of refused) await assertThrows(bench.commit(bench.holder(), ...parts), "already-exists");
      for (const name of ["b", "c"]) assert.equal((await bench.store.read(name)).record, null);
      done(
        await bench.commit(
          bench.holder(),
          { kind: "remove", name: "a", expect: version },
          creation("b", { id: entry.id }),
        ),
      );
      assert.equal((await bench.read("b")).entry.id, entry.id);
    },
  },
  {
    title: "any string is a name, and odd ones are kept apart [G10]",
    async run(bench) {
      const ids = new Map<string, string>();
      for (const name of ODD_NAMES) {
        assert.equal((await bench.store.read(name)).record, null, `${JSON.stringify(name)} exists before it is made`);
        ids.set(name, (await bench.create(name, { metadata: { name } })).entry.id);
      }
      const other = await bench.another();
      const records = await other.list();
      assert.deepEqual([...records.keys()].toSorted(), ODD_NAMES.toSorted());
      for (const name of ODD_NAMES) {
        assert.equal(records.get(name)?.entry.id, ids.get(name));
        assert.deepEqual((await other.read(name)).entry.metadata, { name });
      }
    },
  },
  {
    title: "odd names are locked, refreshed, queued for, renamed and removed like others [G10]",
    async run(bench) {
      const holder = bench.holder();
      for (const name of ODD_NAMES) {
        const grant = await bench.grant(name, holder);
        assert.equal((await bench.heartbeat(holder, grant)).size, 0);
        done(await bench.commit(bench.holder(), { kind: "enqueue", name, ticket: "t" }));
        assert.equal((await bench.read(name)).waiters.length, 1);
        const { version } = await bench.read(name);
        done(await bench.commit(holder, { kind: "rename", name, to: "moved", expect: version }));
        assert.equal((await bench.heartbeat(holder, grant)).get(name)?.reason, "renamed");
        const moved = await bench.read("moved");
        done(await bench.commit(holder, { kind: "rename", name: "moved", to: name, expect: moved.version }));
        done(await bench.commit(holder, { kind: "remove", name, expect: (await bench.read(name)).version }));
      }
      assert.equal((await bench.list()).size, 0);
    },
  },
];

/** Nothing but the lock and the time of the last sight may differ from SOURCE. */
function assertLetters(source: string | undefined): void {
  assert.deepEqual([...membersOf(lettersOf(source ?? ""), "lock", "last_seen")], lettersKept());
}

function lettersKept(...without: readonly string[]): readonly (readonly [string, Letters])[] {
  return [...membersOf(lettersOf(SOURCE), "last_seen", ...without)];
}
