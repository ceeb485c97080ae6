import assert from "node:assert/strict";
import type { EntryRecord } from "../../core/record.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import type { ChangePart } from "../../stores/store.js";
import { type Bench, creation, done, putOn, refused } from "./bench.js";
import type { ContractCase } from "./harness.js";

type Ending = (record: EntryRecord) => ChangePart & { readonly kind: "remove" | "rename" };

const WAYS: readonly Ending[] = [
  ({ name, version }) => ({ kind: "remove", name, expect: version }),
  ({ name, version }) => ({ kind: "rename", name, to: `${name}, renamed`, expect: version }),
];

/** Names that go away. */
export const removalCases: readonly ContractCase[] = [
  {
    title: "a removal or a rename that rests on a holder's silence is refused when it has shown a sign of life [G7]",
    async run(bench) {
      for (const [i, end] of WAYS.entries()) {
        const holder = bench.holder();
        const looked = await bench.grant(`name ${i}`, holder);
        await bench.elapse(0.3);
        await bench.heartbeat(holder, looked);
        const { version } = await bench.read(looked.name);
        const part = { ...end({ ...looked, version }), expectHolder: looked.holder.version };
        refused(await bench.commit(bench.holder(), part));
        assert.equal((await bench.read(looked.name)).token, looked.token);
        assert.equal((await bench.judge(looked.name)).kind, "held");
      }
    },
  },
  {
    title: "a removal or a rename that rests on a holder's silence is done while it is silent",
    async run(bench) {
      for (const [i, end] of WAYS.entries()) {
        const looked = await bench.grant(`name ${i}`, bench.holder());
        await bench.elapse(1.1);
        done(await bench.commit(bench.holder(), { ...end(looked), expectHolder: looked.holder.version }));
        assert.equal((await bench.store.read(looked.name)).record, null);
      }
    },
  },
  {
    title: "what a removal, a rename or an import has taken away is in the backup that they answer with [G1]",
    async run(bench) {
      const first = await bench.create("a", { metadata: { key: "kept" } });
      const source = first.source.replace(first.entry.id, OTHER_ID);
      for (const part of [
        ({ version }: EntryRecord): ChangePart => ({ kind: "rename", name: "a", to: "b", expect: version }),
        ({ version }: EntryRecord): ChangePart => ({ kind: "remove", name: "a", expect: version }),
        (record: EntryRecord): ChangePart => putOn(record, { source }),
      ]) {
        const backup = await backupOf(bench, part(await bench.read("a")));
        // A store that keeps none must not promise G1 without exception.
        if (backup === undefined) return;
        await clear(bench);
        const kept = RegistryDocument.parse(await bench.readBackup(backup)).entryText("a");
        assert.ok(kept, `the backup ${backup} should have the entry`);
        done(await bench.commit(bench.holder(), creation("a", { source: kept })));
        const { id, metadata } = (await bench.read("a")).entry;
        assert.deepEqual({ id, metadata }, { id: first.entry.id, metadata: { key: "kept" } });
      }
    },
  },
];

const OTHER_ID = "01JQ0000000000000000000000";

/** @returns undefined where none was kept, and none was promised */
async function backupOf(bench: Bench, part: ChangePart): Promise<string | undefined> {
  const result = await bench.commit(bench.holder(), part);
  done(result);
  const backup = result.kind === "done" ? result.backup : undefined;
  const promisesNone = bench.store.capabilities.exceptions.some(({ guarantee }) => guarantee === "G1");
  assert.ok(backup !== undefined || promisesNone, `a ${part.kind} should answer where the backup is`);
  return backup;
}

async function clear(bench: Bench): Promise<void> {
  for (const [name, { version }] of await bench.list()) {
    done(await bench.commit(bench.holder(), { kind: "remove", name, expect: version }));
  }
}
