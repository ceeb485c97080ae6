import { symlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { JsonFileStore } from "../../../../src/stores/json-file/json-file-store.js";
import type { ChangePart, Store } from "../../../../src/stores/store.js";
import { LabFiles } from "../lab-files.js";

const NODE = { type: "node" } as const;
const HOLDER = { instance: "01JW0000000000000000000001", pid: 1, host: "lab", ttlMs: 60_000 };

it("a commit that fails half-way leaves no trace in the turn that it shares with others, before and after it [G9, G11]", async () => {
  const lab = new LabFiles();
  const registry = await lab.open();
  for (const name of ["a", "b", "c", "odd"]) await registry.resolve(name, NODE);
  const odd = lab.text.lastIndexOf('"node"');
  lab.text = `${lab.text.slice(0, odd)}"spaceship"${lab.text.slice(odd + '"node"'.length)}`;
  const store = new JsonFileStore(lab.path);
  onTestFinished(() => store.close());
  const touch = async (name: string): Promise<ChangePart> => ({
    kind: "put",
    name,
    expect: await versionOf(store, name),
    write: { metadata: { touched: true } },
  });
  const [a, b, c] = [await touch("a"), await touch("b"), await touch("c")];
  // Everything about it is in order but the answer: the record of `odd` cannot be shown.
  const half: readonly ChangePart[] = [b, { kind: "enqueue", name: "odd", ticket: "t" }];
  const outcomes = await Promise.allSettled([[a], half, [c]].map((parts) => store.commit({ holder: HOLDER, parts })));
  expect(outcomes).toMatchObject([
    { status: "fulfilled", value: { kind: "done" } },
    { status: "rejected", reason: { code: "damaged" } },
    { status: "fulfilled", value: { kind: "done" } },
  ]);
  expect(["a", "b", "c"].map((name) => lab.entry(name)?.metadata)).toEqual([{ touched: true }, {}, { touched: true }]);
});

describe("operations of one process that come at any moment of each other's turns", () => {
  it("are all done: none waits for a turn that nobody takes [G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    for (const name of ["a", "b"]) await registry.resolve(name, NODE);
    for (let microtasks = 0; microtasks < 40; microtasks += 1) {
      const first = registry.resolve("a", NODE);
      for (let i = 0; i < microtasks; i += 1) await Promise.resolve();
      const both = Promise.all([first, registry.resolve("b", NODE)]).then(() => "done");
      expect(await Promise.race([both, sleep(2_000, `waits in vain, begun ${microtasks} microtasks later`)])).toBe(
        "done",
      );
    }
  });

  it("all fail where no turn can be had [G11, G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open({ fileLockTimeoutMs: 100 });
    symlinkSync(lab.directory, lab.holders);
    const ends = [registry.resolve("a", NODE), registry.claim("a", NODE)].map((one) =>
      Promise.race([
        one.then(
          () => "done",
          (error) => error.code,
        ),
        sleep(2_000, "waits in vain"),
      ]),
    );
    expect(await Promise.all(ends)).toEqual(["storage-failed", "storage-failed"]);
  });
});

async function versionOf(store: Store, name: string) {
  const { record } = await store.read(name);
  if (record === null) throw new Error(`there is no ${name}`);
  return record.version;
}
