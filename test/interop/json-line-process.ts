import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { removeFakeTimeMemory } from "./fake-clock.ts";

/** What a driven process answers when its command fails: the class and message of the error on its side. */
export class RemoteError extends Error {
  readonly type: string;
  readonly code: string | undefined;
  readonly details: unknown;

  constructor(error: {
    readonly type: string;
    readonly message: string;
    readonly code?: string;
    readonly details?: unknown;
  }) {
    super(error.message);
    this.name = `RemoteError(${error.type})`;
    this.type = error.type;
    this.code = error.code;
    this.details = error.details;
  }
}

export interface Answer<T> {
  readonly result: T;
  /** When the command began, by the driven process's own wall clock. */
  readonly startedMs: number;
  readonly tookMs: number;
}

export interface ProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  /** Beside the environment of the tests; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

interface Reply {
  readonly id: number;
  readonly ok: boolean;
  readonly result: unknown;
  readonly error: { readonly type: string; readonly message: string };
  readonly startedMs: number;
  readonly tookMs: number;
}

interface Pending {
  readonly resolve: (answer: Answer<unknown>) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A process that is driven by JSON lines: one request a line on its stdin, one answer a line on its stdout, matched by
 * `id`, in any order. It is killed when disposed. When it ends, requests without an answer are rejected.
 */
export class JsonLineProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  #stderr = "";
  #nextId = 1;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    // A killed process breaks the pipe under a request; the request itself is rejected when the end is seen.
    child.stdin?.on("error", () => undefined);
    this.#ended = new Promise((resolve) => {
      child.once("close", (code, signal) => {
        removeFakeTimeMemory(child.pid);
        this.#rejectAll(`ended (${signal ?? code})`);
        resolve({ code, signal });
      });
    });
    child.once("error", (error) => this.#rejectAll(error.message));
  }

  /** Resolves when the process has said its first line, `{"id": 0, ...}`. */
  static async spawn(options: ProcessOptions): Promise<JsonLineProcess> {
    const child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const made = new JsonLineProcess(child);
    const ready = made.#expect(0);
    const { stdout } = child;
    if (stdout === null) throw new Error("no stdout");
    createInterface({ input: stdout }).on("line", (line) => made.#receive(line));
    await ready;
    return made;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error("the process was not started");
    return pid;
  }

  /** All that the process has written to stderr. */
  get stderr(): string {
    return this.#stderr;
  }

  async call<T>(cmd: string, args: object = {}): Promise<T> {
    const answer = await this.timed<T>(cmd, args);
    return answer.result;
  }

  async timed<T>(cmd: string, args: object = {}): Promise<Answer<T>> {
    const id = this.#nextId;
    this.#nextId += 1;
    const answer = this.#expect(id);
    this.#child.stdin?.write(`${jsonLine({ id, cmd, ...args })}\n`);
    return (await answer) as Answer<T>;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Closes stdin, upon which a driven process ends by itself. Answers its exit status. */
  async stop(): Promise<number | null> {
    this.#child.stdin?.end();
    return (await this.#ended).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #expect(id: number): Promise<Answer<unknown>> {
    const answer = new Promise<Answer<unknown>>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    // A test that kills the process need not look at what it had under way.
    answer.catch(() => undefined);
    return answer;
  }

  #receive(line: string): void {
    const reply = JSON.parse(line) as Reply;
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.ok) pending?.resolve({ result: reply.result, startedMs: reply.startedMs, tookMs: reply.tookMs });
    else pending?.reject(new RemoteError(reply.error));
  }

  #rejectAll(reason: string): void {
    for (const { reject } of this.#pending.values())
      reject(new Error(`the process ${reason}; stderr: ${this.#stderr}`));
    this.#pending.clear();
  }
}

/** Node's readline ends a line at U+2028 and U+2029 too, which JSON leaves as they are. */
export function jsonLine(value: object): string {
  return JSON.stringify(value).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
