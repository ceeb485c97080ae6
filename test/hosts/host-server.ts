import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { type FakeClock, removeFakeTimeMemory } from "../interop/fake-clock.ts";
import type { Host } from "./host.ts";

const STOP_TIMEOUT_MS = 10_000;
const WORDS_SHOWN = 2_000;

export interface ServerCommand {
  readonly host: Host;
  readonly command: readonly string[];
  readonly cwd: string;
  /** What it says goes here, run after run. */
  readonly logPath: string;
  /** Its wall clock, where the command has it in its environment and it can be stepped. */
  readonly clock?: FakeClock;
}

/** A server on a host, that can be killed, stopped and started again with the same data. */
export class HostServer {
  readonly #command: ServerCommand;
  #child: ChildProcess | undefined;

  constructor(command: ServerCommand) {
    this.#command = command;
  }

  get host(): Host {
    return this.#command.host;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  start(): void {
    const { host, command, cwd, logPath } = this.#command;
    const log = openSync(logPath, "a");
    const child = host.spawn(command, { cwd, stdio: ["ignore", log, log] });
    closeSync(log);
    child.once("exit", () => removeFakeTimeMemory(child.pid));
    this.#child = child;
  }

  /** As a power cut takes it: all its processes at once. */
  async kill(): Promise<void> {
    if (!this.isRunning || this.#child === undefined) return;
    const ended = once(this.#child, "exit");
    // The first process too before its children are looked for: it could start others.
    this.pause();
    this.#signal("SIGKILL");
    await ended;
  }

  /** Sets its wall clock to the true time plus so much. */
  stepClock(offsetSeconds: number): void {
    if (this.#command.clock === undefined) throw new TypeError("The clock of this server cannot be stepped");
    this.#command.clock.step(offsetSeconds);
  }

  pause(): void {
    // Twice, since a child may have been started between the look and the signal.
    this.#signal("SIGSTOP");
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  /** In good order, by `signal`. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!this.isRunning || this.#child === undefined) return;
    const ended = once(this.#child, "exit");
    this.resume();
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  /** The end of its log. */
  get lastWords(): string {
    return readFileSync(this.#command.logPath, "utf8").slice(-WORDS_SHOWN).trim();
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (!this.isRunning || pid === undefined) return;
    for (const one of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(one, signal);
      } catch (error) {
        // Gone since we looked.
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }
}

/** PostgreSQL's connections are children of its first process, each in a group of its own. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}
