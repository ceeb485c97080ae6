import assert from "node:assert/strict";
import { assertThrows, type Bench, creation, done, granted, putOn, recordIn, refused, takeoverOf } from "./bench.js";
import type { ContractCase } from "./harness.js";

const RACERS = 50;
const SECOND_MICROS = 1_000_000;

/** Locks: granted with rising tokens, taken over on condition, marked and cleared. */
export const lockCases: readonly ContractCase[] = [
  {
    title: "a granted lock shows its holder and lives one TTL from the store's now [G2]",
    async run(bench) {
      const holder = bench.holder();
      const { entry } = await bench.grant("a", holder);
      const { lock } = entry;
      assert.ok(lock);
      assert.deepEqual(
        { instance: lock.holderInstance, pid: lock.holderPid, host: lock.holderHost },
        { instance: holder.instance, pid: holder.pid, host: holder.host },
      );
      assert.equal(lock.heartbeatAt, lock.acquiredAt);
      assert.ok(Math.abs(lock.expiresAt - lock.heartbeatAt - bench.ttlMs) < 1);
      assert.ok(Math.abs(entry.lastSeen - lock.acquiredAt) < 1);
      assert.equal((await bench.judge("a")).kind, "held");
    },
  },
  {
    title: "a grant sets when an entry was last seen [G2]",
    async run(bench) {
      const first = await bench.create("a");
      await bench.elapse(0.1);
      const { entry } = await bench.grant("a", bench.holder());
      assert.ok(entry.lastSeen - first.entry.lastSeen >= 0.1 * bench.ttlMs - 1);
    },
  },
  {
    title: "a fencing token is a safe integer on the scale of the wall clock in microseconds [G3]",
    async run(bench) {
      const before = (await bench.store.read("a")).now;
      const { token } = await bench.grant("a", bench.holder());
      const after = (await bench.store.read("a")).now;
      assert.ok(Number.isSafeInteger(token));
      assert.ok(token >= Math.floor(before * 1000) - SECOND_MICROS && token <= after * 1000 + SECOND_MICROS);
    },
  },
  {
    title: "a token rises with each grant, after release and takeover, at every handle [G3]",
    async run(bench) {
      const other = await bench.another();
      const tokens = [(await bench.grant("a", bench.holder())).token];
      tokens.push((await other.grant("a", other.holder())).token);
      await bench.put(await bench.read("a"), { lock: { kind: "clear" } });
      tokens.push((await bench.grant("a", bench.holder())).token);
      const holder = bench.holder();
      tokens.push((await bench.grant("a", holder)).token, (await bench.grant("a", holder)).token);
      assertRising(tokens);
      assert.equal((await other.read("a")).token, tokens.at(-1));
    },
  },
  {
    title: "a token rises across removal and re-creation of its name [G3]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      done(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: first.version }));
      const second = await bench.grant("a", bench.holder());
      assertRising([first.token, second.token]);
    },
  },
  {
    title: "a token rises across a rename, under the new name and under the old one made anew [G3]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      done(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: first.version }));
      const renamed = await bench.grant("b", bench.holder());
      const remade = await bench.grant("a", bench.holder());
      assertRising([first.token, renamed.token]);
      assertRising([first.token, remade.token]);
    },
  },
  {
    title: "one change may grant several names, and a refused one leaves the tokens rising [G3]",
    async run(bench) {
      const first = await bench.create("a");
      const holder = bench.holder();
      const write = { lock: { kind: "grant" } } as const;
      const found = done(await bench.commit(holder, putOn(first, write), creation("b", write)));
      const [a, b] = [granted(recordIn(found, "a")), granted(recordIn(found, "b"))];
      assert.equal((await bench.heartbeat(holder, a, b)).size, 0);
      refused(await bench.commit(holder, putOn(first, write)));
      assertRising([a.token, (await bench.grant("a", bench.holder())).token]);
    },
  },
  {
    title: "a refresh keeps the token and the holder [G3]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await bench.elapse(0.1);
      assert.equal((await bench.heartbeat(holder, first)).size, 0);
      const record = await bench.read("a");
      assert.equal(record.token, first.token);
      assert.equal(record.entry.lock?.acquiredAt, first.entry.lock?.acquiredAt);
      assert.equal(record.entry.lock?.holderInstance, holder.instance);
    },
  },
  {
    title: `of ${RACERS} who make and take one new name at once, one holds it and the others are shown it [G2]`,
    async run(bench) {
      const other = await bench.another();
      const holders = Array.from({ length: RACERS }, () => bench.holder());
      const results = await Promise.all(
        holders.map((holder, racer) =>
          (racer % 2 === 0 ? bench : other).commit(holder, creation("a", { lock: { kind: "grant" } })),
        ),
      );
      const winners = holders.filter((_, racer) => results[racer]?.kind === "done");
      assert.equal(winners.length, 1);
      assert.equal((await bench.read("a")).entry.lock?.holderInstance, winners[0]?.instance);
    },
  },
  {
    title: "a silent holder's lock is free after the TTL, and one conditional write takes it [G6]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      await bench.elapse(0.5);
      assert.equal((await bench.judge("a", { record: first, partOfTtl: 0.5 })).kind, "held");
      await bench.elapse(0.6);
      assert.equal((await bench.judge("a", { record: first, partOfTtl: 1.1 })).kind, "free");
      const other = await bench.another();
      const taker = other.holder();
      const seen = granted(await other.read("a"));
      const record = granted(recordIn(done(await other.commit(taker, takeoverOf(seen))), "a"));
      assert.equal(record.entry.lock?.holderInstance, taker.instance);
      assertRising([first.token, record.token]);
    },
  },
  {
    title: "a takeover is refused when the old holder has shown a sign of life since the look [G7]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await bench.elapse(1.1);
      const other = await bench.another();
      const seen = granted(await other.read("a"));
      assert.equal((await bench.heartbeat(holder, first)).size, 0);
      const found = refused(await other.commit(other.holder(), takeoverOf(seen)));
      assert.equal(recordIn(found, "a").entry.lock?.holderInstance, holder.instance);
      // The entry's version as it is now does not make up for the holder's.
      const { version } = await bench.read("a");
      refused(await other.commit(other.holder(), takeoverOf({ ...seen, version })));
      assert.equal((await bench.heartbeat(holder, first)).size, 0);
      assert.equal((await bench.read("a")).token, first.token);
    },
  },
  {
    title: "a takeover is refused when the entry has changed since the look [G2]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      await bench.elapse(1.1);
      const other = await bench.another();
      const quicker = await other.grant("a", other.holder());
      const found = refused(await bench.commit(bench.holder(), takeoverOf(first)));
      assert.equal(recordIn(found, "a").token, quicker.token);
    },
  },
  {
    title: "a former holder cannot release after a takeover [G5]",
    async run(bench) {
      const former = bench.holder();
      const first = await bench.grant("a", former);
      await bench.elapse(1.1);
      const other = await bench.another();
      const taken = await other.grant("a", other.holder());
      const found = refused(await bench.commit(former, putOn(first, { lock: { kind: "clear" } })));
      assert.equal(recordIn(found, "a").token, taken.token);
      assert.equal((await other.read("a")).entry.lock?.holderInstance, taken.entry.lock?.holderInstance);
    },
  },
  {
    title: "a cleared lock is gone with its token, and the entry stays [G1]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      const record = await bench.put(first, { lock: { kind: "clear" } }, holder);
      const { token, revocation, holder: liveness, entry } = record;
      assert.deepEqual(
        { token, revocation, liveness, lock: entry.lock },
        { token: null, revocation: null, liveness: null, lock: null },
      );
      assert.equal(entry.id, first.entry.id);
      assert.deepEqual(await bench.judge("a"), { kind: "free", why: "no lock" });
    },
  },
  {
    title: "a revoked lock stays with its mark until it is cleared, and a new grant has none [G2]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      const marked = await bench.put(first, { lock: { kind: "revoke", reason: "maintenance" } });
      assert.equal(marked.revocation?.reason, "maintenance");
      assert.ok(Math.abs((marked.revocation?.at ?? 0) - (await bench.store.read("a")).now) < bench.ttlMs);
      assert.equal(marked.token, first.token);
      await bench.heartbeat(holder, first);
      const still = await bench.read("a");
      assert.equal(still.revocation?.reason, "maintenance");
      assert.equal(still.entry.lock?.holderInstance, holder.instance);
      assert.equal((await bench.put(still, { lock: { kind: "clear" } }, holder)).revocation, null);
      assert.equal((await bench.grant("a", holder)).revocation, null);
    },
  },
  {
    title: "a rename keeps the lock, marked revoked, under the new name [G2]",
    async run(bench) {
      const first = await bench.grant("a", bench.holder());
      done(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: first.version }));
      const renamed = granted(await bench.read("b"));
      assert.equal(renamed.token, first.token);
      assert.equal(renamed.entry.lock?.holderInstance, first.entry.lock?.holderInstance);
      assert.notEqual(renamed.revocation, null);
      assert.equal((await bench.judge("b")).kind, "held");
    },
  },
  {
    title: "a lock in an imported text is not imported, and the present one stays [G2]",
    async run(bench) {
      const source = lockedSource(bench);
      const imported = await bench.create("a", { source });
      assert.deepEqual({ lock: imported.entry.lock, token: imported.token }, { lock: null, token: null });
      done(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: imported.version }));
      const first = await bench.grant("b", bench.holder());
      const record = await bench.put(first, { source });
      assert.equal(record.token, first.token);
      assert.equal(record.entry.lock?.holderInstance, first.entry.lock?.holderInstance);
      assert.equal(record.entry.id, imported.entry.id);
    },
  },
  {
    title: "a change in the name of a holder that is refused as invalid grants nothing [G11]",
    async run(bench) {
      const holder = bench.holder();
      const bad = { kind: "put", name: "b", expect: "absent", write: { lock: { kind: "grant" } } } as const;
      await assertThrows(bench.commit(holder, creation("a", { lock: { kind: "grant" } }), bad), "invalid-input");
      assert.equal((await bench.list()).size, 0);
    },
  },
];

function assertRising(tokens: readonly number[]): void {
  for (const [index, token] of tokens.entries()) {
    assert.ok(index === 0 || token > (tokens[index - 1] ?? token), `tokens should rise: ${tokens.join(", ")}`);
  }
}

function lockedSource(bench: Bench): string {
  const { instance, pid, host } = bench.holder();
  return JSON.stringify({
    id: "01JABCDEFGHJKMNPQRSTVWXYZ0",
    component_type: "node",
    created_at: "2024-01-02T03:04:05.000000Z",
    last_seen: "2024-01-02T03:04:05.000000Z",
    metadata: {},
    lock: {
      holder_pid: pid,
      holder_host: host,
      holder_instance: instance,
      acquired_at: "2099-01-02T03:04:05.000000Z",
      heartbeat_at: "2099-01-02T03:04:05.000000Z",
      expires_at: "2099-01-02T03:04:35.000000Z",
    },
    workcell_id: null,
  });
}
