import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { MADSCI_PYTHON, MADSCI_PYTHON_PATH } from "../servers/madsci.ts";
import { nowNs } from "./moment.ts";
import type { Args, CommandName, Reply, Result } from "./protocol.ts";

const NODE_WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));
const PYTHON_WORKER = fileURLToPath(new URL("../peers/madsci_worker.py", import.meta.url));
const END_TIMEOUT_MS = 10_000;
const ERROR_LENGTH = 2_000;

export interface WorkerOptions {
  readonly runtime?: "python" | undefined;
  /** Where Node keeps what it has compiled: hundreds of workers are started, and no row measures their start. */
  readonly compileCache: string;
}

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** A worker (harness/worker.ts, or Python's) from the coordinator's side. It does not outlive the coordinator. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #errors = "";
  #ended = false;

  constructor({ runtime, compileCache }: WorkerOptions) {
    this.#child =
      runtime === "python"
        ? spawn(MADSCI_PYTHON, [PYTHON_WORKER], {
            env: { ...process.env, PYTHONPATH: MADSCI_PYTHON_PATH, PYTHONDONTWRITEBYTECODE: "1" },
          })
        : spawn(process.execPath, [NODE_WORKER], { env: { ...process.env, NODE_COMPILE_CACHE: compileCache } });
    const { stdin, stdout, stderr } = this.#child;
    if (stdin === null || stdout === null || stderr === null) throw new Error("A worker has no pipes.");
    // A worker that has just died is told by its exit.
    stdin.on("error", () => undefined);
    stderr.on("data", (data: Buffer) => {
      this.#errors = (this.#errors + data.toString()).slice(-ERROR_LENGTH);
    });
    createInterface({ input: stdout }).on("line", (line) => this.#settle(JSON.parse(line) as Reply));
    this.#child.once("error", (error) => this.#endAll(error.message));
    this.#child.once("close", (code, signal) => this.#endAll(`ended (${signal ?? code}). ${this.#errors.trim()}`));
  }

  ask<C extends CommandName>(command: C, args: Args<C>): Promise<Result<C>> {
    if (this.#ended) return Promise.reject(new Error(`The worker has ended. ${this.#errors.trim()}`));
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<Result<C>>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#child.stdin?.write(`${JSON.stringify({ id, command, args })}\n`);
    });
  }

  /** kill -9. @returns the moment before it */
  kill(): string {
    const at = nowNs();
    this.#child.kill("SIGKILL");
    return at;
  }

  /** Lets the worker give back what it holds, and end. A worker that does not is killed. */
  async end(): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.#child, "close");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_TIMEOUT_MS);
    // What cannot be closed ends with its process; what was measured has been answered by now.
    await this.ask("close", {}).catch(() => undefined);
    this.#child.stdin?.end();
    await closed;
    clearTimeout(timer);
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("error" in reply) pending?.reject(new Error(reply.error));
    else pending?.resolve(reply.result as never);
  }

  #endAll(how: string): void {
    this.#ended = true;
    for (const { reject } of this.#pending.values()) reject(new Error(`The worker ${how}`));
    this.#pending.clear();
  }
}
