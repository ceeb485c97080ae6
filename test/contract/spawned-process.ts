import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Holder } from "../../src/core/entry.js";
import type { ChangePart } from "../../src/stores/store.js";
import type { MortalProcess } from "../../src/testing/store-contract.js";

/** A real process (doomed-process.ts), driven line by line. */
export class DoomedProcess implements MortalProcess {
  readonly holder: Holder;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcess, answers: AsyncIterator<string>, holder: Holder) {
    this.#child = child;
    // A write to one that was killed meanwhile: its missing answer tells of that.
    child.stdin?.on("error", () => undefined);
    this.#answers = answers;
    this.holder = holder;
  }

  /** @param location as `openRegistry` takes it */
  static async start(location: string): Promise<DoomedProcess> {
    const script = fileURLToPath(new URL("doomed-process.ts", import.meta.url));
    const child = spawn(process.execPath, [script, location], { stdio: ["pipe", "pipe", "inherit"] });
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
