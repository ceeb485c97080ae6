import { setTimeout as sleep } from "node:timers/promises";
import BetterSqlite3 from "better-sqlite3";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { NameholdError } from "../../../src/core/errors.js";
import type { Clock } from "../../../src/core/timing.js";
import { systemClock } from "../../../src/platform/clock.js";
import { RegistryDatabase } from "../../../src/stores/sqlite/database.js";
import { TurnQueue } from "../../../src/stores/sqlite/turn-queue.js";
import { NodeProcess } from "../json-file/processes/node-process.js";
import { creation, done, grant, LONG, NODE, newHolder, SqliteLab } from "./sqlite-lab.js";

const CHANGED = { isDurable: false } as const;

describe("turns to write", () => {
  it("that are wanted in the same moment are one transaction", async () => {
    const { turns, database } = queue(stillClock());
    let commits = 0;
    turns.onCommit = () => {
      commits += 1;
    };
    const seqs = await Promise.all(
      Array.from({ length: 50 }, (_, i) => turns.run(CHANGED, (tx) => tx.log(`name ${i}`))),
    );
    expect(commits).toBe(1);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(new Set(seqs).size).toBe(50);
    expect(database.forWriting().sql.lastSeq.get()?.[0]).toBe(seqs.at(-1));
  });

  it("end in time for the event loop, whatever is queued: the others are the next transaction's [G12]", async () => {
    const { turns } = queue();
    const order: string[] = [];
    const slow = (name: string) =>
      turns.run(CHANGED, () => {
        const until = performance.now() + 15;
        while (performance.now() < until);
        order.push(name);
      });
    setImmediate(() => order.push("the event loop"));
    await Promise.all([slow("first"), slow("second"), slow("third"), slow("fourth")]);
    expect(order.indexOf("the event loop")).toBeGreaterThan(0);
    expect(order.indexOf("the event loop")).toBeLessThan(4);
  });

  it("let a heartbeat go before what waits already", async () => {
    const { turns } = queue();
    const order: string[] = [];
    const jobs = ["a", "b"].map((name) => turns.run(CHANGED, () => order.push(name)));
    const urgent = turns.run({ isDurable: false, isUrgent: true }, () => order.push("heartbeat"));
    await Promise.all([...jobs, urgent]);
    expect(order).toEqual(["heartbeat", "a", "b"]);
  });

  it("fail alone by what they find wrong with what they were asked, and the others are done [G9]", async () => {
    const { turns, database } = queue();
    const before = turns.run(CHANGED, (tx) => tx.log("before"));
    const wrong = turns.run(CHANGED, (tx) => {
      tx.next();
      throw new NameholdError("invalid-input", "no");
    });
    const after = turns.run(CHANGED, (tx) => tx.log("after"));
    await expect(wrong).rejects.toMatchObject({ code: "invalid-input" });
    expect(await after).toBeGreaterThan(await before);
    expect(names(database)).toEqual(["before", "after"]);
  });

  it("change nothing when the transaction breaks, and are told why, all of them [G9, G11]", async () => {
    const { turns, database } = queue(stillClock());
    const outcomes: string[] = [];
    const jobs = [
      turns.run(CHANGED, (tx) => {
        tx.onSettled((outcome) => outcomes.push(outcome));
        tx.log("gone");
      }),
      turns.run(CHANGED, () => {
        throw Object.assign(new Error("database disk image is malformed"), { code: "SQLITE_CORRUPT" });
      }),
    ];
    for (const job of jobs) await expect(job).rejects.toMatchObject({ code: "damaged" });
    expect(outcomes).toEqual(["rolled-back"]);
    expect(names(database)).toEqual([]);
    await turns.run(CHANGED, (tx) => tx.log("there"));
    expect(names(database)).toEqual(["there"]);
  });

  it.each([
    ["SQLITE_FULL", "storage-failed", "rolled-back"],
    ["SQLITE_IOERR_FSYNC", "outcome-unknown", "unknown"],
    ["SQLITE_IOERR_WRITE", "outcome-unknown", "unknown"],
  ] as const)("whose commit fails with %s are %s [G11]", async (sqliteCode, code, outcome) => {
    const { turns, database } = queue();
    await turns.run(CHANGED, (tx) => tx.log("before"));
    const outcomes: string[] = [];
    const { sql } = database.forWriting();
    const commit = sql.commit;
    const failing = (): never => {
      throw Object.assign(new Error("the disk"), { code: sqliteCode });
    };
    Object.assign(sql, { commit: { run: failing } });
    const job = turns.run(CHANGED, (tx) => {
      tx.onSettled((settled) => outcomes.push(settled));
      tx.log("lost");
    });
    await expect(job).rejects.toMatchObject({ code });
    expect(outcomes).toEqual([outcome]);
    Object.assign(sql, { commit });
    await turns.run(CHANGED, (tx) => tx.log("after"));
    expect(names(database)).toEqual(["before", "after"]);
  });
});

describe("a commit whose outcome is not known", () => {
  it("is answered so, and the holder's heartbeat finds out what it has [G4, G11]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const holder = newHolder();
    const first = await grant(store, holder, "first");
    // The commit comes about, and its answer gets lost.
    const db = lab.database();
    const lost = await breakNextCommit(() =>
      store.commit({ holder, parts: [creation("second", { lock: { kind: "grant" } })] }),
    );
    expect(lost.kind).toBe("unknown");
    const { record } = await store.read("second");
    expect(record?.entry.lock?.holderInstance).toBe(holder.instance);
    expect(db.prepare("SELECT count(*) FROM holders").pluck().get()).toBe(1);
    const names = new Map([
      ["first", first.token],
      ["second", record?.token ?? 0],
    ]);
    expect((await store.heartbeat(holder, names)).size).toBe(0);
    expect((await grant(store, holder, "third")).token).toBeGreaterThan(record?.token ?? 0);
    expect(db.prepare("SELECT count(*) FROM holders").pluck().get()).toBe(1);
    expect((await store.heartbeat(holder, names)).size).toBe(0);
  });

  it("of the first lock of a holder does not make a second life of it later [G2, G7]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    await store.commit({ holder: newHolder(), parts: [creation("there")] });
    const holder = newHolder();
    const lost = await breakNextCommit(() =>
      store.commit({ holder, parts: [creation("mine", { lock: { kind: "grant" } })] }),
    );
    expect(lost.kind).toBe("unknown");
    const token = (await store.read("mine")).record?.token ?? 0;
    await grant(store, holder, "another");
    const { record } = await lab.store().read("mine");
    expect(record?.holder?.evidence.kind).toBe("beat");
    expect((await store.heartbeat(holder, new Map([["mine", token]]))).size).toBe(0);
  });
});

describe("a database that another process keeps locked", () => {
  it("is busy in time, reads go on, and the event loop is not held up [G11, G12]", async () => {
    const lab = new SqliteLab();
    const store = lab.store({ timeoutMs: 400 });
    const holder = newHolder();
    await grant(store, holder, "robot");
    const db = lab.database();
    db.exec("BEGIN IMMEDIATE");
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    }, 10);
    onTestFinished(() => clearInterval(ticking));
    const from = performance.now();
    const attempts = [
      store.commit({ holder, parts: [creation("new")] }),
      store.heartbeat(holder, new Map([["robot", 1]])),
      lab.store({ timeoutMs: 400 }).commit({ holder: newHolder(), parts: [creation("other")] }),
    ];
    expect((await store.read("robot")).record).not.toBeNull();
    for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ code: "busy" });
    const tookMs = performance.now() - from;
    expect(tookMs).toBeGreaterThanOrEqual(390);
    expect(tookMs).toBeLessThan(3_000);
    expect(turns).toBeGreaterThan(10);
    db.exec("COMMIT");
    await done(store.commit({ holder, parts: [creation("new")] }));
  });

  it("by a process that was stopped before the gate is passed by soon [G12]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    await registry.resolve("robot", NODE);
    const stopped = await NodeProcess.start();
    expect(await stopped.call("keepGate", lab.path)).toBe(true);
    stopped.signal("SIGSTOP");
    const from = performance.now();
    await (await registry.claim("robot", NODE)).release();
    expect(performance.now() - from).toBeLessThan(3_000);
  });

  it("for a moment is waited for [G12]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open(LONG);
    await registry.resolve("robot", NODE);
    const db = lab.database();
    db.exec("BEGIN IMMEDIATE");
    const resolving = registry.resolve("new", NODE);
    await sleep(50);
    db.exec("COMMIT");
    expect(await resolving).not.toBe("");
  });
});

function queue(clock: Clock = systemClock) {
  const lab = new SqliteLab();
  const database = new RegistryDatabase({
    path: lab.path,
    clock,
    timeoutMs: 5_000,
    isAlwaysDurable: false,
  });
  const turns = new TurnQueue(database, clock, 5_000);
  onTestFinished(async () => {
    await turns.settled();
    turns.close();
    database.close();
  });
  return { turns, database };
}

/** However slow the machine is, a transaction does not take so long that it ends before all is in it. */
function stillClock(): Clock {
  const now = systemClock.monotonicMs();
  return { ...systemClock, monotonicMs: () => now };
}

function names(database: RegistryDatabase): readonly unknown[] {
  return database
    .forWriting()
    .sql.changesSince.all(0)
    .map(([, name]) => name);
}

/** The next commit of this process comes about, but SQLite says that the disk failed. */
async function breakNextCommit<T>(act: () => Promise<T>): Promise<T> {
  const db = new BetterSqlite3(":memory:");
  const statements = Object.getPrototypeOf(db.prepare("SELECT 1")) as BetterSqlite3.Statement;
  db.close();
  const run = statements.run;
  let isBroken = false;
  const spy = vi.spyOn(statements, "run").mockImplementation(function (
    this: BetterSqlite3.Statement,
    ...args: unknown[]
  ) {
    const result = run.apply(this, args);
    if (this.source !== "COMMIT" || isBroken) return result;
    isBroken = true;
    throw Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_FSYNC" });
  });
  try {
    return await act();
  } finally {
    spy.mockRestore();
    expect(isBroken).toBe(true);
  }
}
