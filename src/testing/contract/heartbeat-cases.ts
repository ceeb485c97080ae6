import assert from "node:assert/strict";
import type { Loss } from "../../core/record.js";
import { type Bench, creation, done, type Granted, granted, putOn } from "./bench.js";
import type { ContractCase } from "./harness.js";

/** Heartbeats: all names in one trip, losses told, nothing brought back. */
export const heartbeatCases: readonly ContractCase[] = [
  {
    title: "one heartbeat refreshes every lock that it names [G7]",
    async run(bench) {
      const holder = bench.holder();
      const grants = [await bench.grant("a", holder), await bench.grant("b", holder), await bench.grant("c", holder)];
      for (let beat = 0; beat < 3; beat += 1) {
        await bench.elapse(0.6);
        assert.deepEqual([...(await bench.heartbeat(holder, ...grants))], []);
        for (const { name } of grants) {
          const state = await bench.judge(name);
          assert.equal(state.kind, "held");
          assert.ok(state.kind === "held" && state.lapsesInMs > 0.8 * bench.ttlMs);
        }
      }
      const { entry } = await bench.read("b");
      assert.ok((entry.lock?.heartbeatAt ?? 0) - (entry.lock?.acquiredAt ?? 0) >= 1.8 * bench.ttlMs - 1);
    },
  },
  {
    title: "a holder's version changes with each heartbeat [G7]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      const versions = new Set<string>([first.holder.version]);
      for (let beat = 1; beat <= 3; beat += 1) {
        await bench.elapse(0.01);
        await bench.heartbeat(holder, first);
        versions.add(granted(await bench.read("a")).holder.version);
        assert.equal(versions.size, beat + 1);
      }
    },
  },
  {
    title: "a heartbeat speaks for its own holder alone [G7]",
    async run(bench) {
      const holder = bench.holder();
      const silent = await bench.grant("silent", bench.holder());
      const beating = await bench.grant("beating", holder);
      for (let beat = 0; beat < 2; beat += 1) {
        await bench.elapse(0.6);
        await bench.heartbeat(holder, beating);
      }
      assert.equal((await bench.judge("beating")).kind, "held");
      assert.equal((await bench.judge("silent", { record: silent, partOfTtl: 1.2 })).kind, "free");
    },
  },
  {
    title: "a lock that the heartbeat does not name lapses, its TTL after its last refresh, while others live on [G6]",
    async run(bench) {
      const holder = bench.holder();
      const kept = await bench.grant("kept", holder);
      const dropped = await bench.grant("dropped", holder);
      await bench.elapse(0.5);
      await bench.heartbeat(holder, kept, dropped);
      const last = await bench.read("dropped");
      await bench.elapse(0.5);
      await bench.heartbeat(holder, kept);
      assert.equal((await bench.judge("dropped", { record: last, partOfTtl: 0.5 })).kind, "held");
      await bench.elapse(0.6);
      await bench.heartbeat(holder, kept);
      assert.equal((await bench.judge("kept")).kind, "held");
      assert.equal((await bench.judge("dropped", { record: last, partOfTtl: 1.1 })).kind, "free");
    },
  },
  {
    title: "a former holder is told who has taken its name, and its refresh changes nothing [G5]",
    async run(bench) {
      const former = bench.holder();
      const first = await bench.grant("a", former);
      await bench.elapse(1.1);
      const other = await bench.another();
      const taker = other.holder();
      const taken = await other.grant("a", taker);
      const { reason, by } = await lossOf(bench, former, first);
      assert.equal(reason, "taken");
      assert.deepEqual({ ...by }, { pid: taker.pid, host: taker.host, instance: taker.instance });
      await bench.elapse(0.5);
      await bench.heartbeat(former, first);
      const record = granted(await bench.read("a"));
      assert.equal(record.version, taken.version);
      assert.equal(record.holder.version, taken.holder.version);
      assert.deepEqual(record.entry, taken.entry);
      assert.equal((await other.heartbeat(taker, taken)).size, 0);
    },
  },
  {
    title: "a former holder is told of its loss even when the taker has left again [G4]",
    async run(bench) {
      const former = bench.holder();
      const first = await bench.grant("a", former);
      await bench.elapse(1.1);
      const taker = bench.holder();
      await bench.put(await bench.grant("a", taker), { lock: { kind: "clear" } }, taker);
      await lossOf(bench, former, first);
      assert.equal((await bench.read("a")).entry.lock, null);
    },
  },
  {
    title: "a revoked lock is answered as lost, with the operator's words, and is not refreshed [G4]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await bench.put(first, { lock: { kind: "revoke", reason: "maintenance" } });
      const last = await bench.read("a");
      await bench.elapse(0.5);
      const { reason, detail } = await lossOf(bench, holder, first);
      assert.deepEqual({ reason, detail }, { reason: "revoked", detail: "maintenance" });
      await bench.elapse(0.6);
      await lossOf(bench, holder, first);
      assert.equal((await bench.judge("a", { record: last, partOfTtl: 1.1 })).kind, "free");
    },
  },
  {
    title: "a renamed lock is answered as lost under its old name, with the new one, and is not refreshed [G4]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      done(await bench.commit(bench.holder(), { kind: "rename", name: "a", to: "b", expect: first.version }));
      const last = await bench.read("b");
      await bench.elapse(0.5);
      const { reason, renamedTo } = await lossOf(bench, holder, first);
      assert.deepEqual({ reason, renamedTo }, { reason: "renamed", renamedTo: "b" });
      await bench.elapse(0.6);
      await lossOf(bench, holder, first);
      assert.equal((await bench.judge("b", { record: last, partOfTtl: 1.1 })).kind, "free");
    },
  },
  {
    title: "a removed entry's holder is told, and its refresh does not bring the entry back [G5]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      done(await bench.commit(bench.holder(), { kind: "remove", name: "a", expect: first.version }));
      assert.equal((await lossOf(bench, holder, first)).reason, "removed");
      assert.equal((await bench.store.read("a")).record, null);
      assert.equal((await bench.list()).size, 0);
      const remade = await bench.create("a");
      await lossOf(bench, holder, first);
      assert.equal((await bench.read("a")).version, remade.version);
    },
  },
  {
    title: "the word that a change leaves is what the former holder is told [G4]",
    async run(bench) {
      const holder = bench.holder();
      const word: Loss = { reason: "revoked", detail: "at once" };
      const cleared = await bench.grant("cleared", holder);
      await bench.put(cleared, { lock: { kind: "clear", word } });
      const removed = await bench.grant("removed", holder);
      done(await bench.commit(bench.holder(), { kind: "remove", name: "removed", expect: removed.version, word }));
      const lost = await bench.heartbeat(holder, cleared, removed);
      assert.deepEqual([...lost.keys()].sort(), ["cleared", "removed"]);
      for (const loss of lost.values()) assert.deepEqual({ reason: loss.reason, detail: loss.detail }, word);
    },
  },
  {
    title: "a loss is told again, since its first telling may not have arrived [G4]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await bench.put(first, { lock: { kind: "clear", word: { reason: "revoked", detail: "why" } } });
      for (let beat = 0; beat < 3; beat += 1) await lossOf(bench, holder, first);
    },
  },
  {
    title: "a refresh does not bring a cleared lock back [G5]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      const cleared = await bench.put(first, { lock: { kind: "clear" } }, holder);
      await lossOf(bench, holder, first);
      const record = await bench.read("a");
      assert.equal(record.entry.lock, null);
      assert.equal(record.version, cleared.version);
    },
  },
  {
    title: "a refresh with an earlier token of the same holder is lost and refreshes nothing [G5]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await bench.put(first, { lock: { kind: "clear", word: { reason: "revoked", detail: "the first" } } });
      const second = await bench.grant("a", holder);
      // What became of the first claim is not told to the second.
      assert.equal((await bench.heartbeat(holder, second)).size, 0);
      const last = await bench.read("a");
      await bench.elapse(0.5);
      await lossOf(bench, holder, first);
      await bench.elapse(0.6);
      await lossOf(bench, holder, first);
      assert.equal((await bench.judge("a", { record: last, partOfTtl: 1.1 })).kind, "free");
    },
  },
  {
    title: "a name that the holder never had is answered as lost [G5]",
    async run(bench) {
      const holder = bench.holder();
      const mine = await bench.grant("mine", holder);
      await bench.create("free");
      const names = new Map([
        ["free", 1],
        ["missing", 1],
        ["mine", mine.token],
      ]);
      const lost = await bench.store.heartbeat(holder, names);
      assert.deepEqual([...lost.keys()].sort(), ["free", "missing"]);
      assert.equal((await bench.read("free")).entry.lock, null);
      assert.equal((await bench.store.read("missing")).record, null);
    },
  },
  {
    title: "a heartbeat that tells of one loss refreshes the others [G7]",
    async run(bench) {
      const holder = bench.holder();
      const kept = await bench.grant("kept", holder);
      const lost = await bench.grant("lost", holder);
      await bench.elapse(0.6);
      await bench.grant("lost", bench.holder());
      assert.deepEqual([...(await bench.heartbeat(holder, lost, kept)).keys()], ["lost"]);
      await bench.elapse(0.6);
      assert.equal((await bench.judge("kept")).kind, "held");
    },
  },
  {
    title: "heartbeats and changes at once lose neither [G9]",
    async run(bench) {
      const holder = bench.holder();
      const grants = await Promise.all(Array.from({ length: 10 }, (_, index) => bench.grant(`held${index}`, holder)));
      const other = await bench.another();
      const beats = Array.from({ length: 10 }, () => bench.heartbeat(holder, ...grants));
      const writes = Array.from({ length: 10 }, (_, index) =>
        other.commit(other.holder(), creation(`new${index}`, { metadata: { index } })),
      );
      for (const lost of await Promise.all(beats)) assert.equal(lost.size, 0);
      for (const result of await Promise.all(writes)) done(result);
      const records = await bench.list();
      assert.equal(records.size, 20);
      for (const { name, token } of grants) assert.equal(records.get(name)?.token, token);
    },
  },
  {
    title: "a holder may change its entry between its heartbeats [G9]",
    async run(bench) {
      const holder = bench.holder();
      const first = await bench.grant("a", holder);
      await bench.heartbeat(holder, first);
      const record = await bench.read("a");
      done(await bench.commit(holder, putOn(record, { metadata: { state: "busy" } })));
      assert.equal((await bench.heartbeat(holder, first)).size, 0);
      assert.deepEqual((await bench.read("a")).entry.metadata, { state: "busy" });
      assert.equal((await bench.judge("a")).kind, "held");
    },
  },
];

/** The one loss that a heartbeat for `grant` alone is answered with. */
async function lossOf(bench: Bench, holder: Parameters<Bench["heartbeat"]>[0], grant: Granted): Promise<Loss> {
  const lost = await bench.heartbeat(holder, grant);
  assert.deepEqual([...lost.keys()], [grant.name]);
  const loss = lost.get(grant.name);
  assert.ok(loss);
  return loss;
}
