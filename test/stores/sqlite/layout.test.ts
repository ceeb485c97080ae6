import { ulid } from "ulid";
import { describe, expect, it } from "vitest";
import type { SqliteStore } from "../../../src/stores/sqlite/sqlite-store.js";
import type { EntryWrite } from "../../../src/stores/store.js";
import { creation, done, grant, newHolder, SqliteLab } from "./sqlite-lab.js";

const LONG_TEXT = "x".repeat(5_000);

describe("a long text", () => {
  it("stands apart from what a claim writes, and goes when it is over or its entry is removed [G1, G10]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const metadata = { text: LONG_TEXT };
    await done(
      store.commit({ holder: newHolder(), parts: [creation("a", { metadata }), creation("b", { metadata })] }),
    );
    const db = lab.database();
    const apart = (): unknown => db.prepare("SELECT count(*) FROM texts").pluck().get();
    const inRows = (): unknown => db.prepare("SELECT sum(length(source)) FROM entries").pluck().get();
    expect([apart(), inRows()]).toEqual([2, null]);
    await grant(store, newHolder(), "a");
    expect((await store.read("a")).record?.entry.metadata).toEqual(metadata);
    expect((await put(store, "a", { metadata: { text: "short" } })).entry.metadata).toEqual({ text: "short" });
    expect(apart()).toBe(1);
    expect((await put(store, "a", { metadata: { text: LONG_TEXT } })).entry.metadata).toEqual(metadata);
    expect([apart(), inRows()]).toEqual([2, null]);
    await done(
      store.commit({
        holder: newHolder(),
        parts: [{ kind: "rename", name: "b", to: "c", expect: await versionOf(store, "b") }],
      }),
    );
    expect((await store.read("c")).record?.entry.metadata).toEqual(metadata);
    await done(
      store.commit({
        holder: newHolder(),
        parts: [{ kind: "remove", name: "c", expect: await versionOf(store, "c") }],
      }),
    );
    expect(apart()).toBe(1);
  });
});

describe("a lock under an earlier ID of its entry", () => {
  it("keeps that ID from others until it is over, and no longer [G2]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const holder = newHolder();
    const { entry } = await grant(store, holder, "a");
    const source = sourceWith(entry.id);
    await put(store, "a", { source: sourceWith(ulid()) });
    const taken = store.commit({ holder, parts: [creation("b", { source })] });
    await expect(taken).rejects.toMatchObject({ code: "held" });
    await put(store, "a", { lock: { kind: "clear" } });
    await grant(store, holder, "a");
    await done(
      lab.store().commit({ holder, parts: [{ kind: "put", name: "b", expect: "absent", write: { source } }] }),
    );
  });
});

describe("what is remembered of a name and an ID that have parted", () => {
  it("goes with the last of their holds [G12]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const holder = newHolder();
    await done(store.commit({ holder, parts: [creation("never held")] }));
    await grant(store, holder, "held");
    for (const name of ["held", "never held"]) {
      await done(store.commit({ holder, parts: [{ kind: "remove", name, expect: await versionOf(store, name) }] }));
    }
    const db = lab.database();
    const remembered = () => db.prepare("SELECT name FROM subjects ORDER BY s").pluck().all();
    expect(remembered()).toEqual(["held", "never held"]);
    const later = lab.store();
    await grant(later, newHolder(), "another");
    await put(later, "another", { lock: { kind: "clear" } });
    expect(remembered()).toEqual(["held"]);
    expect((await Array.fromAsync(store.history({ name: "held" }))).length).toBe(1);
  });
});

async function put(store: SqliteStore, name: string, write: EntryWrite) {
  const part = { kind: "put", name, expect: await versionOf(store, name), write } as const;
  const { snapshots } = await done(store.commit({ holder: newHolder(), parts: [part] }));
  const record = snapshots.get(name)?.record;
  if (record == null) throw new Error(`${name} is there`);
  return record;
}

async function versionOf(store: SqliteStore, name: string) {
  const { record } = await store.read(name);
  if (record === null) throw new Error(`${name} is there`);
  return record.version;
}

function sourceWith(id: string): string {
  return JSON.stringify({ id, component_type: "node" });
}
