import { describe, expect, it } from "vitest";
import { NodeProcess } from "../json-file/processes/node-process.js";
import { creation, done, grant, LONG, newHolder, SqliteLab } from "./sqlite-lab.js";

describe("what a store has written last", () => {
  it("is not taken for written when its transaction came to nothing [G2]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const holder = newHolder();
    await done(store.commit({ holder, parts: [creation("good")] }));
    await grant(store, holder, "bad");
    const db = lab.database();
    db.exec(`CREATE TRIGGER full BEFORE INSERT ON holds WHEN new.name = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END`);
    const [good, bad] = [(await store.read("good")).record, (await store.read("bad")).record];
    if (good === null || bad === null) throw new Error("both are there");
    const touch = { kind: "put", name: "good", expect: good.version, write: { touch: true } } as const;
    const clear = { kind: "put", name: "bad", expect: bad.version, write: { lock: { kind: "clear" } } } as const;
    const both = await Promise.allSettled([touch, clear].map((part) => store.commit({ holder, parts: [part] })));
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await done(store.commit({ holder, parts: [touch] }));
    db.exec("DROP TRIGGER full");
  });

  it("is not what it was when this process has ended a dead one's life [G6]", async () => {
    const lab = new SqliteLab();
    const other = await NodeProcess.over(lab.location, LONG);
    await other.call("claim", "robot");
    await other.kill();
    const store = lab.store();
    const stale = { kind: "put", name: "robot", expect: "absent", write: { touch: true } } as const;
    expect((await store.commit({ holder: newHolder(), parts: [stale] })).kind).toBe("conflict");
    // Who begins a life looks for those that are over.
    await grant(store, newHolder(), "another");
    const { record } = await store.read("robot");
    if (record?.holder == null) throw new Error("there should be a lock");
    const lock = { kind: "grant" } as const;
    const take = { kind: "put", name: "robot", expect: record.version, expectHolder: record.holder.version } as const;
    await done(store.commit({ holder: newHolder(), parts: [{ ...take, write: { lock } }] }));
  });
});
