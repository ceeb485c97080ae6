import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import BetterSqlite3 from "better-sqlite3";
import { describe, expect, it, vi } from "vitest";
import type { PastHold } from "../../../src/core/history.js";
import { wallMs } from "../../../src/core/timing.js";
import { HOLDS_MAX, HOLDS_MAX_PER_NAME } from "../../../src/stores/sqlite/statements.js";
import type { ChangePart } from "../../../src/stores/store.js";
import { ShiftedClock } from "../json-file/shifted-clock.js";
import { creation, done, grant, LONG, NODE, newHolder, SqliteLab } from "./sqlite-lab.js";

describe("a backup", () => {
  it("is left by a removal, a rename and a replacing import, with the entries as they were, and can be imported [G1]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    const ids = new Map<string, string>();
    for (const name of ["a", "b", "c", "d"])
      ids.set(name, await registry.resolve(name, { ...NODE, metadata: { name } }));
    await registry.rename("a", "a2");
    await registry.importEntries(await exported(ids.get("c") ?? "", "c"), { merge: false, force: true });
    const backups = readdirSync(join(lab.holders, "backups")).toSorted();
    expect(backups.map((file) => file.replace(/^.*-/, ""))).toEqual(["rename.json", "remove.json"]);
    const restored = await Promise.all(
      backups.map((file) => imported(readFileSync(join(lab.holders, "backups", file), "utf8"))),
    );
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => [ids.get(name), { name }]);
    expect(restored).toEqual([{ a }, { a2: a, b, c, d }]);
  });

  it("is told of by the commit that left it [G1]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const { snapshots } = await done(store.commit({ holder: newHolder(), parts: [creation("a")] }));
    const record = snapshots.get("a")?.record ?? null;
    const remove: ChangePart = { kind: "remove", name: "a", expect: record?.version ?? ("" as never) };
    const { backup } = await done(store.commit({ holder: newHolder(), parts: [remove] }));
    expect(readFileSync(backup ?? "", "utf8")).toContain(record?.entry.id);
  });

  it("that cannot be kept leaves the entry [G1, G11]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    const id = await registry.resolve("a", NODE);
    writeFileSync(join(lab.holders, "backups"), "in the way");
    await expect(registry.rename("a", "b")).rejects.toMatchObject({ code: "storage-failed" });
    expect([await registry.lookup("a"), await registry.lookup("b")]).toEqual([id, null]);
  });
});

describe("tokens", () => {
  it("rise over a power loss that took the last transactions and the time with them [G3]", async () => {
    const lab = new SqliteLab();
    const clock = new ShiftedClock();
    const store = lab.store({ clock });
    clock.pass(30_000);
    const { token } = await grant(store, newHolder(), "robot");
    await store.close();
    // Another boot, an older log, a clock that was reset.
    const db = lab.database();
    db.exec("UPDATE registry SET boot_id = 'another boot'; DELETE FROM changes WHERE seq > 1");
    db.close();
    const reset = new ShiftedClock();
    reset.stepWall(-24 * 60 * 60_000);
    const again = lab.store({ clock: reset });
    expect(await again.lastToken()).toBeGreaterThanOrEqual(token);
    const first = await grant(again, newHolder(), "robot");
    const second = await grant(lab.store({ clock: reset }), newHolder(), "robot");
    expect(token < first.token && first.token < second.token).toBe(true);
  });

  it("rise while the clock goes back [G3]", async () => {
    const lab = new SqliteLab();
    const clock = new ShiftedClock();
    const store = lab.store({ clock });
    const { token } = await grant(store, newHolder(), "robot");
    clock.stepWall(-60 * 60_000);
    expect((await grant(store, newHolder(), "robot")).token).toBeGreaterThan(token);
    expect((await grant(lab.store({ clock }), newHolder(), "robot")).token).toBeGreaterThan(token + 1);
  });
});

describe("a commit", () => {
  it("that changes an identity is on the disk before it is told, any other where that is asked for [G1]", async () => {
    const lab = new SqliteLab();
    const [store, full] = [lab.store(), lab.store({ durability: "full" })];
    const holder = newHolder();
    const { version } = await grant(store, holder, "robot");
    const touch = { kind: "put", name: "robot", expect: version, write: { touch: true } } as const;
    const there = (await done(store.commit({ holder, parts: [touch] }))).snapshots.get("robot")?.record?.version;
    if (there === undefined) throw new Error("robot is there");
    const queueing = { kind: "dequeue", name: "robot", ticket: "t" } as const;
    const commits: readonly (readonly [what: string, wanted: string, act: () => Promise<unknown>])[] = [
      ["a heartbeat", "NORMAL", () => store.heartbeat(holder, new Map())],
      ["a place in a queue", "NORMAL", () => store.commit({ holder, parts: [queueing] })],
      ["a new name", "FULL", () => store.commit({ holder, parts: [creation("new")] })],
      ["a lock", "NORMAL", () => grant(store, newHolder(), "new")],
      [
        "a rename",
        "FULL",
        () => store.commit({ holder, parts: [{ kind: "rename", name: "robot", to: "b", expect: there }] }),
      ],
      ["a heartbeat where all is durable", "FULL", () => full.heartbeat(holder, new Map())],
    ];
    for (const [what, wanted, act] of commits) expect([what, await durabilityOf(act)]).toEqual([what, [wanted]]);
  });
});

describe("the history", () => {
  it("of one name is bounded, so that one that comes and goes all day pushes out nobody else's [G12]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    await done(store.commit({ holder: newHolder(), parts: [creation("robot"), creation("busy")] }));
    const calm = hold("robot", 1);
    await done(store.commit({ holder: newHolder(), parts: [recall(calm)] }));
    const busy = Array.from({ length: HOLDS_MAX_PER_NAME + 500 }, (_, i) => recall(hold("busy", i + 10)));
    await done(store.commit({ holder: newHolder(), parts: busy }));
    const kept = await Array.fromAsync(store.history({ name: "busy" }));
    expect(kept.length).toBeLessThan(HOLDS_MAX_PER_NAME + 100);
    expect(kept[0]?.token).toBe(HOLDS_MAX_PER_NAME + 509);
    expect(kept.map(({ until }) => until)).toEqual(kept.map(({ until }) => until).toSorted((a, b) => b - a));
    expect(await Array.fromAsync(store.history({ name: "robot" }))).toEqual([calm]);
  });

  it("of all names is bounded [G12]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    await done(store.commit({ holder: newHolder(), parts: [creation("robot")] }));
    const db = lab.database();
    const row =
      "(k, subject, name, id, instance, pid, host, since_wall, last_heartbeat_wall, until_wall, how, observed) VALUES (?, -1, ?, 'i', 'i', 1, 'h', 0, 0, 0, 'lost', 0)";
    for (const k of [1, 2, HOLDS_MAX + 1]) db.prepare(`INSERT INTO holds ${row}`).run(k, `name ${k}`);
    await done(store.commit({ holder: newHolder(), parts: [recall(hold("robot", 1))] }));
    expect(db.prepare("SELECT k FROM holds ORDER BY k").pluck().all()).toEqual([HOLDS_MAX + 1, HOLDS_MAX + 2]);
  });

  it("is read page by page, and by name and ID together as well", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const holds = Array.from({ length: 700 }, (_, i) => ({
      ...hold(`name ${i % 2}`, i),
      id: i % 3 === 0 ? "x" : `id ${i}`,
    }));
    await done(store.commit({ holder: newHolder(), parts: [creation("robot"), ...holds.map(recall)] }));
    const newest = holds.toReversed();
    expect(await Array.fromAsync(store.history({}))).toEqual(newest);
    const asked = { name: "name 1", id: "x" };
    const either = newest.filter(({ name, id }) => name === asked.name || id === asked.id);
    expect(await Array.fromAsync(store.history(asked))).toEqual(either);
  });
});

describe("the log of changes", () => {
  it("is pruned, and what was given last is remembered [G3, G12]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const holder = newHolder();
    await done(store.commit({ holder, parts: [creation("robot")] }));
    const db = lab.database();
    const first = db.prepare("SELECT max(seq) FROM changes").pluck().get() as number;
    const insert = db.prepare("INSERT INTO changes VALUES (?, 'robot')");
    db.transaction(() => {
      for (let i = 1; i <= 11_000; i += 1) insert.run(first + i);
    })();
    const last = await store.lastToken();
    for (let i = 0; i < 1_100; i += 1)
      await store.commit({ holder, parts: [{ kind: "offer", name: "robot", ticket: "t" }] });
    const count = db.prepare("SELECT count(*) FROM changes").pluck().get() as number;
    expect(count).toBeGreaterThanOrEqual(10_000);
    expect(count).toBeLessThan(11_500);
    expect(await store.lastToken()).toBeGreaterThan(last);
  });
});

describe("a name that UTF-8 has no form for", () => {
  it("is kept apart from its neighbours, and found in lists, watches and history [G10]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open(LONG);
    const names = ["\ud800", "\ud801", "\ufffd", "a\udc00", "a"];
    const ids = new Map<string, string>();
    for (const name of names) ids.set(name, (await registry.claim(name, NODE)).id);
    expect(new Set(ids.values()).size).toBe(names.length);
    const other = await lab.open(LONG);
    for (const name of names) expect(await other.lookup(name)).toBe(ids.get(name));
    expect((await Array.fromAsync(other.list())).map(({ name }) => name)).toEqual(names);
    await registry.releaseAll();
    for (const name of names)
      expect((await Array.fromAsync(other.store.history({ name }))).map((one) => one.name)).toEqual([name]);
  });

  it("is no instance's [G11]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open({ ...LONG, instanceId: "me \ud800" });
    await expect(registry.claim("robot", NODE)).rejects.toMatchObject({ code: "invalid-input" });
  });
});

function hold(name: string, n: number): PastHold {
  const since = wallMs(1_700_000_000_000 + n * 1_000);
  return {
    name,
    id: `id of ${name}`,
    holder: { instance: `instance ${n}`, pid: n, host: "here" },
    token: n,
    since,
    lastHeartbeat: since,
    until: wallMs(since + 500),
    ending: { how: "released" },
    observed: false,
  };
}

function recall(one: PastHold): ChangePart {
  return { kind: "recall", name: one.name, hold: one };
}

/** How much of the disk each commit of this process waits for. */
async function durabilityOf(act: () => Promise<unknown>): Promise<readonly string[]> {
  const db = new BetterSqlite3(":memory:");
  const statements = Object.getPrototypeOf(db.prepare("SELECT 1")) as BetterSqlite3.Statement;
  db.close();
  const run = statements.run;
  const found: string[] = [];
  const spy = vi.spyOn(statements, "run").mockImplementation(function (
    this: BetterSqlite3.Statement,
    ...args: unknown[]
  ) {
    const level = this.source === "COMMIT" ? this.database.pragma("synchronous", { simple: true }) : undefined;
    if (level !== undefined) found.push(level === 2 ? "FULL" : "NORMAL");
    return run.apply(this, args);
  });
  try {
    await act();
    return found;
  } finally {
    spy.mockRestore();
  }
}

/** What a new registry has after this was imported into it: ID and metadata by name. */
async function imported(text: string): Promise<Readonly<Record<string, unknown>>> {
  const registry = await new SqliteLab().open();
  await registry.importEntries(text);
  const entries = await Array.fromAsync(registry.list());
  return Object.fromEntries(entries.map(({ name, entry }) => [name, [entry.id, entry.metadata]]));
}

async function exported(id: string, name: string): Promise<string> {
  const entry = {
    id,
    component_type: "node",
    created_at: "2026-01-01T00:00:00.000000Z",
    last_seen: "2026-01-01T00:00:00.000000Z",
    metadata: { name },
    lock: null,
    workcell_id: null,
  };
  return JSON.stringify({ version: 1, entries: { [name]: entry } });
}
