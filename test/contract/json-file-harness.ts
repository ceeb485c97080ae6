import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Holder } from "../../src/core/entry.js";
import { JsonFileStore } from "../../src/stores/json-file/json-file-store.js";
import type { ChangePart, Store } from "../../src/stores/store.js";
import type { MortalProcess, StoreFixture, StoreHarness } from "../../src/testing/store-contract.js";
import { SkippingClock } from "./skipping-clock.js";
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

/** A real process (doomed-process.ts), driven line by line. */
class DoomedProcess implements MortalProcess {
  readonly holder: Holder;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcess, answers: AsyncIterator<string>, holder: Holder) {
    this.#child = child;
    this.#answers = answers;
    this.holder = holder;
  }

  static async start(path: string): Promise<DoomedProcess> {
    const script = fileURLToPath(new URL("doomed-process.ts", import.meta.url));
    const child = spawn(process.execPath, [script, path], { stdio: ["pipe", "pipe", "inherit"] });
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new DoomedProcess(child, answers, (await nextAnswer(answers)) as Holder);
  }

  async commit(...parts: readonly ChangePart[]): Promise<void> {
    this.#child.stdin?.write(`${JSON.stringify(parts)}\n`);
    const kind = await nextAnswer(this.#answers);
    if (kind !== "done") throw new Error(`the doomed process's commit was answered ${String(kind)}`);
  }

  async kill(): Promise<void> {
    if (this.#child.signalCode !== null || this.#child.exitCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}

async function nextAnswer(answers: AsyncIterator<string>): Promise<unknown> {
  const { value, done } = await answers.next();
  if (done === true) throw new Error("the doomed process has ended by itself");
  return JSON.parse(value);
}
