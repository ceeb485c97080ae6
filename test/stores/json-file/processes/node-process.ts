import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { FileLock } from "../../../../src/platform/file-lock.js";
import { JsonLineProcess, RemoteError } from "../../../interop/json-line-process.js";
import type { Operations } from "./node-driver.js";

export interface NodeProcessOptions {
  /** A command that runs the process: `["unshare", "--pid", "--fork", "--kill-child"]`. */
  readonly inside?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface OpenOptions {
  readonly lockTtlMs?: number;
  readonly heartbeatIntervalMs?: number;
  readonly fileLockTimeoutMs?: number;
  readonly instanceId?: string;
}

/** A process of node-driver.ts, ended with the test. */
export class NodeProcess {
  readonly #process: JsonLineProcess;

  private constructor(driven: JsonLineProcess) {
    this.#process = driven;
  }

  /** A process that has opened no registry yet. */
  static async start(options: NodeProcessOptions = {}): Promise<NodeProcess> {
    const [command, ...args] = [...(options.inside ?? []), process.execPath, "--import", HOOK, PROGRAM];
    const driven = await JsonLineProcess.spawn({ command, args, env: { ...COMPILE_CACHE, ...options.env } });
    onTestFinished(() => driven.kill());
    return new NodeProcess(driven);
  }

  static async over(path: string, options: OpenOptions & NodeProcessOptions = {}): Promise<NodeProcess> {
    const { inside, env, ...openOptions } = options;
    const started = await NodeProcess.start({ ...(inside && { inside }), ...(env && { env }) });
    await started.call("open", path, openOptions);
    return started;
  }

  /** @throws RemoteError with the `code` of the NameholdError that the operation threw */
  call<K extends keyof Operations>(
    operation: K,
    ...args: Parameters<Operations[K]>
  ): Promise<Awaited<ReturnType<Operations[K]>>> {
    return this.#process.call(operation, { args });
  }

  /** How the operation must fail. */
  async failure<K extends keyof Operations>(operation: K, ...args: Parameters<Operations[K]>): Promise<RemoteError> {
    try {
      const result = await this.call(operation, ...args);
      throw new Error(`${operation} succeeded: ${JSON.stringify(result)}`);
    } catch (error) {
      if (error instanceof RemoteError) return error;
      throw error;
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  get stderr(): string {
    return this.#process.stderr;
  }

  /** SIGKILL; it is gone afterwards. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.signal(signal);
  }

  /**
   * SIGSTOP, but not while it has its turn at the registry file: the file lock of a stopped process keeps everybody out,
   * as Python's does.
   */
  async stopOutsideTurns(path: string): Promise<void> {
    const lock = new FileLock(path);
    onTestFinished(() => lock.close());
    for (;;) {
      this.signal("SIGSTOP");
      while (!isStopped(this.pid)) await sleep(1);
      const isFree = lock.tryAcquire();
      lock.release();
      if (isFree) return;
      this.signal("SIGCONT");
      await sleep(5);
    }
  }

  /** Lets it come to the end of its work by itself. @returns its exit status */
  finish(): Promise<number | null> {
    return this.#process.stop();
  }
}

function isStopped(pid: number): boolean {
  return execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" })
    .trim()
    .startsWith("T");
}

/** A start takes a third of the time, and there are many. */
const COMPILE_CACHE = {
  NODE_COMPILE_CACHE: fileURLToPath(new URL("../../../../node_modules/.cache/namehold-tests", import.meta.url)),
};
const PROGRAM = fileURLToPath(new URL("node-driver.ts", import.meta.url));
const HOOK = new URL("../../../platform/fixtures/resolve-ts.mjs", import.meta.url).href;
