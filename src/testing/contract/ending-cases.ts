import assert from "node:assert/strict";
import { assertThrows, creation, done, granted, recordIn, takeoverOf } from "./bench.js";
import type { ContractCase } from "./harness.js";

/** How holders and handles end. */
export const endingCases: readonly ContractCase[] = [
  {
    title: "the names of a killed process are free at once, and it waits for none any more [G6]",
    async run(bench) {
      const doomed = await bench.spawn();
      await doomed.commit(creation("held", { lock: { kind: "grant" } }));
      await bench.grant("waited", bench.holder());
      await doomed.commit({ kind: "enqueue", name: "waited", ticket: "dead" });
      const survivor = bench.holder();
      done(await bench.commit(survivor, { kind: "enqueue", name: "waited", ticket: "alive" }));
      assert.equal((await bench.judge("held")).kind, "held");
      assert.equal((await bench.read("waited")).waiters.length, 2);
      await doomed.kill();
      assert.deepEqual(await bench.judge("held"), { kind: "free", why: "dead" });
      assert.deepEqual(
        (await bench.read("waited")).waiters.map(({ ticket }) => ticket),
        ["alive"],
      );
      const found = done(await bench.commit(survivor, takeoverOf(granted(await bench.read("held")))));
      assert.equal(recordIn(found, "held").entry.lock?.holderInstance, survivor.instance);
    },
  },
  {
    title: "a watch tells of the death of a name's holder [G6]",
    async run(bench) {
      const doomed = await bench.spawn();
      await doomed.commit(creation("held", { lock: { kind: "grant" } }));
      const controller = new AbortController();
      const seesItFree = async (): Promise<void> => {
        for await (const _ of bench.store.watch({ names: ["held"], signal: controller.signal })) {
          if ((await bench.judge("held")).kind === "free") return;
        }
      };
      const killSoon = async (): Promise<void> => {
        await bench.elapse(0.01);
        await doomed.kill();
      };
      try {
        await Promise.all([bench.within(seesItFree(), "the yield after the holder's death"), killSoon()]);
      } finally {
        controller.abort();
      }
    },
  },
  {
    title: "a handle whose holder lives is no proof of death to another [G7]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      const other = await bench.another();
      assert.notEqual((await other.read("a")).holder?.evidence.kind, "dead");
      const bystander = await bench.another();
      await bystander.grant("b", bystander.holder());
      await bystander.store.close();
      assert.equal((await other.judge("a")).kind, "held");
      assert.equal((await bench.heartbeat(holder, first)).size, 0);
    },
  },
  {
    title: "releaseNow gives up all locks and places of the holder, and nobody else's [G6]",
    async run(bench) {
      const { store } = bench;
      assert.ok(store.releaseNow, "the store has no releaseNow");
      const holder = bench.holder();
      const neighbour = await bench.grant("neighbour", bench.holder());
      const grants = [await bench.grant("a", holder), await bench.grant("b", holder)];
      done(await bench.commit(holder, { kind: "enqueue", name: "neighbour", ticket: "leaving" }));
      done(await bench.commit(bench.holder(), { kind: "enqueue", name: "neighbour", ticket: "staying" }));
      store.releaseNow(holder);
      const other = await bench.another();
      for (const { name, entry } of grants) {
        const record = await other.read(name);
        assert.deepEqual({ lock: record.entry.lock, id: record.entry.id }, { lock: null, id: entry.id });
      }
      const kept = await other.read("neighbour");
      assert.equal(kept.token, neighbour.token);
      assert.deepEqual(
        kept.waiters.map(({ ticket }) => ticket),
        ["staying"],
      );
      store.releaseNow(holder);
    },
  },
  {
    title:
      "close ends the presence of its holders: their names are free at once where death is proved, else after the TTL [G6]",
    async run(bench) {
      const closing = await bench.another();
      const first = await closing.grant("a", closing.holder());
      await bench.grant("b", bench.holder());
      await closing.store.close();
      // A store on the network may give up what is its own, where it can.
      const state = await bench.judge("a");
      if (bench.store.capabilities.deathProof) assert.equal(state.kind, "free");
      assert.equal((await bench.judge("b")).kind, "held");
      await bench.elapse(1.1);
      assert.equal((await bench.judge("a", { record: first, partOfTtl: 1.1 })).kind, "free");
    },
  },
  {
    title: "close may be called twice, and a closed store says so [G11]",
    async run(bench) {
      const closing = await bench.another();
      const holder = closing.holder();
      await closing.grant("a", holder);
      await Promise.all([closing.store.close(), closing.store.close()]);
      await closing.store.close();
      await assertThrows(closing.store.read("a"), "closed");
      await assertThrows(closing.commit(holder, creation("b")), "closed");
      await assertThrows(closing.store.heartbeat(holder, new Map([["a", 1]])), "closed");
      await assertThrows(closing.list(), "closed");
      assert.equal((await bench.store.read("b")).record, null);
    },
  },
  {
    title: "close ends the watches of its handle [G12]",
    async run(bench) {
      const closing = await bench.another();
      const watchToItsEnd = async (): Promise<void> => {
        for await (const _ of closing.store.watch({ signal: new AbortController().signal }));
      };
      const closeSoon = async (): Promise<void> => {
        await bench.elapse(0.01);
        await closing.store.close();
      };
      await Promise.all([bench.within(watchToItsEnd(), "the end of the watch"), closeSoon()]);
    },
  },
  {
    title: "what was written before a close is there after it [G1]",
    async run(bench) {
      const closing = await bench.another();
      const { entry } = await closing.create("a", { metadata: { key: 1 } });
      await closing.store.close();
      assert.deepEqual((await (await bench.another()).read("a")).entry, entry);
    },
  },
  {
    title: "a store says whose clock it judges by, and which guarantees have exceptions [G11]",
    async run(bench) {
      const { timeAuthority, deathProof, exceptions } = bench.store.capabilities;
      assert.ok(["process", "machine", "store"].includes(timeAuthority));
      assert.equal(typeof deathProof, "boolean");
      for (const { guarantee, why } of exceptions) assert.ok(/^G\d+$/.test(guarantee) && why.length > 0);
    },
  },
];
