/** Real `namehold` processes on the built package, each test with a registry of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { test as plainTest, type TestContext } from "vitest";
import { onLinux } from "../platform/requirements.js";

export const MAIN = resolve("dist/cli/main.js");

/** How long the pipes of a process that has ended may take to be read, or to be found open still. */
const DRAIN_MS = 1_000;

export interface CliResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class CliProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
  stdout = "";
  stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    // What was written may arrive after the end. But not `close` alone: a process that is left over may keep the pipes
    // open, and that must be seen as what it is.
    this.ended = new Promise((done) => {
      child.once("exit", (status, signal) => {
        const finish = (): void => done({ status, signal, stdout: this.stdout, stderr: this.stderr });
        const patience = setTimeout(finish, DRAIN_MS);
        child.once("close", () => {
          clearTimeout(patience);
          finish();
        });
      });
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** The first match in standard output, once it is there. */
  async line(pattern: RegExp): Promise<string> {
    await until(`${pattern} in ${JSON.stringify(this.stdout)}`, () => pattern.test(this.stdout));
    return pattern.exec(this.stdout)?.[0] ?? "";
  }

  async message(pattern: RegExp): Promise<void> {
    await until(`${pattern} in the messages`, () => pattern.test(this.stderr));
  }

  /** The pid that the command printed as `WORD=PID`. */
  async printedPid(word: string): Promise<number> {
    return Number((await this.line(new RegExp(`^${word}=(\\d+)$`, "m"))).split("=")[1]);
  }

  async guardianPid(): Promise<number> {
    let found: number | undefined;
    await until("a guardian", () => {
      found = childrenOf(this.pid).find((pid) => commandLine(pid).includes("guardian.js"));
      return found !== undefined;
    });
    return found as number;
  }
}

/** A registry file of the test's own, and the command line on it. */
export class Lab {
  readonly directory = mkdtempSync(join(tmpdir(), "namehold-cli-"));
  readonly path = join(this.directory, ".madsci", "registry.json");
  readonly #started: CliProcess[] = [];

  start(...args: readonly string[]): CliProcess {
    return this.startWith({}, ...args);
  }

  startWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): CliProcess {
    return this.#spawn(env, ["pipe", "pipe"], args);
  }

  /** @param stdout, stderr descriptors, or `pipe` to collect what is written */
  startInto([stdout, stderr]: readonly [number | "pipe", number | "pipe"], ...args: readonly string[]): CliProcess {
    return this.#spawn({}, [stdout, stderr], args);
  }

  #spawn(
    env: NodeJS.ProcessEnv,
    output: readonly [number | "pipe", number | "pipe"],
    args: readonly string[],
  ): CliProcess {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.directory,
      env: { ...process.env, MADSCI_REGISTRY_PATH: this.path, ...env },
      stdio: ["ignore", ...output],
    });
    const started = new CliProcess(child);
    this.#started.push(started);
    return started;
  }

  run(...args: readonly string[]): Promise<CliResult> {
    return this.start(...args).ended;
  }

  async json(...args: readonly string[]): Promise<unknown> {
    return JSON.parse((await this.run(...args, "--json")).stdout);
  }

  async gone(pid: number): Promise<void> {
    await until(`process ${pid} to be gone`, () => !isAlive(pid));
  }

  /** Every process whose working directory is the lab's ends with the test, whatever the test has found. */
  async cleanUp(): Promise<void> {
    // The guardians live elsewhere: they end when what they guard is gone.
    const guardians = this.#started.flatMap(({ pid }) => childrenOf(pid));
    for (const { child } of this.#started) child.kill("SIGKILL");
    await until("the test's processes to end", () => {
      for (const pid of processesIn(this.directory)) sendSignal(pid, "SIGKILL");
      return processesIn(this.directory).length === 0;
    });
    await until("the guardians to end", () => !guardians.some(isAlive));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A test with a lab of its own, and a second one where it asks for it. Tests may run at the same time. */
export const test = plainTest.extend<{ lab: Lab; otherLab: Lab }>({
  lab: ({ skip }, use) => useLab(skip, use),
  otherLab: ({ skip }, use) => useLab(skip, use),
});

async function useLab(skip: TestContext["skip"], use: (lab: Lab) => Promise<void>): Promise<void> {
  skip(!onLinux, "it must be Linux: a test finds its processes in /proc");
  const lab = new Lab();
  try {
    await use(lab);
  } finally {
    await lab.cleanUp();
  }
}

/** Alive, and no zombie. */
export function isAlive(pid: number): boolean {
  const state = /\) (\w) /.exec(procFile(pid, "stat"))?.[1];
  return state !== undefined && state !== "Z" && state !== "X";
}

export function isStopped(pid: number): boolean {
  return /\) T /.test(procFile(pid, "stat"));
}

export function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Waits for what another process does. Fails by saying what was waited for. */
export async function until(what: string, isSo: () => boolean, withinMs = 10_000): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 10) {
    if (waitedMs > withinMs) throw new Error(`Waited ${withinMs} ms in vain for ${what}.`);
    await delay(10);
  }
}

function commandLine(pid: number): string {
  return procFile(pid, "cmdline").replaceAll("\0", " ");
}

function childrenOf(parent: number): readonly number[] {
  return allPids().filter((pid) => Number(procFile(pid, "stat").split(") ")[1]?.split(" ")[1]) === parent);
}

function processesIn(directory: string): readonly number[] {
  return allPids().filter((pid) => isAlive(pid) && workingDirectory(pid) === directory);
}

function allPids(): readonly number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** Empty when the process is gone. */
function procFile(pid: number, file: string): string {
  return unlessGone(() => readFileSync(`/proc/${pid}/${file}`, "latin1"));
}

function workingDirectory(pid: number): string {
  return unlessGone(() => readlinkSync(`/proc/${pid}/cwd`));
}

function unlessGone(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw error;
  }
}
