import assert from "node:assert/strict";
import type { Ending, HistoryQuery, PastHold } from "../../core/history.js";
import type { ChangePart, EntryWrite } from "../../stores/store.js";
import { type Bench, creation, done, type Granted, putOn, refused, takeoverOf } from "./bench.js";
import type { ContractCase } from "./harness.js";

const TAKING: EntryWrite = { lock: { kind: "grant", ends: { how: "crashed" } } };
const MANY = 30;

/** What is remembered of holds that are over. */
export const historyCases: readonly ContractCase[] = [
  {
    title: "a hold that was released is told with its name, ID, holder, token and times",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await bench.elapse(0.2);
      const before = (await bench.store.read("a")).now;
      await bench.put(first, { lock: { kind: "clear", ends: { how: "released" } } }, holder);
      const after = (await bench.store.read("a")).now;
      const [hold, ...others] = await historyOf(bench, { name: "a" });
      assert.ok(hold);
      const { until, ...rest } = hold;
      assert.deepEqual(others, []);
      assert.deepEqual(rest, {
        name: "a",
        id: first.entry.id,
        holder: { instance: holder.instance, pid: holder.pid, host: holder.host },
        token: first.token,
        since: first.entry.lock?.acquiredAt,
        lastHeartbeat: first.entry.lock?.heartbeatAt,
        ending: { how: "released" },
        observed: false,
      });
      assert.ok(until >= before - 1 && until <= after + 1, `${until} should be the store's now, about ${after}`);
    },
  },
  {
    title: "a heartbeat is remembered as the hold's last sign of life",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await bench.elapse(0.4);
      const { now } = await bench.store.read("a");
      await bench.heartbeat(holder, first);
      await bench.elapse(0.4);
      await bench.put(await bench.read("a"), { lock: { kind: "clear" } }, holder);
      const [hold] = await historyOf(bench, { name: "a" });
      assert.ok(hold);
      const { since, lastHeartbeat, until } = hold;
      assert.ok(since < lastHeartbeat && lastHeartbeat < until);
      assert.ok(lastHeartbeat >= now - 1, `${lastHeartbeat} should be about ${now}`);
    },
  },
  {
    title: "a takeover ends the hold before it as the taker says, and takes it away where he says nothing",
    async run(bench) {
      for (const ends of [{ how: "crashed" }, { how: "silent" }, undefined] as const) {
        const first = await bench.grant("a", bench.holder());
        const write: EntryWrite = { lock: { kind: "grant", ...(ends === undefined ? {} : { ends }) } };
        await bench.put(first, write);
        assert.deepEqual(await endingsOf(bench, first), [ends ?? { how: "lost" }]);
      }
    },
  },
  {
    title: "a lock that is cleared has ended as is said, and was released where nothing is",
    async run(bench) {
      const revoked = { how: "revoked", detail: 'said "stop"\n' } as const;
      for (const ends of [revoked, { how: "crashed" }, undefined] as const) {
        const first = await bench.grant("a", bench.holder());
        await bench.put(first, { lock: { kind: "clear", ...(ends === undefined ? {} : { ends }) } });
        assert.deepEqual(await endingsOf(bench, first), [ends ?? { how: "released" }]);
      }
    },
  },
  {
    title: "a removal ends a hold as is said, and takes it away where nothing is",
    async run(bench) {
      for (const ends of [{ how: "silent" }, undefined] as const) {
        const first = await bench.grant("a", bench.holder());
        const part: ChangePart = { kind: "remove", name: "a", expect: first.version };
        done(await bench.commit(bench.holder(), { ...part, ...(ends === undefined ? {} : { ends }) }));
        assert.equal((await bench.store.read("a")).record, null);
        assert.deepEqual(await endingsOf(bench, first), [ends ?? { how: "lost" }]);
        await bench.elapse(1.1);
      }
    },
  },
  {
    title: "a rename ends the hold of the old name, and the lock that goes along is a hold of the new one",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await rename(bench, first, "b");
      const renamed = await historyOf(bench, { id: first.entry.id });
      assert.deepEqual(renamed.map(summary), [["a", { how: "renamed", detail: "b" }]]);
      await bench.elapse(0.2);
      await bench.put(await bench.read("b"), { lock: { kind: "clear", ends: { how: "revoked" } } }, holder);
      const [last, ...others] = await historyOf(bench, { id: first.entry.id });
      assert.deepEqual(others, renamed);
      assert.ok(last && renamed[0]);
      const { token, since, holder: who } = renamed[0];
      assert.deepEqual([last.name, last.ending.how], ["b", "revoked"]);
      assert.deepEqual({ token: last.token, since: last.since, who: last.holder }, { token, since, who });
      assert.ok(last.until > renamed[0].until);
    },
  },
  {
    title: "holds are found by their ID under earlier names, and by a name under the IDs that it had",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      await bench.put(first, { lock: { kind: "clear" } });
      await rename(bench, await bench.read("a"), "b");
      const second = await bench.grant("a", bench.holder());
      await bench.put(second, { lock: { kind: "clear" } });
      await bench.put(await bench.grant("c", bench.holder()), { lock: { kind: "clear" } });
      const idsOf = async (query: HistoryQuery) => (await historyOf(bench, query)).map(({ id }) => id);
      const [old, later] = [first.entry.id, second.entry.id];
      assert.deepEqual(await idsOf({ id: old }), [old]);
      assert.deepEqual(await idsOf({ name: "a" }), [later, old]);
      assert.deepEqual(await idsOf({ name: "a", id: old }), [later, old]);
      assert.deepEqual(await idsOf({ name: "b" }), []);
      assert.deepEqual(await idsOf({ name: "b", id: old }), [old]);
      assert.equal((await idsOf({})).length, 3);
    },
  },
  {
    title: "the last to end is told first, and the reader may stop when he has enough [G12]",
    async run(bench) {
      const tokens: number[] = [];
      for (let i = 0; i < MANY; i += 1) {
        const record = await bench.grant(`name ${i % 7}`, bench.holder());
        tokens.push(record.token);
        await bench.put(record, { lock: { kind: "clear" } });
        await bench.elapse(0.001);
      }
      const told = await historyOf(bench, {});
      assert.deepEqual(
        told.map(({ token }) => token),
        tokens.toReversed(),
      );
      for await (const hold of bench.store.history({})) {
        assert.deepEqual(hold, told[0]);
        break;
      }
    },
  },
  {
    title: "a hold that stands is not told of, revoked or not",
    async run(bench) {
      const record = await bench.grant("a", bench.holder());
      await bench.create("free");
      await bench.put(await bench.read("free"), { lock: { kind: "clear" } });
      await bench.put(record, { lock: { kind: "revoke", reason: "maintenance" } });
      assert.deepEqual(await historyOf(bench, {}), []);
    },
  },
  {
    title: "a refused change ends no hold, not in its earlier parts either",
    async run(bench) {
      const a = await bench.grant("a", bench.holder());
      const b = await bench.grant("b", bench.holder());
      const clearing: ChangePart = putOn(a, { lock: { kind: "clear" } });
      refused(await bench.commit(bench.holder(), clearing, creation("b")));
      refused(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: a.version }));
      await bench.put(b, { metadata: { changed: true } });
      refused(await bench.commit(bench.holder(), clearing, takeoverOf(b)));
      assert.deepEqual(await historyOf(bench, {}), []);
    },
  },
  {
    title: "what one handle ends, every handle tells",
    async run(bench) {
      const other = await bench.another();
      const first = await bench.grant("a", bench.holder());
      await other.put(await other.read("a"), TAKING);
      await bench.put(await bench.read("a"), { lock: { kind: "clear" } });
      const told = await historyOf(bench, { name: "a" });
      assert.deepEqual(
        told.map(({ ending }) => ending.how),
        ["released", "crashed"],
      );
      assert.equal(told[1]?.token, first.token);
      assert.deepEqual(await historyOf(other, { name: "a" }), told);
    },
  },
  {
    title: "releaseNow releases what its holder holds, but for what an operator has revoked",
    async run(bench) {
      const { store } = bench;
      assert.ok(store.releaseNow, "the store has no releaseNow");
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      const second = await bench.grant("b", holder);
      await bench.put(second, { lock: { kind: "revoke", reason: "maintenance" } });
      store.releaseNow(holder);
      assert.deepEqual(await endingsOf(bench, first), [{ how: "released" }]);
      assert.deepEqual(await endingsOf(bench, second), [{ how: "revoked", detail: "maintenance" }]);
    },
  },
];

async function historyOf(bench: Bench, query: HistoryQuery): Promise<readonly PastHold[]> {
  const found: PastHold[] = [];
  for await (const hold of bench.store.history(query)) found.push(hold);
  return found;
}

/** How the holds of this token have ended, which should be one. */
async function endingsOf(bench: Bench, { name, token }: Granted): Promise<readonly Ending[]> {
  const found = await historyOf(bench, { name });
  return found.filter((hold) => hold.token === token).map(({ ending }) => ending);
}

function summary({ name, ending }: PastHold): readonly [string, Ending] {
  return [name, ending];
}

async function rename(bench: Bench, { name, version }: Pick<Granted, "name" | "version">, to: string): Promise<void> {
  done(await bench.commit(bench.holder(), { kind: "rename", name, to, expect: version }));
}
