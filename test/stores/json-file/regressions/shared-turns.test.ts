import { existsSync } from "node:fs";
import { ulid } from "ulid";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Holder } from "../../../../src/core/entry.js";
import { RegistryError } from "../../../../src/core/errors.js";
import { FileTurn } from "../../../../src/stores/json-file/file-turn.js";
import { JsonFileStore } from "../../../../src/stores/json-file/json-file-store.js";
import { RegistryFiles } from "../../../../src/stores/json-file/registry-files.js";
import type { ChangePart, CommitResult, Store } from "../../../../src/stores/store.js";
import { LabFiles } from "../lab-files.js";
import { NodeProcess } from "../processes/node-process.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };

describe("the locks of an earlier life of an instance", () => {
  it("are cleared away by its first turn, and only by that", async () => {
    const { lab, store, holder } = await secondLife();
    await granted(store, holder, "b");
    expect(lab.entry("a")?.lock).toBeNull();
    await granted(store, holder, "c");
    expect(instancesIn(lab)).toEqual({ a: undefined, b: holder.instance, c: holder.instance });
  });

  it("are cleared away though another job of the turn fails and the turn is begun anew [G6]", async () => {
    const { lab, store, holder } = await secondLife();
    const sharing: ChangePart = { kind: "put", name: "c", expect: "absent", write: { source: entryText(lab, "a") } };
    const [done, failed] = await Promise.allSettled([
      store.commit({ holder, parts: [granting("b")] }),
      store.commit({ holder, parts: [sharing] }),
    ]);
    expect(failed).toMatchObject({ status: "rejected" });
    expect(done).toMatchObject({ status: "fulfilled", value: { kind: "done" } });
    expect(instancesIn(lab)).toEqual({ a: undefined, b: holder.instance });
  });

  it("are cleared away though the turn is lost before it has written, and taken anew [G6, G9]", async () => {
    const { lab, store, holder } = await secondLife();
    const isOurs = vi.spyOn(FileTurn.prototype, "isStillOurs").mockReturnValueOnce(false);
    onTestFinished(() => isOurs.mockRestore());
    await granted(store, holder, "b");
    expect(isOurs.mock.results[0]).toEqual({ type: "return", value: false });
    expect(instancesIn(lab)).toEqual({ a: undefined, b: holder.instance });
  });

  it("are not confused with one that was granted in a turn of which the outcome is not known", async () => {
    const { lab, store, holder } = await secondLife();
    const { finish } = RegistryFiles.prototype;
    const failing = vi.spyOn(RegistryFiles.prototype, "finish").mockImplementationOnce(function (
      this: RegistryFiles,
      work,
      check,
    ) {
      work.afterWrite.splice(0);
      finish.call(this, work, check);
      throw new RegistryError("outcome-unknown", "The disk has failed after the registry was written.");
    });
    onTestFinished(() => failing.mockRestore());
    const result = await store.commit({ holder, parts: [granting("b")] });
    expect(result.kind).toBe("unknown");
    await granted(store, holder, "c");
    expect(instancesIn(lab)).toEqual({ a: undefined, b: holder.instance, c: holder.instance });
  });
});

describe("the backup that a commit answers with", () => {
  it("is its own, not that of another one in the same turn [G1]", async () => {
    const lab = new LabFiles();
    const store = storeOn(lab);
    const holder: Holder = { instance: ulid(), pid: process.pid, host: "lab", ttlMs: 60_000 };
    for (const name of ["a", "b"]) await store.commit({ holder, parts: [creating(name)] });
    const { record } = await store.read("a");
    if (record === null) throw new Error("a is gone");
    const results = await Promise.all([
      store.commit({ holder, parts: [creating("c")] }),
      store.commit({ holder, parts: [{ kind: "remove", name: "a", expect: record.version }] }),
      store.commit({ holder, parts: [creating("d")] }),
    ]);
    const backups = results.map((result) => (result.kind === "done" ? (result.backup ?? null) : undefined));
    expect(backups).toEqual([null, expect.any(String), null]);
    expect(existsSync(backups[1] ?? "")).toBe(true);
  });
});

/** `a` is locked by an earlier life of the holder, which was killed. */
async function secondLife(): Promise<{ readonly lab: LabFiles; readonly store: Store; readonly holder: Holder }> {
  const lab = new LabFiles();
  const instanceId = ulid();
  const killed = await NodeProcess.over(lab.path, { ...LONG, instanceId });
  await killed.call("claim", "a");
  await killed.kill();
  const holder: Holder = { instance: instanceId, pid: process.pid, host: "lab", ttlMs: 60_000 };
  return { lab, store: storeOn(lab), holder };
}

function storeOn(lab: LabFiles): Store {
  const store = new JsonFileStore(lab.path);
  onTestFinished(() => store.close());
  return store;
}

function creating(name: string): ChangePart {
  return { kind: "put", name, expect: "absent", write: { id: ulid(), componentType: "node" } };
}

function granting(name: string): ChangePart {
  const write = { id: ulid(), componentType: "node", lock: { kind: "grant" } } as const;
  return { kind: "put", name, expect: "absent", write };
}

async function granted(store: Store, holder: Holder, name: string): Promise<CommitResult> {
  const result = await store.commit({ holder, parts: [granting(name)] });
  expect(result.kind).toBe("done");
  return result;
}

function entryText(lab: LabFiles, name: string): string {
  return JSON.stringify({ ...lab.entry(name), lock: null });
}

function instancesIn(lab: LabFiles): Readonly<Record<string, string | undefined>> {
  const { entries } = JSON.parse(lab.text) as {
    readonly entries: Record<string, { lock: { holder_instance: string } | null }>;
  };
  return Object.fromEntries(Object.entries(entries).map(([name, { lock }]) => [name, lock?.holder_instance]));
}
