import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import type { Operations } from "./fixtures/puppet.ts";

export interface PuppetOptions {
  /** A command that runs the puppet: `["unshare", "--pid", "--fork"]`. */
  readonly inside?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly heldBy?: { readonly pid: number };
}

/** A process of fixtures/puppet.ts, ended with the test. */
export class Puppet {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(options: PuppetOptions = {}) {
    const [command, ...args] = [...(options.inside ?? []), process.execPath, "--import", HOOK, PROGRAM];
    const env = { ...process.env, ...options.env };
    this.#child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    onTestFinished(() => this.kill());
  }

  /** @throws Error when the operation failed */
  async call<K extends keyof Operations>(
    name: K,
    ...args: Parameters<Operations[K]>
  ): Promise<ReturnType<Operations[K]>> {
    const answer = await this.#ask(name, args);
    if (answer.failure !== undefined) throw new Error(`${name}: ${answer.failure.code}: ${answer.failure.message}`);
    return answer.value as ReturnType<Operations[K]>;
  }

  /** The NameholdError that the operation must throw. */
  async failure<K extends keyof Operations>(name: K, ...args: Parameters<Operations[K]>): Promise<Failure> {
    const answer = await this.#ask(name, args);
    if (answer.failure === undefined) throw new Error(`${name} succeeded: ${JSON.stringify(answer.value)}`);
    return answer.failure;
  }

  /** SIGKILL by default, and it is gone afterwards. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exit;
  }

  stop(): void {
    this.#child.kill("SIGSTOP");
  }

  async #ask(name: string, args: readonly unknown[]): Promise<{ value?: unknown; failure?: Failure }> {
    this.#child.stdin.write(`${JSON.stringify([name, ...args])}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the puppet ended during ${name}`);
    return JSON.parse(value) as { value?: unknown; failure?: Failure };
  }
}

const PROGRAM = fileURLToPath(new URL("fixtures/puppet.ts", import.meta.url));
const HOOK = new URL("fixtures/resolve-ts.mjs", import.meta.url).href;
