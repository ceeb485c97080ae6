import { describe, expect, it, onTestFinished } from "vitest";
import { type ErrorCode, NameholdError } from "../../src/core/errors.js";
import type { Snapshot } from "../../src/core/record.js";
import type { ChangesOptions, RegistryChange } from "../../src/registry/changes.js";
import { LockManager } from "../../src/registry/lock-manager.js";
import { Registry } from "../../src/registry/registry.js";
import type { DamageReport, Recovery, WatchOptions } from "../../src/stores/store.js";
import { FaultyStore } from "../../src/testing/faulty-store.js";
import { HEARTBEAT_MS, Lab, TTL_MS } from "./lab.js";

/** A store that can fail to list and to watch, and counts what is asked of it. */
class WatchedStore extends FaultyStore {
  failure: Error | undefined;
  watchFailure: Error | undefined;
  /** Of each listing, when this is given, all but that name, and then the failure. */
  damage: { readonly hides: string; readonly code?: ErrorCode } | undefined;
  recovery?: Recovery;
  lists = 0;
  reads = 0;
  #listing = 0;
  listingMax = 0;
  #stopped: (() => void)[] = [];

  override async *list(): AsyncIterable<Snapshot> {
    this.lists += 1;
    this.#listing += 1;
    this.listingMax = Math.max(this.listingMax, this.#listing);
    try {
      if (this.failure !== undefined) throw this.failure;
      for await (const snapshot of super.list()) if (snapshot.name !== this.damage?.hides) yield snapshot;
      if (this.damage !== undefined) throw this.#hidden(this.damage);
    } finally {
      this.#listing -= 1;
    }
  }

  override read(name: string): Promise<Snapshot> {
    this.reads += 1;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.damage?.hides === name) return Promise.reject(this.#hidden(this.damage));
    return super.read(name);
  }

  #hidden({ hides, code = "damaged" }: NonNullable<WatchedStore["damage"]>): NameholdError {
    return new NameholdError(code, `${hides} could not be read.`);
  }

  override async *watch(options: WatchOptions): AsyncIterable<readonly string[] | null> {
    this.#failWatch();
    const stop = new AbortController();
    this.#stopped.push(() => stop.abort());
    yield* super.watch({ ...options, signal: AbortSignal.any([options.signal, stop.signal]) });
    this.#failWatch();
  }

  #failWatch(): void {
    if (this.watchFailure !== undefined) throw this.watchFailure;
  }

  failWatches(failure: Error): void {
    this.watchFailure = failure;
    this.endWatches();
  }

  endWatches(): void {
    for (const stop of this.#stopped.splice(0)) stop();
  }
}

class Watcher {
  readonly store: WatchedStore;
  readonly registry: Registry;
  readonly changes: RegistryChange[] = [];
  readonly starts: (readonly string[])[] = [];
  readonly abort = new AbortController();
  failure: unknown;
  isOver = false;
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
    this.store = new WatchedStore(lab.memory.another());
    this.registry = new Registry("memory", this.store, new LockManager({ clock: lab.clock }));
    onTestFinished(() => this.registry.close());
    onTestFinished(() => this.abort.abort());
  }

  open(options: ChangesOptions = {}): AsyncIterator<RegistryChange> {
    const onStart: ChangesOptions["onStart"] = (entries) => this.starts.push(entries.map(({ name }) => name));
    return this.registry.changes({ onStart, signal: this.abort.signal, ...options })[Symbol.asyncIterator]();
  }

  async start(options: ChangesOptions = {}): Promise<this> {
    void this.#consume(this.open(options));
    await this.#lab.clock.settle();
    return this;
  }

  async #consume(changes: AsyncIterator<RegistryChange>): Promise<void> {
    try {
      for (let next = await changes.next(); next.done !== true; next = await changes.next())
        this.changes.push(next.value);
    } catch (error) {
      this.failure = error;
    }
    this.isOver = true;
  }

  /** What was told since the last time. */
  async told(): Promise<readonly string[]> {
    await this.#lab.clock.settle();
    return this.changes.splice(0).map(({ kind, name }) => (name === null ? kind : `${name} ${kind}`));
  }
}

const PASSING = ["busy", "unreachable", "damaged", "storage-failed", "outcome-unknown"] as const;
const NODE = { type: "node" } as const;

describe("watching a registry", () => {
  it("begins with what is there, and tells nothing of it", async () => {
    const lab = new Lab();
    await lab.open().claim("arm");
    const watcher = await new Watcher(lab).start();
    expect(watcher.starts).toEqual([["arm"]]);
    expect(await watcher.told()).toEqual([]);
  });

  it("tells what happens to a name, each once, with the time by the store's clock", async () => {
    const lab = new Lab();
    const watcher = await new Watcher(lab).start();
    const [a, b] = [lab.open(), lab.open()];
    await lab.clock.advance(1_000);
    const claim = await a.claim("arm");
    await lab.clock.settle();
    const [registered, held] = watcher.changes;
    expect(registered).toMatchObject({
      kind: "registered",
      name: "arm",
      id: claim.id,
      at: lab.clock.wallMs(),
      before: null,
    });
    expect(held).toMatchObject({ kind: "held", name: "arm", now: { token: claim.token } });
    expect(await watcher.told()).toEqual(["arm registered", "arm held"]);
    const waiter = await b.queueUp("arm");
    expect(await watcher.told()).toEqual(["arm waiters-changed"]);
    await b.registry.revoke("arm", { reason: "stuck" });
    expect(await watcher.told()).toEqual(["arm revoked"]);
    await lab.clock.advance(HEARTBEAT_MS);
    await claim.release();
    await waiter.claim;
    await lab.clock.settle();
    expect(watcher.changes.at(0)).toMatchObject({ kind: "released", ending: { how: "revoked", detail: "stuck" } });
    expect(await watcher.told()).toEqual(["arm released", "arm held", "arm waiters-changed"]);
    b.kill();
    expect(await watcher.told()).toEqual(["arm crashed"]);
    await a.registry.release("arm");
    expect(await watcher.told()).toEqual(["arm released"]);
    await a.registry.rename("arm", "left");
    expect(await watcher.told()).toEqual(["left renamed"]);
    await a.registry.resolve("left", { type: "manager", allowTypeMismatch: true, metadata: { a: 1 } });
    expect(await watcher.told()).toEqual(["left metadata-changed"]);
    const { version } = await lab.record("left");
    await a.commit({ kind: "remove", name: "left", expect: version });
    expect(await watcher.told()).toEqual(["left removed"]);
  });

  it("takes heartbeats for no change", async () => {
    const lab = new Lab();
    await lab.open().claim("arm");
    const watcher = await new Watcher(lab).start();
    await lab.clock.advance(20 * TTL_MS);
    expect(await watcher.told()).toEqual([]);
  });

  it("tells that a holder is silent when its TTL has passed, though nobody writes anything [G6]", async () => {
    const lab = new Lab();
    const holder = lab.open();
    await holder.claim("arm");
    const watcher = await new Watcher(lab).start();
    holder.store.freeze();
    await lab.clock.advance(TTL_MS - 1);
    expect(await watcher.told()).toEqual([]);
    await lab.clock.advance(1);
    expect(await watcher.told()).toEqual(["arm silent"]);
  });

  it("tells from whom a name was taken over, and how his hold had ended", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.claim("arm");
    const watcher = await new Watcher(lab).start();
    a.kill();
    await b.claim("arm");
    await lab.clock.settle();
    const held = watcher.changes.at(-1);
    expect(held).toMatchObject({ kind: "held", before: { entry: { lock: { holderInstance: a.instance } } } });
    expect(held?.words).toMatch(/, took over from .* \(crashed\)$/);
  });

  it("tells each change of a history that cannot be read", async () => {
    const lab = new Lab();
    const holder = lab.open();
    const claim = await holder.claim("arm");
    const watcher = new Watcher(lab);
    watcher.store.history = async function* () {
      yield* [];
      throw new NameholdError("unreachable", "no history");
    };
    await watcher.start();
    await claim.release();
    expect(await watcher.told()).toEqual(["arm released"]);
  });

  it("tells all that happened while nobody asked together, and how it ended [G12]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.registry.resolve("other", NODE);
    const changes = new Watcher(lab).open();
    const first = changes.next();
    await lab.clock.settle();
    await a.registry.resolve("arm", NODE);
    expect((await first).value).toMatchObject({ kind: "registered", name: "arm" });
    for (let i = 0; i < 100; i += 1) {
      await (await a.claim("arm")).release();
      await a.registry.resolve("other", { ...NODE, metadata: { i } });
    }
    const claim = await b.claim("arm");
    await lab.clock.settle();
    const next = [await changes.next(), await changes.next()].map(({ value }) => value as RegistryChange);
    expect(next).toEqual([
      expect.objectContaining({ kind: "held", name: "arm", now: expect.objectContaining({ token: claim.token }) }),
      expect.objectContaining({ kind: "metadata-changed", name: "other" }),
    ]);
    expect(next[1]).toMatchObject({ now: { entry: { metadata: { i: 99 } } } });
  });

  it("looks at those names alone of which the store has told", async () => {
    const lab = new Lab();
    const holder = lab.open();
    for (let i = 0; i < 300; i += 1) await holder.registry.resolve(`name ${i}`, NODE);
    const watcher = await new Watcher(lab).start();
    const { lists, reads } = watcher.store;
    await holder.claim("name 7");
    expect(await watcher.told()).toEqual(["name 7 held"]);
    expect([watcher.store.lists - lists, watcher.store.reads - reads]).toEqual([0, 1]);
  });

  it("lists once at a time, however often something changes [G12]", async () => {
    const lab = new Lab();
    const holder = lab.open();
    const watcher = await new Watcher(lab).start();
    const names = Array.from({ length: 200 }, (_, i) => `name ${i}`);
    await Promise.all(names.map((name) => holder.registry.resolve(name, NODE)));
    expect(new Set(await watcher.told())).toEqual(new Set(names.map((name) => `${name} registered`)));
    expect(watcher.store.listingMax).toBe(1);
    expect(watcher.store.lists).toBeLessThan(10);
  });

  it("rests as long as a look has taken, and tells then what has happened meanwhile [G12]", async () => {
    const lab = new Lab();
    const holder = lab.open();
    await holder.registry.resolve("arm", NODE);
    const watcher = await new Watcher(lab).start();
    const pause = watcher.store.pauseNext("after", "read");
    const claim = await holder.claim("arm");
    await pause.reached;
    await lab.clock.advance(400);
    pause.resume();
    expect(await watcher.told()).toEqual(["arm held"]);
    await claim.release();
    await lab.clock.advance(399);
    expect(await watcher.told()).toEqual([]);
    await lab.clock.advance(1);
    expect(await watcher.told()).toEqual(["arm released"]);
  });
});

describe("watching some names", () => {
  it("tells of them alone, be they registered or not", async () => {
    const lab = new Lab();
    const holder = lab.open();
    await holder.registry.resolve("arm", NODE);
    const watcher = await new Watcher(lab).start({ names: ["arm", "new", "arm"] });
    expect(watcher.starts).toEqual([["arm"]]);
    for (const name of ["arm", "other", "new"]) await holder.claim(name);
    expect(await watcher.told()).toEqual(["arm held", "new registered", "new held"]);
    await lab.clock.advance(3 * TTL_MS);
    expect(await watcher.told()).toEqual([]);
  });

  it("tells where a name has gone that was renamed, once", async () => {
    const lab = new Lab();
    const holder = lab.open();
    for (const name of ["arm", "other"]) await holder.claim(name);
    const watcher = await new Watcher(lab).start({ names: ["arm"] });
    await holder.registry.rename("arm", "left", { force: true });
    expect(await watcher.told()).toEqual(["left renamed"]);
    const { reads } = watcher.store;
    await lab.clock.advance(20 * TTL_MS);
    expect(await watcher.told()).toEqual([]);
    expect(watcher.store.reads - reads).toBeLessThan(30);
  });

  it.each([["x".repeat(1_025)], [7]])("refuses what is no name", async (name) => {
    const { registry } = new Watcher(new Lab());
    expect(() => registry.changes({ names: [name as string] })).toThrow(/name/i);
  });
});

describe("trouble while a registry is watched", () => {
  it.each(PASSING)("%s is told once, and when it is over, with all that has changed meanwhile [G11]", async (code) => {
    const lab = new Lab();
    const holder = lab.open();
    await holder.registry.resolve("arm", NODE);
    const watcher = await new Watcher(lab).start();
    watcher.store.failure = new NameholdError(code, "It was made to fail.");
    await holder.claim("arm");
    await holder.registry.resolve("new", NODE);
    await lab.clock.settle();
    expect(watcher.changes.at(0)).toMatchObject({ kind: "trouble", code, words: "It was made to fail.", name: null });
    expect(await watcher.told()).toEqual(["trouble"]);
    await lab.clock.advance(300_000);
    expect(await watcher.told()).toEqual([]);
    watcher.store.failure = undefined;
    await lab.clock.advance(60_000);
    expect(await watcher.told()).toEqual(["trouble-over", "arm held", "new registered"]);
  });

  it("of a store that tells nothing of it is over a second after it passes", async () => {
    const lab = new Lab();
    const watcher = await new Watcher(lab).start();
    watcher.store.failure = new NameholdError("unreachable", "away");
    await lab.open().registry.resolve("arm", NODE);
    expect(await watcher.told()).toEqual(["trouble"]);
    watcher.store.failure = undefined;
    await lab.clock.advance(1_000);
    expect(await watcher.told()).toEqual(["trouble-over", "arm registered"]);
  });

  it("at the beginning is waited out, and the beginning is told then", async () => {
    const lab = new Lab();
    await lab.open().registry.resolve("arm", NODE);
    const watcher = new Watcher(lab);
    watcher.store.failure = new NameholdError("unreachable", "away");
    await watcher.start();
    expect(await watcher.told()).toEqual(["trouble"]);
    watcher.store.failure = undefined;
    await lab.clock.advance(1_000);
    expect(await watcher.told()).toEqual(["trouble-over"]);
    expect(watcher.starts).toEqual([["arm"]]);
  });

  it.each([
    ["all names", undefined],
    ["some names", ["arm", "other"]],
  ])("at the beginning that hides a name makes it no new one: watching %s", async (_what, names) => {
    const lab = new Lab();
    for (const name of ["arm", "other"]) await lab.open().registry.resolve(name, NODE);
    const watcher = new Watcher(lab);
    watcher.store.damage = { hides: "arm", code: "busy" };
    await watcher.start(names === undefined ? {} : { names });
    expect(watcher.starts).toEqual([]);
    expect(await watcher.told()).toEqual(["trouble"]);
    watcher.store.damage = undefined;
    await lab.clock.advance(1_000);
    expect(await watcher.told()).toEqual(["trouble-over"]);
    expect(watcher.starts).toEqual([["arm", "other"]]);
    await lab.open().claim("arm");
    expect(await watcher.told()).toEqual(["arm held"]);
  });

  it.each([
    ["all names", undefined],
    ["some names", ["arm", "other", "new"]],
  ])("that is damage at the beginning makes no name new that comes out of it: watching %s", async (_what, names) => {
    const lab = new Lab();
    const holder = lab.open();
    for (const name of ["arm", "other"]) await holder.registry.resolve(name, NODE);
    const watcher = new Watcher(lab);
    watcher.store.damage = { hides: "arm" };
    await watcher.start(names === undefined ? {} : { names });
    expect(watcher.starts).toEqual([["other"]]);
    expect(await watcher.told()).toEqual(["trouble"]);
    await lab.clock.advance(1_000);
    await holder.claim("new");
    expect(await watcher.told()).toEqual(["new registered", "new held"]);
    await holder.registry.rename("other", "another", { force: true });
    watcher.store.damage = undefined;
    await lab.clock.advance(60_000);
    expect(await watcher.told()).toEqual(["trouble-over", "another renamed"]);
    await holder.claim("arm");
    expect(await watcher.told()).toEqual(["arm held"]);
  });

  it("that no waiting mends ends the watch [G11]", async () => {
    for (const [code, at] of [
      ["read-only", "start"],
      ["unsupported", "later"],
    ] as const) {
      const lab = new Lab();
      const watcher = new Watcher(lab);
      const failure = new NameholdError(code, "no");
      if (at === "start") watcher.store.failure = failure;
      await watcher.start();
      watcher.store.failure = failure;
      await lab.open().registry.resolve("arm", NODE);
      await lab.clock.settle();
      expect(watcher.failure).toBe(failure);
    }
  });

  it("of the store's watch is told, and the watch begun anew", async () => {
    const lab = new Lab();
    const watcher = await new Watcher(lab).start();
    watcher.store.failWatches(new NameholdError("unreachable", "away"));
    expect(await watcher.told()).toEqual(["trouble"]);
    await lab.open().registry.resolve("arm", NODE);
    await lab.clock.advance(1_000);
    expect(await watcher.told()).toEqual(["arm registered"]);
    watcher.store.watchFailure = undefined;
    await lab.clock.advance(2_000);
    expect(await watcher.told()).toEqual(["trouble-over"]);
    await lab.open().registry.resolve("new", NODE);
    expect(await watcher.told()).toEqual(["new registered"]);
  });

  it("with one entry does not take it for removed, nor hide what happens to others [G8]", async () => {
    const lab = new Lab();
    const holder = lab.open();
    for (const name of ["arm", "other", "gone"]) await holder.registry.resolve(name, NODE);
    const watcher = await new Watcher(lab).start();
    watcher.store.damage = { hides: "arm" };
    await holder.claim("other");
    await lab.clock.advance(60_000);
    expect(await watcher.told()).toEqual(["other held", "trouble"]);
    const { version } = await lab.record("gone");
    await holder.commit({ kind: "remove", name: "gone", expect: version });
    await lab.clock.advance(250);
    expect(await watcher.told()).toEqual(["gone removed"]);
    watcher.store.damage = undefined;
    await lab.clock.advance(60_000);
    expect(await watcher.told()).toEqual(["trouble-over"]);
  });

  it("that is damage is told while known names go on, but not again when it was there before [G8]", async () => {
    const lab = new Lab();
    const watcher = new Watcher(lab);
    const found: DamageReport = { what: "torn", recovered: [], conflicts: [], evidencePath: null };
    let damage: DamageReport | null = found;
    watcher.store.recovery = { inspect: async () => damage, accept: async () => found };
    await watcher.start();
    expect(await watcher.told()).toEqual([]);
    const lookAnew = () => lab.clock.advance(60_000);
    damage = null;
    await lookAnew();
    expect(await watcher.told()).toEqual(["trouble-over"]);
    damage = found;
    await lookAnew();
    expect(watcher.changes.at(0)).toMatchObject({ code: "damaged", words: expect.stringContaining("torn") });
    expect(await watcher.told()).toEqual(["trouble"]);
  });
});

describe("a watch ends", () => {
  it("when its signal aborts, at once, and leaves no timer [G12]", async () => {
    const lab = new Lab();
    const { timersPending } = lab.clock;
    const watcher = await new Watcher(lab).start();
    watcher.abort.abort();
    await lab.clock.settle();
    expect(watcher).toMatchObject({ isOver: true, failure: undefined });
    expect(lab.clock.timersPending).toBe(timersPending);
    const late = new Watcher(lab);
    late.abort.abort();
    expect(await late.open().next()).toEqual({ done: true, value: undefined });
  });

  it("when its reader leaves, and lets the store's watch go [G12]", async () => {
    const lab = new Lab();
    const watcher = new Watcher(lab);
    let stopped = false;
    const watch = watcher.store.watch.bind(watcher.store);
    watcher.store.watch = (options) => {
      options.signal.addEventListener("abort", () => {
        stopped = true;
      });
      return watch(options);
    };
    const changes = watcher.open();
    const first = changes.next();
    await lab.clock.settle();
    await lab.open().registry.resolve("arm", NODE);
    await first;
    await changes.return?.();
    expect(stopped).toBe(true);
  });

  it("by closing the registry with an error, never silently [G11]", async () => {
    const watcher = await new Watcher(new Lab()).start();
    await watcher.registry.close();
    await expect.poll(() => watcher.failure).toMatchObject({ code: "closed" });
  });

  it("with an error when the store has stopped telling, never silently [G11]", async () => {
    const watcher = await new Watcher(new Lab()).start();
    watcher.store.endWatches();
    await expect.poll(() => watcher.failure).toMatchObject({ code: "closed" });
  });
});
