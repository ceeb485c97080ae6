import type { Clock } from "../../src/core/timing.js";
import { MemoryStore } from "../../src/stores/memory/memory-store.js";
import type { Store } from "../../src/stores/store.js";
import { ManualClock } from "../../src/testing/manual-clock.js";
import type { MortalProcess, StoreFixture, StoreHarness } from "../../src/testing/store-contract.js";

/** Puts something over the handles of one registry. */
export type WrapStores = (clock: Clock) => (store: MemoryStore) => Store;

/** The memory store, whose processes die by `kill`, with something put over each handle where asked. */
export function memoryHarness(name: string, wrapStores: WrapStores = () => (store) => store): StoreHarness {
  return { name, patienceMs: 300, tellMs: 1, open: async () => new MemoryFixture(wrapStores) };
}

class MemoryFixture implements StoreFixture {
  readonly store: Store;
  readonly #clock = new ManualClock();
  readonly #memory = new MemoryStore(this.#clock);
  readonly #wrap: (store: MemoryStore) => Store;

  constructor(wrapStores: WrapStores) {
    this.#wrap = wrapStores(this.#clock);
    this.store = this.#wrap(this.#memory);
  }

  async another(): Promise<Store> {
    return this.#wrap(this.#memory.another());
  }

  elapse(ms: number): Promise<void> {
    return this.#clock.advance(ms);
  }

  async spawn(): Promise<MortalProcess> {
    const store = await this.another();
    const holder = { instance: "01JDEADDEADDEADDEADDEADDEA", pid: 4711, host: "elsewhere", ttlMs: 30_000 };
    return {
      holder,
      commit: async (...parts) => {
        const { kind } = await store.commit({ holder, parts });
        if (kind !== "done") throw new Error(`the doomed process's commit was answered ${kind}`);
      },
      kill: async () => this.#memory.kill(holder.instance),
    };
  }

  async dispose(): Promise<void> {
    await this.store.close();
  }
}
