import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { FakeClock, removeFakeTimeMemory } from "../interop/fake-clock.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { WorkerSettings } from "./worker-settings.ts";

export interface SlotOptions {
  readonly number: number;
  readonly python: PythonRuntime | null;
  /** Where journals and errors go. */
  readonly directory: string;
  readonly random: SeededRandom;
  /** Put before the command of every life: where else it runs, or with what. It must become the command. */
  readonly prefix?: readonly string[];
  readonly settings: Omit<WorkerSettings, "process" | "journalPath" | "seed">;
}

export interface PythonRuntime {
  readonly executable: string;
  readonly env: Readonly<Record<string, string>>;
}

/** One process's life in a slot. */
export interface Life {
  /** Its journal's name: `3.2` is the second life in slot 3. */
  readonly process: string;
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

const RESPAWN_AFTER_MS = 50;

/** A place for a process: when one ends, the next is started, until the slot is closed. */
export class Slot {
  readonly #options: SlotOptions;
  readonly clock: FakeClock;
  readonly #processes: string[] = [];
  readonly #crashes: string[] = [];
  #life: Life | undefined;
  #closed = false;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.clock = new FakeClock(options.directory, `slot-${options.number}`);
    this.#start();
  }

  get number(): number {
    return this.#options.number;
  }

  /** The process that lives now; undefined between two lives. */
  get life(): Life | undefined {
    return this.#life;
  }

  /** All that ever lived here. */
  get processes(): readonly string[] {
    return this.#processes;
  }

  /** Ends that were nobody's will, in a sentence each. */
  get crashes(): readonly string[] {
    return this.#crashes;
  }

  journalPath(process: string): string {
    return join(this.#options.directory, `${process}.jsonl`);
  }

  /** Sends the signal; resolves when the process is gone, killed after `graceMs` if need be. Nothing is started again. */
  async close(signal: "SIGTERM" | "SIGKILL", graceMs: number): Promise<void> {
    this.#closed = true;
    const life = this.#life;
    if (life === undefined) return;
    life.child.kill("SIGCONT");
    life.child.kill(signal);
    const late = setTimeout(() => {
      this.#crashes.push(`${life.process} did not end within ${graceMs} ms after ${signal}`);
      life.child.kill("SIGKILL");
    }, graceMs);
    await life.ended;
    clearTimeout(late);
  }

  #start(): void {
    const { number, directory, python, random, prefix = [], settings } = this.#options;
    const name = `${number}.${this.#processes.length + 1}`;
    this.#processes.push(name);
    const told: WorkerSettings = {
      ...settings,
      process: name,
      journalPath: this.journalPath(name),
      seed: random.below(2 ** 32),
    };
    const worker = fileURLToPath(new URL(python === null ? "worker.ts" : "python_worker.py", import.meta.url));
    const errors = openSync(join(directory, `${name}.stderr`), "w");
    const command = [...prefix, python?.executable ?? process.execPath, worker, JSON.stringify(told)];
    const child = spawn(command[0] ?? "", command.slice(1), {
      stdio: ["pipe", "ignore", errors],
      env: { ...process.env, ...(python?.env ?? this.#clockEnv()) },
    });
    closeSync(errors);
    child.stdin?.on("error", () => undefined);
    this.#life = { process: name, child, ended: this.#ended(name, child) };
  }

  /** Not for Python: under libfaketime its sleep, an absolute one, fails with EINVAL now and then. */
  #clockEnv(): Readonly<Record<string, string>> {
    return this.clock.env;
  }

  async #ended(name: string, child: ChildProcess): Promise<void> {
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      child.once("error", (error) => resolve([null, error.message]));
      child.once("exit", (status, by) => resolve([status, by]));
    });
    this.#life = undefined;
    removeFakeTimeMemory(child.pid);
    // A worker that is asked to end before it can listen ends by the signal.
    const asAsked = code === 0 || signal === "SIGKILL" || (this.#closed && signal === "SIGTERM");
    if (!asAsked) this.#crashes.push(`${name} ended by itself with ${signal ?? code}`);
    void this.#replace();
  }

  async #replace(): Promise<void> {
    await sleep(RESPAWN_AFTER_MS);
    if (!this.#closed) this.#start();
  }
}
