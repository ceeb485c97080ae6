import { isNameholdError, NameholdError } from "../core/errors.js";
import type { Clock } from "../core/timing.js";
import type { Store } from "../stores/store.js";
import { isPassing } from "./passing-trouble.js";

/** How soon a watch that has failed is begun anew. */
const RETRY_MS = 1_000;

/**
 * What a store's watch has told of since somebody asked: names, each once, however long nobody asks. A watch that fails
 * is begun anew.
 */
export class News implements Disposable {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #names: readonly string[] | undefined;
  readonly #ends: AbortSignal;
  readonly #disposed = new AbortController();
  /** Undefined: none. Null: any name may have changed. */
  #news: Set<string> | null | undefined;
  #trouble: NameholdError | null = null;
  #failure: { readonly error: unknown } | undefined;
  #wake = (): void => undefined;

  /** @param signal ends all waiting */
  constructor(
    store: Store,
    clock: Clock,
    options: { readonly names?: readonly string[]; readonly signal: AbortSignal },
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#names = options.names;
    this.#ends = AbortSignal.any([options.signal, this.#disposed.signal]);
    void this.#listen();
  }

  /** Why the store cannot tell of changes just now. */
  get trouble(): NameholdError | null {
    return this.#trouble;
  }

  /**
   * Waits for news, no longer than `waitMs`, but `restMs` in any case. Ends at once when the signal aborts.
   *
   * @returns the names that may have changed, null when any may have
   * @throws what ends the watch for good
   */
  async next(restMs: number, waitMs: number): Promise<readonly string[] | null> {
    if (restMs > 0) await this.#sleep(restMs);
    if (this.#news === undefined && this.#failure === undefined && waitMs > restMs) {
      await this.#sleep(waitMs - restMs, (wake) => {
        this.#wake = wake;
      });
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    const news = this.#news === undefined ? [] : this.#news;
    this.#news = undefined;
    return news === null ? null : [...news];
  }

  [Symbol.dispose](): void {
    this.#disposed.abort();
  }

  async #sleep(delayMs: number, onStart: (wake: () => void) => void = () => undefined): Promise<void> {
    if (this.#ends.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#ends.removeEventListener("abort", wake);
        resolve();
      };
      const timer = this.#clock.setTimer(delayMs, wake);
      this.#ends.addEventListener("abort", wake);
      onStart(wake);
    });
  }

  async #listen(): Promise<void> {
    while (!this.#ends.aborted) {
      try {
        await this.#hear();
      } catch (error) {
        if (isNameholdError(error) && isPassing(error)) this.#trouble = error;
        else this.#failure = { error };
      }
      this.#tell(null);
      if (this.#failure !== undefined) return;
      await this.#sleep(RETRY_MS);
    }
  }

  async #hear(): Promise<void> {
    const names = this.#names === undefined ? {} : { names: this.#names };
    for await (const changed of this.#store.watch({ ...names, signal: this.#ends })) {
      this.#trouble = null;
      this.#tell(changed);
    }
    if (!this.#ends.aborted) throw new NameholdError("closed", "The registry was closed while it was watched.");
  }

  #tell(names: readonly string[] | null): void {
    if (names === null) this.#news = null;
    else if (this.#news !== null) {
      this.#news ??= new Set();
      for (const name of names) this.#news.add(name);
    }
    this.#wake();
  }
}
