import type { Holder } from "../core/entry.js";
import { type ErrorCode, NameholdError } from "../core/errors.js";
import type { HistoryQuery, PastHold } from "../core/history.js";
import type { Loss, Snapshot } from "../core/record.js";
import type { Change, CommitResult, ListFilter, Store, StoreCapabilities, WatchOptions } from "../stores/store.js";

export type FaultyVerb = "read" | "commit" | "heartbeat";

export type Fault =
  /** The call fails before anything is done. */
  | { readonly kind: "refuse"; readonly code: Extract<ErrorCode, "unreachable" | "busy" | "storage-failed"> }
  /** It never arrives, and the caller cannot know: a commit answers `unknown`, the others throw `unreachable`. */
  | { readonly kind: "drop-request" }
  /** It is done, but the reply gets lost: the same answers. */
  | { readonly kind: "drop-reply" };

/** A call that is held where it stands. */
export interface Pause {
  /** Settles when a call has come to the place. */
  readonly reached: Promise<void>;
  /** Lets it go on. */
  resume(): void;
}

interface Hold extends Pause {
  readonly place: string;
  stop(): Promise<void>;
}

/**
 * A store whose calls fail, lose their replies and stand still on demand. Faults are used up in the order in which they
 * were given; `planFault` decides for calls that none was given for.
 */
export class FaultyStore implements Store {
  readonly capabilities: StoreCapabilities;
  readonly #inner: Store;
  readonly #faults: { readonly verb: FaultyVerb; readonly fault: Fault }[] = [];
  readonly #holds: Hold[] = [];
  #frozen: { readonly thawed: Promise<void>; readonly thaw: () => void } | undefined;

  /** Asked for each call of a verb: which fault befalls it, undefined for none. */
  planFault: (verb: FaultyVerb) => Fault | undefined = () => undefined;

  constructor(inner: Store) {
    this.#inner = inner;
    this.capabilities = inner.capabilities;
  }

  failNext(verb: FaultyVerb, fault: Fault): void {
    this.#faults.push({ verb, fault });
  }

  /** Holds the next call of `verb` before it is done, or when it is done but not answered. */
  pauseNext(when: "before" | "after", verb: FaultyVerb): Pause {
    const reached = Promise.withResolvers<void>();
    const resumed = Promise.withResolvers<void>();
    const hold: Hold = {
      place: `${when} ${verb}`,
      reached: reached.promise,
      resume: resumed.resolve,
      stop: () => {
        reached.resolve();
        return resumed.promise;
      },
    };
    this.#holds.push(hold);
    return hold;
  }

  /** Holds every call, new ones before they are done and others before their answer, until `thaw`: a stopped process. */
  freeze(): void {
    if (this.#frozen !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#frozen = { thawed: promise, thaw: resolve };
  }

  thaw(): void {
    this.#frozen?.thaw();
    this.#frozen = undefined;
  }

  async read(name: string): Promise<Snapshot> {
    return this.#call("read", () => this.#inner.read(name), throwUnreachable);
  }

  async commit(change: Change): Promise<CommitResult> {
    return this.#call(
      "commit",
      () => this.#inner.commit(change),
      (cause) => ({ kind: "unknown", cause }),
    );
  }

  async heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>> {
    return this.#call("heartbeat", () => this.#inner.heartbeat(holder, names), throwUnreachable);
  }

  list(filter?: ListFilter): AsyncIterable<Snapshot> {
    return this.#inner.list(filter);
  }

  watch(options: WatchOptions): AsyncIterable<readonly string[] | null> {
    return this.#inner.watch(options);
  }

  lastToken(): Promise<number> {
    return this.#inner.lastToken();
  }

  history(query: HistoryQuery): AsyncIterable<PastHold> {
    return this.#inner.history(query);
  }

  releaseNow(holder: Holder): void {
    this.#inner.releaseNow?.(holder);
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async #call<T>(verb: FaultyVerb, perform: () => Promise<T>, loseReply: (cause: NameholdError) => T): Promise<T> {
    const fault = this.#nextFault(verb);
    await this.#stand(`before ${verb}`);
    if (fault?.kind === "refuse") throw new NameholdError(fault.code, `The ${verb} was made to fail.`);
    if (fault?.kind === "drop-request") return loseReply(lostReply(verb));
    const answer = await perform();
    await this.#stand(`after ${verb}`);
    if (fault?.kind === "drop-reply") return loseReply(lostReply(verb));
    return answer;
  }

  #nextFault(verb: FaultyVerb): Fault | undefined {
    const index = this.#faults.findIndex((given) => given.verb === verb);
    return index === -1 ? this.planFault(verb) : this.#faults.splice(index, 1)[0]?.fault;
  }

  async #stand(place: string): Promise<void> {
    const index = this.#holds.findIndex((hold) => hold.place === place);
    if (index !== -1) await this.#holds.splice(index, 1)[0]?.stop();
    while (this.#frozen !== undefined) await this.#frozen.thawed;
  }
}

function lostReply(verb: FaultyVerb): NameholdError {
  return new NameholdError("unreachable", `No reply to the ${verb} came: it was made to get lost.`);
}

function throwUnreachable(cause: NameholdError): never {
  throw cause;
}
