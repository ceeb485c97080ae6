import type { IncomingMessage } from "node:http";
import { isNameholdError } from "../../core/errors.js";
import { type Clock, later, type MonotonicMs, type Timer } from "../../core/timing.js";
import { News } from "../records/news.js";
import { EtcdFault } from "./etcd-fault.js";
import { endOf } from "./keys.js";
import { locksIn, readName, signOf } from "./stored.js";
import type { Tools } from "./tools.js";
import { type RawHeader, type RawKv, readKv, revisionOf, toBase64 } from "./wire.js";

/** A stream on which nothing has come for so long may lead nowhere: it is begun anew from where it was. */
const SILENCE_MS = 10_000;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 2_000;
/** A line of the stream: the events of one revision. */
const LINE_LENGTH_MAX = 64 * 2 ** 20;

interface Result {
  readonly header?: RawHeader;
  readonly watch_id?: string;
  readonly created?: boolean;
  readonly canceled?: boolean;
  readonly compact_revision?: string;
  readonly cancel_reason?: string;
  readonly events?: readonly { readonly kv?: RawKv }[];
}

interface Told {
  readonly result?: Result;
  readonly error?: { readonly message?: string; readonly grpc_code?: number };
}

/** Of names, and of what their holders' lives hang on. */
const WATCHES = 2;

/**
 * Tells watchers of changes, as etcd streams them: of names and their queues, and of the ends of lives, which free names.
 *
 * One stream for all watchers of the process, and none when there is none. It is resumed from the revision that it came
 * to; where etcd does not remember that any more, everything may have changed.
 */
export class ChangeWatch {
  readonly #tools: Tools;
  readonly #clock: Clock;
  readonly #watchers = new Set<News>();
  readonly #closing = new AbortController();
  #isRunning = false;
  /** Whether changes are being told: who begins to watch has missed nothing. */
  #isListening = false;
  /** Whether something may have been missed, and was not told of yet. */
  #hasGap = false;
  /** Those who wait until it does. */
  readonly #waiting: (() => void)[] = [];
  /** By watch, the next revision that was not told of; from now on, where there is none. */
  readonly #next = new Map<string, number>();
  /** The watches of the stream that have begun. */
  readonly #begun = new Set<string>();
  #stream: IncomingMessage | undefined;

  constructor(tools: Tools) {
    this.#tools = tools;
    this.#clock = tools.clock;
  }

  async *changes(names: readonly string[] | undefined, signal: AbortSignal): AsyncIterable<readonly string[] | null> {
    const ends = AbortSignal.any([signal, this.#closing.signal]);
    const news = new News(names);
    yield* news.until(ends, {
      begin: () => this.#listening(news, ends),
      leave: () => this.#leave(news),
    });
  }

  /** From now on: what came since the last telling is not to be had. That is told when it listens again. */
  startAnew(): void {
    this.#next.clear();
    this.#hasGap = true;
    this.#stream?.destroy();
  }

  close(): void {
    this.#closing.abort();
    this.#stream?.destroy();
  }

  async #listening(news: News, ends: AbortSignal): Promise<void> {
    this.#watchers.add(news);
    if (!this.#isRunning) void this.#run();
    // What is told first is that it listens.
    while (!ends.aborted && !this.#isListening) await new Promise<void>((wake) => this.#waiting.push(wake));
  }

  #leave(news: News): void {
    this.#watchers.delete(news);
    if (this.#watchers.size === 0) this.#stream?.destroy();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  get #isWanted(): boolean {
    return this.#watchers.size > 0 && !this.#closing.signal.aborted;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#next.clear();
    let retryMs = RETRY_MS_MIN;
    while (this.#isWanted) {
      try {
        await this.#listen();
        retryMs = RETRY_MS_MIN;
      } catch (error) {
        // Who watches looks at the names too, and is told by that what no waiting mends.
        if (!isNameholdError(error, "unreachable")) {
          this.#tellAll(null);
          // A watch is refused without a word of why where the token is not valid any more.
          this.#tools.client.forgetToken();
        }
        await this.#pause(retryMs);
        retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
      }
    }
    this.#isRunning = false;
    this.#isListening = false;
  }

  /** Until the stream ends or is silent. */
  async #listen(): Promise<void> {
    const stream = await this.#tools.client.open("/v3/watch", this.#request());
    this.#stream = stream;
    this.#begun.clear();
    let heardAt = this.#clock.monotonicMs();
    const minded = this.#mindSilence(stream, () => heardAt);
    let text = "";
    try {
      if (!this.#isWanted) return;
      for await (const chunk of stream.setEncoding("utf8")) {
        heardAt = this.#clock.monotonicMs();
        const lines = (text + String(chunk)).split("\n");
        text = lines.pop() ?? "";
        if (text.length > LINE_LENGTH_MAX) throw new Error("an endless line");
        for (const line of lines) {
          // What comes after its end was decided on is told by the next one.
          if (stream.destroyed) break;
          if (line !== "") this.#tell(JSON.parse(line) as Told);
        }
      }
    } catch (error) {
      if (!stream.destroyed) throw error;
    } finally {
      minded.cancel();
      stream.destroy();
    }
  }

  #mindSilence(stream: IncomingMessage, heardAt: () => MonotonicMs): Timer {
    let timer: Timer;
    const mind = (): void => {
      const leftMs = later(heardAt(), SILENCE_MS) - this.#clock.monotonicMs();
      if (leftMs > 0) timer = this.#clock.setTimer(leftMs, mind, { background: true });
      else stream.destroy();
    };
    timer = this.#clock.setTimer(SILENCE_MS, mind, { background: true });
    return { cancel: () => timer.cancel() };
  }

  /** Names and queues stand side by side, and so do the two kinds of keys whose ends are news. */
  #request(): string {
    const { prefix } = this.#tools.keys;
    const names = { key: toBase64(`${prefix}names/`), range_end: toBase64(endOf(`${prefix}queue/`)) };
    const lives = { key: toBase64(`${prefix}lapses/`), range_end: toBase64(endOf(`${prefix}lives/`)) };
    return [
      { ...names, watch_id: "1", ...this.#startOf("1") },
      { ...lives, watch_id: "2", ...this.#startOf("2"), filters: ["NOPUT"] },
    ]
      .map((request) => JSON.stringify({ create_request: request }))
      .join("");
  }

  #startOf(watch: string): { readonly start_revision?: string } {
    const next = this.#next.get(watch);
    return next === undefined ? {} : { start_revision: String(next) };
  }

  #tell({ result, error }: Told): void {
    if (error !== undefined) throw new EtcdFault(error.grpc_code ?? 2, error.message ?? "the watch has ended");
    if (result === undefined) return;
    if (result.canceled === true) {
      this.#cancelled(result);
      return;
    }
    const { watch_id: watch = "0" } = result;
    if (result.created === true) {
      if (!this.#next.has(watch)) this.#next.set(watch, revisionOf(result) + 1);
      if (this.#begun.add(watch).size === WATCHES) this.#begin();
      return;
    }
    const kvs = (result.events ?? []).map(({ kv = {} }) => readKv(kv));
    for (const { key, mod } of kvs) {
      this.#next.set(watch, Math.max(this.#next.get(watch) ?? 0, mod + 1));
      // Whose lock it is now may end before anybody has looked.
      this.#tools.known.outdate(key, mod);
    }
    this.#tellKeys(kvs.map(({ key }) => key));
  }

  /** From then on, nothing is missed. */
  #begin(): void {
    if (this.#isListening && !this.#hasGap) return;
    this.#isListening = true;
    this.#hasGap = false;
    this.#tellAll(null);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Where what was missed is not remembered any more, it goes on from now on. */
  #cancelled({ compact_revision: compacted, cancel_reason: reason = "no reason was given" }: Result): void {
    if (Number(compacted ?? 0) === 0) throw new EtcdFault(2, `the watch was cancelled: ${reason}`);
    this.startAnew();
  }

  #tellKeys(keys: readonly string[]): void {
    for (const key of keys) {
      const name = this.#tools.keys.nameIn(key);
      if (name === undefined) this.#tellEnd(key);
      else for (const news of this.#watchers) news.tell(name);
    }
  }

  /** A life, or what a lock lapses with, has ended: whose lock is not known to hang on another may be free. */
  #tellEnd(ended: string): void {
    const { keys, known } = this.#tools;
    for (const news of this.#watchers) {
      if (news.names === undefined) news.tell(null);
      for (const name of news.names ?? []) {
        const kv = known.get(keys.name(name));
        const locks = kv === undefined ? undefined : locksIn(readName(kv));
        if (locks?.every((lock) => signOf(keys, lock) !== ended) !== true) news.tell(name);
      }
    }
  }

  #tellAll(name: null): void {
    for (const news of this.#watchers) news.tell(name);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.setTimer(ms, resolve, { background: true }));
  }
}
