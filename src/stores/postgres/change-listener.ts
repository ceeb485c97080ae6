import { randomInt } from "node:crypto";
import type { Client } from "pg";
import { isNameholdError } from "../../core/errors.js";
import type { Timer } from "../../core/timing.js";
import { News } from "../records/news.js";
import { destroy, setBusy } from "./connections.js";
import { keyOf } from "./encoded-text.js";
import type { Engine } from "./engine.js";

/** Where nobody can tell of changes (a pooler hands each statement to another server process), waiters look so often. */
const POLL_MS = 500;
const RETRY_MS = 250;
const RETRY_MS_MAX = 5_000;
/** So often it is seen that the connection lives, and that the server knows for what it listens. */
const CHECK_MS = 10_000;
/** A change may have looked for listeners just before there was this one, and have come about just after. */
const SETTLE_MS = [200, 2_000] as const;
const NUMBER_MAX = 2 ** 48 - 1;

/**
 * Tells watchers of changes. One connection listens while there are watchers, and a row tells for which names, so that nobody
 * pays for notifications that nobody hears.
 */
export class ChangeListener {
  readonly #engine: Engine;
  readonly #watchers = new Map<News, ReadonlySet<string> | null>();
  readonly #settling = new Map<News, readonly Timer[]>();
  readonly #closing = new AbortController();
  readonly #n = randomInt(1, NUMBER_MAX);
  #client: Client | undefined;
  #isRunning = false;
  /** The names are said one after the other, or the older might stand in the end. */
  #saying: Promise<unknown> = Promise.resolve();
  #nextSaying: Promise<boolean> | undefined;
  #wake: (() => void) | undefined;
  #isStale = false;
  /** Null until it is known. */
  #isPooled: boolean | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Whether a pooler stands between, so that waiters must look by themselves. Null when it was not found out yet. */
  get isPooled(): boolean | null {
    return this.#isPooled;
  }

  async *changes(names: readonly string[] | undefined, signal: AbortSignal): AsyncIterable<readonly string[] | null> {
    const ends = AbortSignal.any([signal, this.#closing.signal]);
    const news = new News(names);
    yield* news.until(ends, {
      begin: () => this.#subscribe(news, names),
      leave: () => this.#unsubscribe(news),
    });
  }

  close(): void {
    this.#closing.abort();
    this.#stop();
  }

  async #subscribe(news: News, names: readonly string[] | undefined): Promise<void> {
    this.#watchers.set(news, names === undefined ? null : new Set(names));
    if (!this.#isRunning) {
      this.#isRunning = true;
      void this.#run();
    } else if (this.#client !== undefined) {
      await this.#sayNames().catch(() => this.#listenAnew());
      this.#settle(news);
    }
  }

  #unsubscribe(news: News): void {
    if (!this.#watchers.delete(news)) return;
    this.#settled(news);
    if (this.#closing.signal.aborted) return;
    if (this.#watchers.size === 0) this.#stop();
  }

  #stop(): void {
    for (const news of this.#settling.keys()) this.#settled(news);
    const client = this.#client;
    this.#client = undefined;
    this.#wake?.();
    if (client === undefined) return;
    // With the connection its row is out of date: the server is told, if it can be, and forgets it by itself otherwise.
    destroy(client);
    if (!this.#closing.signal.aborted)
      void this.#engine.call("watch", [JSON.stringify({ n: this.#n })]).catch(() => undefined);
  }

  /** Listens, as long as there are watchers; a connection that is lost is made again. */
  async #run(): Promise<void> {
    let retryMs = RETRY_MS;
    while (this.#watchers.size > 0 && !this.#closing.signal.aborted) {
      try {
        await this.#listen();
        retryMs = RETRY_MS;
      } catch (error) {
        // Who waits reads by himself, and is told by that what is wrong.
        if (isNameholdError(error, "closed")) break;
        this.#tellAll(null);
      }
      if (this.#watchers.size === 0 || this.#closing.signal.aborted) break;
      await this.#pause(retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    }
    this.#isRunning = false;
    if (this.#watchers.size > 0 && !this.#closing.signal.aborted) void this.#run();
  }

  /** Resolves when there is nobody left to listen for. @throws when the connection is lost */
  async #listen(): Promise<void> {
    const client = await this.#engine.connections.dedicated();
    try {
      this.#isPooled = await isBehindPooler(client);
      if (this.#isPooled) return await this.#poll();
      await this.#listenOn(client);
    } finally {
      this.#client = undefined;
      destroy(client);
    }
  }

  async #listenOn(client: Client): Promise<void> {
    const gone = new Promise<never>((_, reject) => {
      client.once("end", () => reject(new Error("the connection that listens was lost")));
    });
    gone.catch(() => undefined);
    client.on("notification", ({ payload = "" }) => this.#tellKey(payload));
    await Promise.race([client.query(`LISTEN ${this.#engine.place.channel}`), gone]);
    setBusy(client, false);
    this.#client = client;
    this.#isStale = false;
    let isRegistered = await this.#sayNames();
    for (const news of this.#watchers.keys()) {
      news.tell(null);
      this.#settle(news);
    }
    while (this.#watchers.size > 0 && !this.#closing.signal.aborted) {
      await Promise.race([this.#pause(isRegistered ? CHECK_MS : POLL_MS), gone]);
      if (this.#watchers.size === 0 || this.#closing.signal.aborted) return;
      // An answer that does not come is a connection whose packets are swallowed.
      await Promise.race([
        client.query("SELECT 1"),
        gone,
        this.#engine.timeLimit("the connection that listens does not answer"),
      ]);
      const wasRegistered = isRegistered;
      isRegistered = await this.#sayNames();
      if (isRegistered && !wasRegistered) this.#tellAll(null);
      if (this.#isStale) throw new Error("listened for other names than is known");
    }
  }

  /** Nobody tells: all that are waited for may have changed at any time. */
  async #poll(): Promise<void> {
    while (this.#watchers.size > 0 && !this.#closing.signal.aborted) {
      this.#tellAll(null);
      await this.#pause(POLL_MS);
    }
  }

  /** @returns false while there is no registry yet: then nobody tells of anything */
  #sayNames(): Promise<boolean> {
    this.#nextSaying ??= this.#saying.then(() => {
      this.#nextSaying = undefined;
      const said = this.#say();
      this.#saying = said.catch(() => undefined);
      return said;
    });
    return this.#nextSaying;
  }

  async #say(): Promise<boolean> {
    const all = [...this.#watchers.values()];
    const names = all.some((one) => one === null)
      ? null
      : [...new Set(all.flatMap((one) => [...(one ?? [])]))].map((name) => keyOf(name).key);
    return (await this.#engine.call("watch", [JSON.stringify({ n: this.#n, names })])) !== null;
  }

  #listenAnew(): void {
    this.#isStale = true;
    this.#wake?.();
  }

  #settle(news: News): void {
    news.tell(null);
    this.#settled(news);
    const { clock } = this.#engine;
    const timers = SETTLE_MS.map((ms) => clock.setTimer(ms, () => news.tell(null), { background: true }));
    this.#settling.set(news, timers);
  }

  #settled(news: News): void {
    for (const timer of this.#settling.get(news) ?? []) timer.cancel();
    this.#settling.delete(news);
  }

  /** @param key empty when any may have changed */
  #tellKey(key: string): void {
    if (key === "") {
      this.#tellAll(null);
      return;
    }
    for (const [news, names] of this.#watchers) {
      if (names === null) news.tell(null);
      else for (const name of names) if (keyOf(name).key === key) news.tell(name);
    }
  }

  #tellAll(name: string | null): void {
    for (const news of this.#watchers.keys()) news.tell(name);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#engine.clock.setTimer(ms, resolve, { background: true });
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}

/** A pooler tells a number of its own for the server process, since that changes. */
export async function isBehindPooler(client: Client): Promise<boolean> {
  const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
  return Number(rows[0]?.pid) !== (client as unknown as { readonly processID: number | null }).processID;
}
