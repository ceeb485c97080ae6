import { join } from "node:path";
import { JsonFileStore } from "../../src/stores/json-file/json-file-store.js";
import type { Store } from "../../src/stores/store.js";
import type { MortalProcess, StoreFixture, StoreHarness } from "../../src/testing/store-contract.js";
import { SkippingClock } from "./skipping-clock.js";
import { DoomedProcess } from "./spawned-process.js";
import { TemporaryDirectory } from "./temporary-directory.js";

/** The JSON file, each handle with file descriptors and caches of its own; what dies is a real process. */
export const jsonFileHarness: StoreHarness = {
  name: "the JSON file",
  open: async () => new JsonFileFixture(await TemporaryDirectory.make()),
};

class JsonFileFixture implements StoreFixture {
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
    const doomed = await DoomedProcess.start(this.#path);
    this.#ends.push(() => doomed.kill());
    return doomed;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#ends.map((end) => end()));
    await Promise.all(this.#stores.map((store) => store.close()));
    await this.#directory[Symbol.asyncDispose]();
  }

  get #path(): string {
    return join(this.#directory.path, "registry.json");
  }

  #open(): Store {
    const store = new JsonFileStore(this.#path, { clock: this.#clock });
    this.#stores.push(store);
    return store;
  }
}
