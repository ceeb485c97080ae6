import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Store } from "../../../src/stores/store.js";
import { DoomedProcess } from "../../contract/spawned-process.js";
import { creation, done, grant, NODE, newHolder, SqliteLab } from "./sqlite-lab.js";

describe("a watch", () => {
  it("tells which names have changed, by whichever process, and of nothing else [G12]", async () => {
    const lab = new SqliteLab();
    const writer = lab.store();
    const holder = newHolder();
    for (const name of ["a", "b", "c"]) await grant(writer, holder, name);
    const all = watching(lab.store());
    const some = watching(lab.store(), ["a", "d"]);
    expect(await all.next()).toBeNull();
    expect(await some.next()).toBeNull();
    const { record } = await writer.read("b");
    await done(
      writer.commit({
        holder,
        parts: [{ kind: "put", name: "b", expect: record?.version ?? "absent", write: { touch: true } }],
      }),
    );
    expect(await all.next()).toEqual(["b"]);
    await done(writer.commit({ holder, parts: [creation("d"), creation("e")] }));
    expect((await all.next())?.toSorted()).toEqual(["d", "e"]);
    expect(await some.next()).toEqual(["d"]);
    const { record: a } = await writer.read("a");
    await done(
      writer.commit({ holder, parts: [{ kind: "rename", name: "a", to: "z", expect: a?.version ?? ("" as never) }] }),
    );
    expect((await all.next())?.toSorted()).toEqual(["a", "z"]);
    expect(await some.next()).toEqual(["a"]);
    await writer.heartbeat(holder, new Map());
    expect(await Promise.race([all.next(), sleep(100, "silence")])).toBe("silence");
  });

  it("keeps what comes while nobody asks, each name once [G12]", async () => {
    const lab = new SqliteLab();
    const writer = lab.store();
    const holder = newHolder();
    await done(writer.commit({ holder, parts: [creation("first")] }));
    const watch = watching(lab.store());
    expect(await watch.next()).toBeNull();
    for (const name of ["a", "b", "a2"]) await done(writer.commit({ holder, parts: [creation(name)] }));
    await done(writer.commit({ holder, parts: [{ kind: "enqueue", name: "a", ticket: "t" }] }));
    await sleep(100);
    expect((await watch.next())?.toSorted()).toEqual(["a", "a2", "b"]);
  });

  it("says that any name may have changed when more has happened than is remembered [G12]", async () => {
    const lab = new SqliteLab();
    const writer = lab.store();
    const holder = newHolder();
    await done(writer.commit({ holder, parts: [creation("robot")] }));
    const watch = watching(lab.store());
    expect(await watch.next()).toBeNull();
    const many = Array.from({ length: 1_500 }, (_, i) => creation(`name ${i}`));
    await done(writer.commit({ holder, parts: many }));
    expect(await watch.next()).toBeNull();
    // What it was told last is not remembered any more either.
    const db = lab.database();
    db.exec("BEGIN IMMEDIATE");
    const last = db.prepare("SELECT max(seq) FROM changes").pluck().get() as number;
    db.prepare("INSERT INTO changes VALUES (?, 'unseen')").run(last + 1);
    db.prepare("INSERT INTO changes VALUES (?, 'seen')").run(last + 2);
    db.prepare("DELETE FROM changes WHERE seq < ?").run(last + 2);
    db.exec("COMMIT");
    expect(await watch.next()).toBeNull();
    await done(writer.commit({ holder, parts: [creation("later")] }));
    expect(await watch.next()).toEqual(["later"]);
  });

  it("of a registry that is not there yet tells when it is made [G12]", async () => {
    const lab = new SqliteLab();
    const store = lab.store();
    const watch = watching(store);
    expect(await watch.next()).toBeNull();
    const next = watch.next();
    expect(await Promise.race([next, sleep(50, "silence")])).toBe("silence");
    await (await lab.open()).resolve("robot", NODE);
    await next;
    expect((await store.read("robot")).record).not.toBeNull();
  });

  it("of one name tells of its holder's death, and one of all names that any may be free [G6]", async () => {
    const lab = new SqliteLab();
    const doomed = await DoomedProcess.start(lab.location);
    await doomed.commit(creation("held", { lock: { kind: "grant" } }), creation("other"));
    const [one, other, all] = [
      watching(lab.store(), ["held"]),
      watching(lab.store(), ["other"]),
      watching(lab.store()),
    ];
    for (const watch of [one, other, all]) expect(await watch.next()).toBeNull();
    // Told late of what was before.
    await sleep(100);
    await doomed.kill();
    expect(await one.next()).toEqual(["held"]);
    expect(await all.next()).toBeNull();
    expect(await Promise.race([other.next(), sleep(50, "silence")])).toBe("silence");
  });
});

/** Watches until the test ends. Asks once at a time. */
function watching(store: Store, names?: readonly string[]) {
  const controller = new AbortController();
  const options = { signal: controller.signal, ...(names === undefined ? {} : { names }) };
  const watch = store.watch(options)[Symbol.asyncIterator]();
  onTestFinished(() => controller.abort());
  let asked: Promise<readonly string[] | null> | undefined;
  return {
    async next(): Promise<readonly string[] | null> {
      asked ??= watch.next().then(({ value }) => value);
      const told = await asked;
      asked = undefined;
      return told;
    },
  };
}
