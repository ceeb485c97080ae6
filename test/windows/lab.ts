import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Claim } from "../../src/index.js";
import { CLI_PATH, library } from "./product.ts";

const PUPPET_PATH = fileURLToPath(new URL("puppet.ts", import.meta.url));
const WAIT_MS = 20_000;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of a test: what it printed, and how it ended. */
export class Started {
  readonly child: ChildProcess;
  /** Its own end. */
  readonly exited: Promise<unknown>;
  /** Its end, and that of all who have its output. */
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.exited = once(this.child, "exit");
    this.ended = once(this.child, "close").then(([status]: (number | null)[]) => {
      return { status: status ?? null, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** TerminateProcess: nothing of the process's own runs any more. */
  kill(): void {
    this.child.kill("SIGKILL");
  }

  /** Waits for a line of its output. @returns what the pattern matched */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    await until(
      () => pattern.test(this.stdout),
      () => `${pattern} in ${JSON.stringify([this.stdout, this.stderr])}`,
    );
    return pattern.exec(this.stdout) as RegExpExecArray;
  }
}

/** A directory with a registry, and the processes that a test starts on it. */
export class Lab {
  readonly directory = mkdtempSync(join(tmpdir(), "namehold-windows-"));
  readonly registryPath = join(this.directory, "registry.json");
  readonly #started: Started[] = [];
  readonly #closing: (() => Promise<void>)[] = [];

  /** The command line. */
  cli(...args: readonly string[]): Started {
    return this.#start([CLI_PATH, ...args]);
  }

  puppet(...args: readonly string[]): Started {
    return this.#start([PUPPET_PATH, ...args]);
  }

  /** For `run … --`. */
  puppetCommand(...args: readonly string[]): readonly string[] {
    return [process.execPath, PUPPET_PATH, ...args];
  }

  /** By this process. It is closed with the lab. */
  async claim(name: string, waitMs = 0): Promise<Claim> {
    const registry = await library.openRegistry(this.registryPath);
    this.#closing.push(() => registry.close());
    return registry.claim(name, { type: "node", waitMs });
  }

  async close(): Promise<void> {
    for (const close of this.#closing) await close();
    for (const it of this.#started) it.kill();
    await Promise.all(this.#started.map((it) => it.exited));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #start(args: readonly string[]): Started {
    const started = new Started(args, { ...process.env, MADSCI_REGISTRY_PATH: this.registryPath });
    this.#started.push(started);
    return started;
  }
}

export async function until(isSo: () => boolean, what: () => string, withinMs = WAIT_MS): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!isSo()) {
    if (performance.now() > giveUpAt) throw new Error(`Waited ${withinMs} ms in vain for ${what()}.`);
    await delay(20);
  }
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
