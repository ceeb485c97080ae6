import assert from "node:assert/strict";
import type { FormerLock, Version } from "../../core/record.js";
import type { ChangePart } from "../../stores/store.js";
import { assertThrows, type Bench, creation, done, type Granted, granted, putOn, recordIn, refused } from "./bench.js";
import type { ContractCase } from "./harness.js";

const OTHER_ID = "01JQ0000000000000000000000";

/** Locks that were taken away with their names: their holders may not know it yet. */
export const formerCases: readonly ContractCase[] = [
  {
    title:
      "the name of a lock that was renamed away or removed is kept from others until its holder is silent [G2, G7]",
    async run(bench) {
      for (const takeAway of [rename, remove]) {
        const first = await bench.grant("a", bench.holder());
        await takeAway(bench, first);
        assert.equal((await bench.store.read("a")).record, null);
        assert.equal((await formerOf(bench, "a")).lock.holderInstance, first.entry.lock?.holderInstance);
        assert.equal((await bench.judge("a")).kind, "held");
        await bench.elapse(0.5);
        assert.equal((await bench.judge("a")).kind, "held");
        await bench.elapse(0.6);
        assert.equal((await bench.judge("a")).kind, "free");
        const { version } = await bench.grant("a", bench.holder());
        done(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: version }));
        await bench.elapse(1.1);
      }
    },
  },
  {
    title: "the ID of a lock that was taken away with its name comes to no other name until its holder is silent [G2]",
    async run(bench) {
      for (const takeAway of [remove, replace]) {
        const first = await bench.grant("a", bench.holder());
        await takeAway(bench, first);
        const under = creation("b", { source: first.source });
        await assertThrows(bench.commit(bench.holder(), under), "held");
        assert.equal((await bench.store.read("b")).record, null);
        await bench.elapse(1.1);
        done(await bench.commit(bench.holder(), under));
        assert.equal((await bench.read("b")).entry.id, first.entry.id);
        await clear(bench);
      }
    },
  },
  {
    title: "the ID of a held name does not come to another name in the change that removes it [G2]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      const change: ChangePart[] = [
        { kind: "remove", name: "a", expect: first.version },
        creation("b", { source: first.source }),
      ];
      await assertThrows(bench.commit(bench.holder(), ...change), "held");
      assert.equal((await bench.read("a")).token, first.token);
      await bench.elapse(1.1);
      done(await bench.commit(bench.holder(), ...change));
    },
  },
  {
    title: "the ID of a lock that was taken away may come back to its name, and to another when it is given up [G6]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await remove(bench, first);
      const again = recordIn(done(await bench.commit(bench.holder(), creation("a", { source: first.source }))), "a");
      assert.equal(again.entry.id, first.entry.id);
      assert.equal((await bench.judge("a")).kind, "held");
      done(await bench.commit(holder, { kind: "give-up", name: "a", token: first.token }));
      done(
        await bench.commit(
          bench.holder(),
          { kind: "remove", name: "a", expect: again.version },
          creation("b", { source: first.source }),
        ),
      );
      assert.equal((await bench.read("b")).entry.id, first.entry.id);
    },
  },
  {
    title: "an import over a renamed and locked entry leaves it its ID",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      await rename(bench, first);
      const renamed = await bench.read("a, renamed");
      const imported = await bench.put(renamed, { source: renamed.source });
      assert.equal(imported.entry.id, first.entry.id);
    },
  },
  {
    title: "a name is kept for its former holder though it was told, since the telling may have got lost [G2]",
    async run(bench) {
      for (const takeAway of [rename, remove]) {
        const holder = bench.holder();
        const first = await bench.grant("a", holder);
        await bench.elapse(0.5);
        await takeAway(bench, first);
        assert.ok((await bench.heartbeat(holder, first)).has("a"));
        assert.equal((await bench.judge("a")).kind, "held");
        assert.ok((await bench.heartbeat(holder, first)).has("a"));
        await bench.elapse(0.6);
        // Nor does the asking keep the name longer than its last refresh.
        assert.equal((await bench.judge("a")).kind, "free");
        const { version } = await bench.grant("a", bench.holder());
        done(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: version }));
        await bench.elapse(1.1);
      }
    },
  },
  {
    title: "who gives up a renamed lock frees the old name too [G6]",
    async run(bench) {
      const holder = bench.holder();
      await rename(bench, await bench.grant("a", holder));
      await bench.put(await bench.read("a, renamed"), { lock: { kind: "clear" } }, holder);
      assert.equal((await bench.store.read("a")).former, null);
      assert.deepEqual(await bench.judge("a"), { kind: "free", why: "no lock" });
    },
  },
  {
    title: "a former holder that says so gives the name up, and nobody else can for it [G6]",
    async run(bench) {
      for (const takeAway of [rename, remove]) {
        const holder = bench.holder();
        const first = await bench.grant("a", holder);
        await takeAway(bench, first);
        const giveUp: ChangePart = { kind: "give-up", name: "a", token: first.token };
        done(await bench.commit(bench.holder(), giveUp));
        done(await bench.commit(holder, { ...giveUp, token: first.token - 1 }));
        assert.equal((await bench.judge("a")).kind, "held");
        done(await bench.commit(holder, giveUp));
        assert.equal((await bench.store.read("a")).former, null);
        const { version } = await bench.grant("a", holder);
        done(await bench.commit(holder, { ...giveUp, token: (await bench.read("a")).token ?? 0 }));
        assert.equal((await bench.judge("a")).kind, "held");
        done(await bench.commit(holder, { kind: "remove", name: "a", expect: version }));
        await bench.elapse(1.1);
      }
    },
  },
  {
    title: "who gives up a lock, and whoever ends it at once, leaves no former one [G6]",
    async run(bench) {
      const holder = bench.holder();
      await bench.put(await bench.grant("a", holder), { lock: { kind: "clear" } }, holder);
      const word = { reason: "revoked" } as const;
      await bench.put(await bench.grant("b", holder), { lock: { kind: "clear", word } });
      for (const name of ["a", "b"]) assert.equal((await bench.store.read(name)).former, null);
    },
  },
  {
    title: "a name that never had a lock, or was free when it went, is kept for nobody [G6]",
    async run(bench) {
      assert.equal((await bench.store.read("a")).former, null);
      const { version } = await bench.create("a");
      done(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: version }));
      for (const name of ["a", "b"]) assert.equal((await bench.store.read(name)).former, null);
    },
  },
  {
    title: "the name of a dead former holder is free at once [G6]",
    async run(bench) {
      const doomed = await bench.spawn();
      await doomed.commit(creation("a", { lock: { kind: "grant" } }));
      const { version } = await bench.read("a");
      done(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: version }));
      assert.equal((await bench.judge("a")).kind, "held");
      await doomed.kill();
      assert.deepEqual(await bench.judge("a"), { kind: "free", why: "dead" });
    },
  },
  {
    title: "who makes a kept name anew names the version of its former holder [G7]",
    async run(bench) {
      const holder = bench.holder();
      await rename(bench, await bench.grant("a", holder));
      await bench.elapse(1.1);
      const { version } = (await formerOf(bench, "a")).holder;
      refused(await bench.commit(bench.holder(), makingAnew("a", "another" as Version)));
      const taker = bench.holder();
      const made = granted(recordIn(done(await bench.commit(taker, makingAnew("a", version))), "a"));
      assert.equal(made.entry.lock?.holderInstance, taker.instance);
      assert.equal((await bench.store.read("a")).former, null);
      refused(await bench.commit(bench.holder(), makingAnew("free", version)));
    },
  },
  {
    title: "a grant by who has not seen that the name is kept for a former holder is refused [G7]",
    async run(bench) {
      const unseen = creation("a", { lock: { kind: "grant" } });
      const first = await bench.grant("a", bench.holder());
      await rename(bench, first);
      refused(await bench.commit(bench.holder(), unseen));
      assert.equal((await bench.store.read("a")).record, null);
      assert.equal((await bench.judge("a")).kind, "held");
      await bench.create("a");
      assert.equal((await bench.read("a")).entry.lock, null);
    },
  },
  {
    title: "an entry without a lock under a kept name leaves it kept, and a grant ends that [G2]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      await rename(bench, first);
      const remade = await bench.create("a");
      assert.equal((await formerOf(bench, "a")).lock.holderInstance, first.entry.lock?.holderInstance);
      assert.equal((await bench.judge("a")).kind, "held");
      refused(await bench.commit(bench.holder(), putOn(remade, { lock: { kind: "grant" } })));
      await bench.grant("a", bench.holder());
      await bench.put(await bench.read("a"), { lock: { kind: "clear" } });
      assert.equal((await bench.store.read("a")).former, null);
    },
  },
  {
    title: "a former holder is told of the name's new holder, and changes nothing there [G5]",
    async run(bench) {
      const former = bench.holder();
      const first = await bench.grant("a", former);
      await rename(bench, first);
      await bench.elapse(1.1);
      const taken = await bench.grant("a", bench.holder());
      assert.ok((await bench.heartbeat(former, first)).has("a"));
      refused(await bench.commit(former, putOn(first, { lock: { kind: "clear" } })));
      const { token, version } = await bench.read("a");
      assert.deepEqual({ token, version }, { token: taken.token, version: taken.version });
    },
  },
];

async function rename(bench: Bench, { name, version }: Granted): Promise<void> {
  done(await bench.commit(bench.holder(), { kind: "rename", name, to: `${name}, renamed`, expect: version }));
}

async function remove(bench: Bench, { name, version }: Granted): Promise<void> {
  done(await bench.commit(bench.holder(), { kind: "remove", name, expect: version }));
}

/** As a forced import does: the name has another ID, and its holder does not know yet. */
async function replace(bench: Bench, record: Granted): Promise<void> {
  const source = record.source.replace(record.entry.id, OTHER_ID);
  await bench.put(record, { source, lock: { kind: "revoke", reason: "replaced" } });
}

async function clear(bench: Bench): Promise<void> {
  for (const [name, { version }] of await bench.list()) {
    done(await bench.commit(bench.holder(), { kind: "remove", name, expect: version }));
  }
  await bench.elapse(1.1);
}

async function formerOf(bench: Bench, name: string): Promise<FormerLock> {
  const { former } = await bench.store.read(name);
  assert.ok(former, `there should be a former lock on ${name}`);
  return former;
}

function makingAnew(name: string, expectHolder: Version): ChangePart {
  const part = creation(name, { lock: { kind: "grant" } });
  return part.kind === "put" ? { ...part, expectHolder } : part;
}
