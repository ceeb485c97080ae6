import { join } from "node:path";
import { SqliteStore } from "../../src/stores/sqlite/sqlite-store.js";
import type { Store } from "../../src/stores/store.js";
import type { MortalProcess, StoreFixture, StoreHarness } from "../../src/testing/store-contract.js";
import { SkippingClock } from "./skipping-clock.js";
import { DoomedProcess } from "./spawned-process.js";
import { TemporaryDirectory } from "./temporary-directory.js";

/** An SQLite database, each handle with a connection of its own; what dies is a real process. */
export const sqliteHarness: StoreHarness = {
  name: "the SQLite store",
  open: async () => new SqliteFixture(await TemporaryDirectory.make()),
};

class SqliteFixture implements StoreFixture {
  readonly store: Store;
  readonly #clock = new SkippingClock();
  readonly #directory: TemporaryDirectory;
  readonly #stores: Store[] = [];
  readonly #ends: (() => Promise<void>)[] = [];

  constructor(directory: TemporaryDirectory) {
    this.#directory = directory;
    this.store = this.#open();
  }

  async another(): Promise<Store> {
    return this.#open();
  }

  async elapse(ms: number): Promise<void> {
    this.#clock.skip(ms);
  }

  async spawn(): Promise<MortalProcess> {
    const doomed = await DoomedProcess.start(`sqlite:${this.#path}`);
    this.#ends.push(() => doomed.kill());
    return doomed;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#ends.map((end) => end()));
    await Promise.all(this.#stores.map((store) => store.close()));
    await this.#directory[Symbol.asyncDispose]();
  }

  get #path(): string {
    return join(this.#directory.path, "lab.db");
  }

  #open(): Store {
    const store = new SqliteStore(this.#path, { clock: this.#clock });
    this.#stores.push(store);
    return store;
  }
}
