import { describe, expect, it } from "vitest";
import type { Holder } from "../../src/core/entry.js";
import type { Change } from "../../src/stores/store.js";
import { FaultyStore } from "../../src/testing/faulty-store.js";
import { MemoryStore } from "../../src/testing/index.js";
import { ManualClock } from "../../src/testing/manual-clock.js";

const HOLDER: Holder = { instance: "01JHOLDERHOLDERHOLDERHOLDE", pid: 1, host: "lab", ttlMs: 30_000 };
const CREATION: Change = {
  holder: HOLDER,
  parts: [
    { kind: "put", name: "a", expect: "absent", write: { id: "01J0", componentType: "node", lock: { kind: "grant" } } },
  ],
};

describe("a faulty store", () => {
  it("refuses before the write, once, with the code that was asked for", async () => {
    const { store, sound } = stores();
    store.failNext("commit", { kind: "refuse", code: "busy" });
    await expect(store.commit(CREATION)).rejects.toMatchObject({ code: "busy" });
    expect((await sound.read("a")).record).toBeNull();
    expect((await store.commit(CREATION)).kind).toBe("done");
  });

  it("loses the reply after the write: a commit is then of unknown outcome", async () => {
    const { store, sound } = stores();
    store.failNext("commit", { kind: "drop-reply" });
    expect(await store.commit(CREATION)).toMatchObject({ kind: "unknown", cause: { code: "unreachable" } });
    expect((await sound.read("a")).record?.token).toBeGreaterThan(0);
  });

  it("loses the reply to a heartbeat that was done", async () => {
    const { store, sound, clock } = stores();
    const result = await store.commit(CREATION);
    const token = result.kind === "done" ? (result.snapshots.get("a")?.record?.token ?? 0) : 0;
    await clock.advance(10_000);
    store.failNext("heartbeat", { kind: "drop-reply" });
    await expect(store.heartbeat(HOLDER, new Map([["a", token]]))).rejects.toMatchObject({ code: "unreachable" });
    expect((await sound.read("a")).record?.holder?.evidence).toMatchObject({ kind: "beat", ageMs: 0 });
  });

  it("asks its plan for calls that no fault was given for", async () => {
    const { store } = stores();
    store.planFault = (verb) => (verb === "read" ? { kind: "refuse", code: "unreachable" } : undefined);
    await expect(store.read("a")).rejects.toMatchObject({ code: "unreachable" });
    expect((await store.commit(CREATION)).kind).toBe("done");
  });

  it("holds a call before it is done and after, until it is let go", async () => {
    const { store, sound } = stores();
    const [before, after] = [store.pauseNext("before", "commit"), store.pauseNext("after", "commit")];
    const commit = store.commit(CREATION);
    await before.reached;
    expect((await sound.read("a")).record).toBeNull();
    before.resume();
    await after.reached;
    expect((await sound.read("a")).record).not.toBeNull();
    after.resume();
    expect((await commit).kind).toBe("done");
  });

  it("holds every call while it is frozen", async () => {
    const { store, clock } = stores();
    store.freeze();
    const answers: string[] = [];
    const reads = ["a", "b"].map(async (name) => answers.push((await store.read(name)).name));
    await clock.settle();
    expect(answers).toEqual([]);
    store.thaw();
    await Promise.all(reads);
    expect(answers).toEqual(["a", "b"]);
  });
});

function stores() {
  const clock = new ManualClock();
  const sound = new MemoryStore(clock);
  return { clock, sound, store: new FaultyStore(sound.another()) };
}
