import { hostname } from "node:os";
import { setImmediate as immediately } from "node:timers/promises";
import { ulid } from "ulid";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Holder } from "../../../src/core/entry.js";
import type { Version } from "../../../src/core/record.js";
import { JsonFileStore } from "../../../src/stores/json-file/json-file-store.js";
import type { ChangePart, Store } from "../../../src/stores/store.js";
import { LabFiles } from "./lab-files.js";
import { pythonEdits, pythonTakes } from "./regressions/python-file.js";
import { ShiftedClock } from "./shifted-clock.js";

const TTL_MS = 30_000;

const CHANGES: readonly (readonly [what: string, partOn: (version: Version) => ChangePart])[] = [
  ["a new name", () => created("leg")],
  ["a waiter", () => ({ kind: "enqueue", name: "arm", ticket: "one" })],
  ["a new name of an entry", (expect) => ({ kind: "rename", name: "arm", to: "left arm", expect })],
  ["a name's removal", (expect) => ({ kind: "remove", name: "arm", expect })],
  ["an entry's metadata", (expect) => ({ kind: "put", name: "arm", expect, write: { metadata: { key: 1 } } })],
  ["a release", (expect) => ({ kind: "put", name: "arm", expect, write: { lock: { kind: "clear" } } })],
  [
    "a revocation",
    (expect) => ({ kind: "put", name: "arm", expect, write: { lock: { kind: "revoke", reason: "service" } } }),
  ],
];

describe("a watch of all names", () => {
  it("is not told of heartbeats, which a watch of the name is told of", async () => {
    const { holder, store, all, one, token } = await watched();
    await store.heartbeat(holder, new Map([["arm", token]]));
    await one.next();
    expect(await all.isTold()).toBe(false);
  });

  it.each(CHANGES)("is told of %s", async (_what, partOn) => {
    const { holder, store, all } = await watched();
    const { record } = await store.read("arm");
    if (record === null) throw new Error("arm is gone");
    const told = all.next();
    const result = await store.commit({ holder, parts: [partOn(record.version)] });
    expect(result.kind).toBe("done");
    expect(await told).toBe("told");
  });

  it("is told of a heartbeat after the lock's expiry: its holder had been silent", async () => {
    const { holder, store, clock, all, token } = await watched();
    const told = all.next();
    clock.pass(TTL_MS + 1);
    await store.heartbeat(holder, new Map([["arm", token]]));
    expect(await told).toBe("told");
  });

  it("is told of a heartbeat on a clock that was set back: it does not show for how long there was none", async () => {
    const { holder, store, clock, all, token } = await watched();
    const told = all.next();
    clock.stepWall(-10_000);
    await store.heartbeat(holder, new Map([["arm", token]]));
    expect(await told).toBe("told");
  });

  it("is told when Python takes a name", async () => {
    const { lab, all } = await watched();
    const told = all.next();
    pythonTakes(lab, "arm");
    expect(await told).toBe("told");
  });

  it("is told when Python has changed an entry", async () => {
    const { lab, all } = await watched();
    const told = all.next();
    pythonEdits(lab, (entries) => {
      const { arm } = entries;
      if (arm !== undefined) entries["arm"] = { ...arm, metadata: { key: 1 } };
    });
    expect(await told).toBe("told");
  });
});

/** A name that is held, and two watches by another store that have been told of nothing yet. */
async function watched() {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  const store = storeOn(lab, clock);
  const holder: Holder = { instance: ulid(), pid: process.pid, host: hostname(), ttlMs: TTL_MS };
  const part = created("arm", { lock: { kind: "grant" } });
  const result = await store.commit({ holder, parts: [part] });
  const token = (result.kind === "done" && result.snapshots.get("arm")?.record?.token) || 0;
  const watching = storeOn(lab, clock);
  const [all, one] = [new Reader(watching, undefined), new Reader(watching, ["arm"])];
  for (const reader of [all, one]) await reader.next();
  // The first look at the files.
  for (const reader of [all, one]) await reader.next();
  return { lab, clock, store, holder, token, all, one };
}

function storeOn(lab: LabFiles, clock: ShiftedClock): JsonFileStore {
  const store = new JsonFileStore(lab.path, { clock });
  onTestFinished(() => store.close());
  return store;
}

function created(name: string, write = {}): ChangePart {
  return { kind: "put", name, expect: "absent", write: { id: ulid(), componentType: "node", ...write } };
}

class Reader {
  readonly #watch: AsyncIterator<unknown>;
  #asked: Promise<unknown> | undefined;

  constructor(store: Store, names: readonly string[] | undefined) {
    const controller = new AbortController();
    onTestFinished(() => controller.abort());
    const options = names === undefined ? {} : { names };
    this.#watch = store.watch({ ...options, signal: controller.signal })[Symbol.asyncIterator]();
  }

  async next(): Promise<"told"> {
    await this.#ask();
    this.#asked = undefined;
    return "told";
  }

  /** Whether there is something to be told at once. */
  async isTold(): Promise<boolean> {
    const told = this.#ask().then(() => true);
    return Promise.race([told, immediately(false)]);
  }

  #ask(): Promise<unknown> {
    this.#asked ??= this.#watch.next();
    return this.#asked;
  }
}
