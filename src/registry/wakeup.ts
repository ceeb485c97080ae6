import type { Clock } from "../core/timing.js";
import type { Store } from "../stores/store.js";

/**
 * Sleeps until the store tells of a change to a name. Listens from its making, so that "make it, read, sleep" misses
 * nothing.
 */
export class Wakeup implements Disposable {
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #changed = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(store: Store, clock: Clock, name: string) {
    this.#clock = clock;
    void this.#listen(store, name);
  }

  /** Ends at the next change (or one since the last sleep), after `delayMs`, or when `signal` aborts. */
  async sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (!this.#changed && signal?.aborted !== true && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          timer.cancel();
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const timer = this.#clock.setTimer(delayMs, wake);
        signal?.addEventListener("abort", wake);
        this.#wake = wake;
      });
      this.#wake = undefined;
    }
    this.#changed = false;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  [Symbol.dispose](): void {
    this.#controller.abort();
  }

  async #listen(store: Store, name: string): Promise<void> {
    try {
      for await (const _ of store.watch({ names: [name], signal: this.#controller.signal })) {
        this.#changed = true;
        this.#wake?.();
      }
    } catch (error) {
      this.#failure = { error };
    }
    // A watch that ends by itself is news too: the store was closed.
    this.#changed = true;
    this.#wake?.();
  }
}
