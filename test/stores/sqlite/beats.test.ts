import { describe, expect, it } from "vitest";
import { decideClaim, judgeLock } from "../../../src/core/lock-rules.js";
import { Observer } from "../../../src/registry/observer.js";
import { ShiftedClock } from "../json-file/shifted-clock.js";
import { creation, done, grant, newHolder, SqliteLab } from "./sqlite-lab.js";

const TTL_MS = 30_000;

describe("one heartbeat", () => {
  it("writes one row, however many names it is for, and none of theirs [G7]", async () => {
    const { store, db, clock } = lab();
    const holder = newHolder();
    const names = new Map<string, number>();
    for (let i = 0; i < 50; i += 1) names.set(`name ${i}`, (await grant(store, holder, `name ${i}`)).token);
    const before = dump(db);
    const changesBefore = changesOf(db);
    clock.pass(1_000);
    expect((await store.heartbeat(holder, names)).size).toBe(0);
    expect(dump(db)).toEqual(before);
    // Nobody who watches is woken by a sign of life.
    expect(changesOf(db)).toEqual(changesBefore);
    expect(db.prepare("SELECT beat FROM holders").pluck().all()).toEqual([2]);
    for (const name of names.keys()) {
      const state = judgeLock(await store.read(name), 0);
      expect(state.kind === "held" && Math.round(state.lapsesInMs / 100)).toBe(TTL_MS / 100);
    }
  });

  it("for a few of many names refreshes those alone, and the others are refreshed by the next for all [G6, G7]", async () => {
    const { store, db, clock } = lab();
    const holder = newHolder();
    const names = new Map<string, number>();
    for (let i = 0; i < 20; i += 1) names.set(`name ${i}`, (await grant(store, holder, `name ${i}`)).token);
    clock.pass(20_000);
    const before = dump(db);
    expect((await store.heartbeat(holder, new Map([["name 3", names.get("name 3") ?? 0]]))).size).toBe(0);
    expect(dump(db).filter((row, i) => JSON.stringify(row) !== JSON.stringify(before[i])).length).toBe(1);
    clock.pass(20_000);
    expect(judgeLock(await store.read("name 3"), 0).kind).toBe("held");
    expect(judgeLock(await store.read("name 4"), 0).kind).toBe("free");
    expect((await store.heartbeat(holder, names)).size).toBe(0);
    for (const name of names.keys()) expect(judgeLock(await store.read(name), 0).kind).toBe("held");
  });

  it("without a name that it had lets that one lapse, and with it again refreshes it again [G6, G7]", async () => {
    const { store, db, clock } = lab();
    const holder = newHolder();
    const all = new Map<string, number>();
    for (const name of ["a", "b", "c"]) all.set(name, (await grant(store, holder, name)).token);
    const some = new Map([...all].filter(([name]) => name !== "b"));
    for (let beat = 0; beat < 3; beat += 1) {
      clock.pass(12_000);
      expect((await store.heartbeat(holder, some)).size).toBe(0);
    }
    expect(judgeLock(await store.read("b"), 0)).toEqual({ kind: "free", why: "silent" });
    const written = dump(db);
    expect((await store.heartbeat(holder, some)).size).toBe(0);
    // It is marked once.
    expect(dump(db)).toEqual(written);
    expect((await store.heartbeat(holder, all)).size).toBe(0);
    clock.pass(12_000);
    expect((await store.heartbeat(holder, all)).size).toBe(0);
    clock.pass(20_000);
    expect(judgeLock(await store.read("b"), 0).kind).toBe("held");
  });

  it("is not taken for a sign of life of a lapsed lock: who takes that over is not refused by it [G6]", async () => {
    const { store, clock } = lab();
    const holder = newHolder();
    const kept = new Map([["kept", (await grant(store, holder, "kept")).token]]);
    await grant(store, holder, "dropped");
    for (let beat = 0; beat < 3; beat += 1) {
      await store.heartbeat(holder, kept);
      clock.pass(20_000);
    }
    const { record } = await store.read("dropped");
    await store.heartbeat(holder, kept);
    if (record?.holder == null) throw new Error("the lock is there");
    const write = { lock: { kind: "grant" } } as const;
    const { version, holder: lapsed } = record;
    const takeover = { kind: "put", name: "dropped", expect: version, expectHolder: lapsed.version, write } as const;
    expect(await store.commit({ holder: newHolder(), parts: [takeover] })).toMatchObject({ kind: "done" });
  });

  it("is told of a lock that another took away without a word [G4, G5]", async () => {
    const { store, sqlite, clock } = lab();
    const holder = newHolder();
    const kept = await grant(store, holder, "kept");
    const cleared = await grant(store, holder, "cleared");
    const clear = {
      kind: "put",
      name: "cleared",
      expect: cleared.version,
      write: { lock: { kind: "clear" } },
    } as const;
    await done(sqlite.store({ clock }).commit({ holder: newHolder(), parts: [clear] }));
    const both = new Map([["kept", kept.token] as const, ["cleared", cleared.token] as const]);
    expect([...(await store.heartbeat(holder, both)).keys()]).toEqual(["cleared"]);
  });

  it("forgets after a while what nobody asks about any more", async () => {
    const { store, db, clock } = lab();
    const holder = newHolder();
    const kept = await grant(store, holder, "kept");
    const lost = await grant(store, holder, "lost");
    const word = { reason: "revoked" } as const;
    const clear = {
      kind: "put",
      name: "lost",
      expect: lost.version,
      write: { lock: { kind: "clear", word } },
    } as const;
    await done(store.commit({ holder: newHolder(), parts: [clear] }));
    const both = new Map([["kept", kept.token] as const, ["lost", lost.token] as const]);
    clock.pass(20 * 60_000);
    expect((await store.heartbeat(holder, both)).get("lost")?.reason).toBe("revoked");
    expect(db.prepare("SELECT count(*) FROM words").pluck().get()).toBe(1);
    await store.heartbeat(holder, new Map([["kept", kept.token]]));
    expect(db.prepare("SELECT count(*) FROM words").pluck().get()).toBe(0);
  });

  it("of another time namespace, whose clock says nothing here, keeps its names all the same [G7]", async () => {
    const { sqlite, store, db, clock } = lab();
    const holder = newHolder();
    const { token } = await grant(store, holder, "robot");
    db.prepare("UPDATE holders SET clock = 'another boot time:[1]', beat_at = 5").run();
    const other = sqlite.store({ clock });
    const observer = new Observer(clock);
    const look = async () => {
      const snapshot = await other.read("robot");
      expect(snapshot.record?.holder?.evidence).toEqual({ kind: "written", clockTrusted: false });
      return judgeLock(snapshot, observer.watchedMs(snapshot)).kind;
    };
    for (let beat = 0; beat < 4; beat += 1) {
      expect(await look()).toBe("held");
      clock.pass(20_000);
      expect((await store.heartbeat(holder, new Map([["robot", token]]))).size).toBe(0);
    }
    expect(await look()).toBe("held");
    // Silent, it is watched for its TTL.
    clock.pass(TTL_MS + 1);
    expect(await look()).toBe("free");
  });
});

describe("the end of a life", () => {
  it("that was ended by a second life of the same instance frees its names, and its heartbeat is told [G2, G4, G6]", async () => {
    const { sqlite, store, db, clock } = lab();
    const holder = newHolder();
    const { token } = await grant(store, holder, "robot");
    // As by a process that has found its presence dead.
    db.prepare("DELETE FROM holders").run();
    const snapshot = await sqlite.store({ clock }).read("robot");
    expect(decideClaim(snapshot, undefined, 0)).toEqual({ kind: "take", why: "dead" });
    expect((await store.heartbeat(holder, new Map([["robot", token]]))).get("robot")?.reason).toBe("expired");
    expect((await grant(store, holder, "another")).token).toBeGreaterThan(token);
  });

  it("by close gives its locks up one by one, into the history [G6]", async () => {
    const { sqlite, store, db } = lab();
    const holder = newHolder();
    for (const name of ["a", "b"]) await grant(store, holder, name);
    await done(store.commit({ holder: newHolder(), parts: [creation("c")] }));
    await done(store.commit({ holder, parts: [{ kind: "enqueue", name: "c", ticket: "t" }] }));
    await store.close();
    expect(db.prepare("SELECT count(*) FROM entries WHERE holder IS NOT NULL OR waiters > 0").pluck().get()).toBe(0);
    for (const table of ["holders", "waiters"])
      expect(db.prepare(`SELECT count(*) FROM ${table}`).pluck().get()).toBe(0);
    const holds = await Array.fromAsync(sqlite.store().history({}));
    expect(holds.map(({ name, ending }) => `${name} ${ending.how}`).toSorted()).toEqual(["a released", "b released"]);
  });
});

function lab() {
  const sqlite = new SqliteLab();
  const clock = new ShiftedClock();
  const store = sqlite.store({ clock });
  return { sqlite, clock, store, db: lazily(sqlite) };
}

/** Opened when it is first used: by then there is a database. */
function lazily(sqlite: SqliteLab): Database {
  let db: ReturnType<SqliteLab["database"]> | undefined;
  return {
    prepare: (sql) => {
      db ??= sqlite.database();
      return db.prepare(sql);
    },
  };
}

type Database = Pick<ReturnType<SqliteLab["database"]>, "prepare">;

function dump(db: Database): readonly unknown[] {
  return db.prepare("SELECT * FROM entries ORDER BY n").all();
}

function changesOf(db: Database): unknown {
  return db.prepare("SELECT max(seq) FROM changes").pluck().get();
}
