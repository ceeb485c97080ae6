import assert from "node:assert/strict";
import type { HistoryQuery, PastHold } from "../../core/history.js";
import { later, type WallMs } from "../../core/timing.js";
import { type Bench, creation, done, refused } from "./bench.js";
import type { ContractCase } from "./harness.js";

const MINUTE_MICROS = 60_000_000;

/** What a migration needs beside the entries: tokens that go on above those of another store, and its history. */
export const movingCases: readonly ContractCase[] = [
  {
    title: "no token was given that is greater than the last one, at every handle [G3]",
    async run(bench) {
      const other = await bench.another();
      for (const taker of [bench, other]) {
        const { token } = await taker.grant("a", taker.holder());
        for (const asked of [bench, other]) assert.ok((await asked.store.lastToken()) >= token);
      }
    },
  },
  {
    title: "tokens that are given after a floor are greater than it, at every handle and after later grants [G3]",
    async run(bench) {
      const other = await bench.another();
      const { token: before } = await bench.grant("a", bench.holder());
      const floor = before + 60 * MINUTE_MICROS;
      done(await bench.store.commit({ holder: bench.holder(), parts: [], tokenFloor: floor }));
      assert.ok((await other.store.lastToken()) >= floor);
      const first = await other.grant("a", other.holder());
      const second = await bench.grant("b", bench.holder());
      assert.ok(floor < first.token && first.token < second.token);
    },
  },
  {
    title: "a floor below the last token changes nothing, and a refused change raises none [G3]",
    async run(bench) {
      const { token } = await bench.grant("a", bench.holder());
      done(await bench.store.commit({ holder: bench.holder(), parts: [creation("b")], tokenFloor: 1 }));
      const high = token + 60 * MINUTE_MICROS;
      refused(await bench.store.commit({ holder: bench.holder(), parts: [creation("b")], tokenFloor: high }));
      const next = (await bench.grant("b", bench.holder())).token;
      assert.ok(token < next && next < high);
    },
  },
  {
    title: "a hold of another store is recalled whole and once, in its place by time",
    async run(bench) {
      const { entry, token, holder } = await granted(bench, "a");
      const record = await bench.put(await bench.read("a"), { lock: { kind: "clear" } });
      const own = await historyOf(bench, { name: "a" });
      const { now } = await bench.store.read("a");
      const early = hold(entry.id, token - 3, later(now, -60_000));
      const late = hold(entry.id, token - 2, later(now, 60_000));
      for (const recalled of [late, early, late]) {
        done(await bench.commit(holder, { kind: "recall", name: record.name, hold: recalled }));
      }
      const other = await bench.another();
      assert.deepEqual(await historyOf(other, { id: entry.id }), [late, ...own, early]);
      assert.deepEqual(await historyOf(bench, { name: "before the move" }), [late, early]);
    },
  },
];

async function granted(bench: Bench, name: string) {
  const holder = bench.holder();
  const { entry, token } = await bench.grant(name, holder);
  return { entry, token, holder };
}

async function historyOf(bench: Bench, query: HistoryQuery): Promise<readonly PastHold[]> {
  const found: PastHold[] = [];
  for await (const one of bench.store.history(query)) found.push(one);
  return found;
}

function hold(id: string, token: number, since: WallMs): PastHold {
  return {
    name: "before the move",
    id,
    holder: { instance: `instance ${token}`, pid: 4_711, host: "elsewhere" },
    token,
    since,
    lastHeartbeat: later(since, 10),
    until: later(since, 20),
    ending: { how: "revoked", detail: "maintenance" },
    observed: false,
  };
}
