import assert from "node:assert/strict";
import type { Holder } from "../../core/entry.js";
import type { ChangePart } from "../../stores/store.js";
import { type Bench, done, putOn, recordIn, refused } from "./bench.js";
import type { ContractCase } from "./harness.js";

/** Waiters: in the order in which they came, each once, none of them dead. */
export const queueCases: readonly ContractCase[] = [
  {
    title: "waiters stand in the order in which they came, whichever handle they came to [G12]",
    async run(bench) {
      await bench.grant("a", bench.holder());
      const other = await bench.another();
      const holders = [bench.holder(), bench.holder(), bench.holder()];
      for (const [place, holder] of holders.entries())
        await enqueue(place === 1 ? other : bench, "a", `t${place}`, holder);
      const { waiters } = await other.read("a");
      assert.deepEqual(
        waiters.map(({ ticket }) => ticket),
        ["t0", "t1", "t2"],
      );
      assert.deepEqual(
        waiters.map(({ instance }) => instance),
        holders.map(({ instance }) => instance),
      );
      const { now } = await bench.store.read("a");
      for (const { since, offeredAgeMs } of waiters) {
        assert.ok(since <= now + 1 && since > now - bench.ttlMs);
        assert.equal(offeredAgeMs, null);
      }
    },
  },
  {
    title: "a ticket that is queued already keeps its place [G12]",
    async run(bench) {
      await bench.grant("a", bench.holder());
      const holder = bench.holder();
      await enqueue(bench, "a", "first", holder);
      await enqueue(bench, "a", "second");
      await enqueue(bench, "a", "first", holder);
      assert.deepEqual(await queue(bench, "a"), ["first", "second"]);
    },
  },
  {
    title: "one process may wait several times, each with its own ticket [G12]",
    async run(bench) {
      await bench.grant("a", bench.holder());
      const holder = bench.holder();
      await enqueue(bench, "a", "one", holder);
      await enqueue(bench, "a", "two", holder);
      await dequeue(bench, "a", "one");
      assert.deepEqual(await queue(bench, "a"), ["two"]);
    },
  },
  {
    title: "a name that does not exist has no queue: joining it is a conflict [G11]",
    async run(bench) {
      const found = refused(await bench.commit(bench.holder(), { kind: "enqueue", name: "a", ticket: "t" }));
      assert.equal(found.get("a")?.record, null);
      assert.equal((await bench.list()).size, 0);
    },
  },
  {
    title: "a waiter leaves its queue, and leaving twice or from nowhere is fine [G12]",
    async run(bench) {
      await bench.grant("a", bench.holder());
      for (const ticket of ["t0", "t1", "t2"]) await enqueue(bench, "a", ticket);
      await dequeue(bench, "a", "t1");
      await dequeue(bench, "a", "t1");
      assert.deepEqual(await queue(bench, "a"), ["t0", "t2"]);
      done(await bench.commit(bench.holder(), { kind: "dequeue", name: "missing", ticket: "t" }));
    },
  },
  {
    title: "a waiter takes the name and leaves the queue in one change [G12]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      const waiter = bench.holder();
      await enqueue(bench, "a", "t0", waiter);
      await enqueue(bench, "a", "t1");
      const free = await bench.put(first, { lock: { kind: "clear" } });
      const leave: ChangePart = { kind: "dequeue", name: "a", ticket: "t0" };
      const record = recordIn(done(await bench.commit(waiter, putOn(free, { lock: { kind: "grant" } }), leave)), "a");
      assert.equal(record.entry.lock?.holderInstance, waiter.instance);
      assert.deepEqual(
        record.waiters.map(({ ticket }) => ticket),
        ["t1"],
      );
    },
  },
  {
    title: "a refused takeover leaves its waiter in the queue [G12]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      const waiter = bench.holder();
      await enqueue(bench, "a", "t0", waiter);
      await bench.put(await bench.read("a"), { metadata: { key: 1 } });
      const leave: ChangePart = { kind: "dequeue", name: "a", ticket: "t0" };
      refused(await bench.commit(waiter, leave, putOn(first, { lock: { kind: "grant" } })));
      assert.deepEqual(await queue(bench, "a"), ["t0"]);
    },
  },
  {
    title: "grants, refreshes and releases of others leave the queue as it is [G12]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      for (const ticket of ["t0", "t1"]) await enqueue(bench, "a", ticket);
      await bench.heartbeat(holder, first);
      await bench.put(await bench.read("a"), { lock: { kind: "clear" } });
      assert.deepEqual(await queue(bench, "a"), ["t0", "t1"]);
      await bench.grant("a", bench.holder());
      await bench.put(await bench.read("a"), { metadata: { key: 1 } });
      assert.deepEqual(await queue(bench, "a"), ["t0", "t1"]);
    },
  },
  {
    title: "joining, leaving and offering do not refuse the holder's own changes [G12]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await enqueue(bench, "a", "t0");
      await offer(bench, "a", "t0");
      await dequeue(bench, "a", "t0");
      done(await bench.commit(holder, putOn(first, { lock: { kind: "clear" } })));
    },
  },
  {
    title: "an offer to a waiter ages from when it was first made [G12]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      await enqueue(bench, "a", "t0");
      await enqueue(bench, "a", "t1");
      await bench.put(first, { lock: { kind: "clear" } });
      assert.deepEqual(
        (await bench.read("a")).waiters.map(({ offeredAgeMs }) => offeredAgeMs),
        [null, null],
      );
      await offer(bench, "a", "t0");
      await bench.elapse(0.2);
      const other = await bench.another();
      await offer(other, "a", "t0");
      const [inTurn, next] = (await other.read("a")).waiters;
      const ageMs = inTurn?.offeredAgeMs ?? 0;
      assert.ok(ageMs >= 0.2 * bench.ttlMs - 1 && ageMs < bench.ttlMs, `the offer is ${ageMs} ms old`);
      assert.equal(next?.offeredAgeMs, null);
    },
  },
  {
    title: "a grant ends the offers of a name: the next time that it is free, a waiter gets its full turn [G12]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      await enqueue(bench, "a", "t0");
      await bench.put(first, { lock: { kind: "clear" } });
      await offer(bench, "a", "t0");
      const barger = bench.holder();
      await bench.grant("a", barger);
      assert.equal((await bench.read("a")).waiters[0]?.offeredAgeMs, null);
    },
  },
  {
    title: "an offer to somebody who does not wait changes nothing [G12]",
    async run(bench) {
      await bench.grant("a", bench.holder());
      await enqueue(bench, "a", "t0");
      done(await bench.commit(bench.holder(), { kind: "offer", name: "a", ticket: "stranger" }));
      assert.deepEqual(
        (await bench.read("a")).waiters.map(({ ticket, offeredAgeMs }) => [ticket, offeredAgeMs]),
        [["t0", null]],
      );
    },
  },
  {
    title: "those who join at once all stand in the queue, once each [G12]",
    async run(bench) {
      await bench.grant("a", bench.holder());
      const other = await bench.another();
      const tickets = Array.from({ length: 20 }, (_, index) => `t${index}`);
      await Promise.all(tickets.map((ticket, index) => enqueue(index % 2 === 0 ? bench : other, "a", ticket)));
      assert.deepEqual((await queue(bench, "a")).toSorted(), tickets.toSorted());
    },
  },
];

async function enqueue(bench: Bench, name: string, ticket: string, holder: Holder = bench.holder()): Promise<void> {
  const found = done(await bench.commit(holder, { kind: "enqueue", name, ticket }));
  assert.ok(recordIn(found, name).waiters.some((waiter) => waiter.ticket === ticket));
}

async function dequeue(bench: Bench, name: string, ticket: string): Promise<void> {
  const found = done(await bench.commit(bench.holder(), { kind: "dequeue", name, ticket }));
  assert.ok(recordIn(found, name).waiters.every((waiter) => waiter.ticket !== ticket));
}

async function offer(bench: Bench, name: string, ticket: string): Promise<void> {
  const found = done(await bench.commit(bench.holder(), { kind: "offer", name, ticket }));
  assert.notEqual(recordIn(found, name).waiters.find((waiter) => waiter.ticket === ticket)?.offeredAgeMs, null);
}

async function queue(bench: Bench, name: string): Promise<readonly string[]> {
  return (await bench.read(name)).waiters.map(({ ticket }) => ticket);
}
