import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished } from "vitest";
import { processRef } from "../../src/cli/run/command-members.js";
import { CommandProcesses } from "../../src/cli/run/command-processes.js";
import { tryFlock } from "../../src/platform/flock.js";
import type { ProcessListing, ProcessStat, ProcessTable } from "../../src/platform/host.js";
import { linuxProcessTable, lockedFile, parseProcessStat, sharesLock } from "../../src/platform/linux/process-table.js";
import { type Lab, sendSignal, test, until } from "./cli-process.js";

const MARK = "01ARZ3NDEKTSV4RRFFQ69G5FAV/7";
const NOBODY = { pid: 0, startTicks: null };
const TAIL = "0 -1 4194560 9 0 0 0 0 0 0 0 20 0 1 0 4711 2 3";

test("a program's name cannot forge what /proc says of its process", () => {
  expect(parseProcessStat(7, `7 (x) R 1 1 1 (y) S 1 42 43 ${TAIL}`)).toEqual({
    pid: 7,
    parent: 1,
    ended: false,
    group: 42,
    session: 43,
    startTicks: 4711,
  });
});

test.each([
  ["a zombie has ended", "Z", "1", true],
  ["a process whose first thread alone has ended goes on", "Z", "2", false],
])("%s", (_title, state, threads, ended) => {
  const tail = TAIL.replace("20 0 1 0", `20 0 ${threads} 0`);
  expect(parseProcessStat(7, `7 (x) ${state} 1 42 43 ${tail}`).ended).toBe(ended);
});

test("who asks whether a holder is alive is not taken for one of its processes [G7]", async ({ lab }) => {
  const { fd, path } = lockedFileOf(lab);
  const inheriting = sleeper([fd]);
  const probe = openSync(path, "r");
  onTestFinished(() => closeSync(probe));
  const probing = sleeper([probe]);
  await until("both to run", () => inheriting.pid !== undefined && probing.pid !== undefined);

  expect(tryFlock(probe, "shared")).toBe(false);
  expect(sharesLock(inheriting.pid as number, lockedFile(fd))).toBe(true);
  expect(sharesLock(probing.pid as number, lockedFile(fd))).toBe(false);
});

test("a process that got the command's number after it is not signalled", async () => {
  const stranger = sleeper([]);
  await until("it to run", () => stranger.pid !== undefined);
  const ref = processRef(stranger.pid as number);
  const processes = new CommandProcesses({ mark: MARK, presenceFd: undefined }, linuxProcessTable, NOBODY);
  processes.lead({ pid: ref.pid, startTicks: Number(ref.startTicks) - 1 });

  processes.signalLeader("SIGKILL");
  processes.signalGroup("SIGKILL");
  processes.signalAll("SIGKILL");
  expect(processes.living()).toEqual([]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(stranger.exitCode).toBeNull();
  expect(stranger.signalCode).toBeNull();
});

test("a process that left session, group and descriptors behind is found by its environment", async () => {
  const env = { PATH: process.env["PATH"] };
  const marked = sleeper([], { ...env, NAMEHOLD_CHAIN: `outer ${MARK} inner` });
  const otherToken = sleeper([], { ...env, NAMEHOLD_CHAIN: `${MARK}1` });
  const processes = new CommandProcesses({ mark: MARK, presenceFd: undefined }, linuxProcessTable, NOBODY);
  await until("it to be found", () => processes.living().length > 0);

  expect(processes.living()).toEqual([marked.pid]);
  processes.signalAll("SIGKILL");
  await until("it to end", () => marked.signalCode === "SIGKILL");
  expect(otherToken.signalCode).toBeNull();
});

describe("where starts are told by the second", () => {
  const SECOND = Date.UTC(2026, 10, 23, 9, 5, 7);
  const RUN = { pid: 600, startTicks: SECOND };
  const [SHELL_JOB, COMMAND, OF_COMMAND, OF_JOB, OF_THAT] = [601, 700, 701, 702, 703];

  test("what was a child of `run` before the command is none of the command's, nor is what descends from it", () => {
    const table = new TableOfSeconds(SECOND);
    const processes = new CommandProcesses({ mark: MARK, presenceFd: undefined }, table, RUN);
    table.set([RUN.pid, 1], [SHELL_JOB, RUN.pid]);
    expect(processes.enclose()).toEqual([{ pid: SHELL_JOB, startTicks: SECOND }]);
    processes.lead({ pid: COMMAND, startTicks: SECOND });
    table.set([RUN.pid, 1], [SHELL_JOB, RUN.pid], [COMMAND, RUN.pid], [OF_COMMAND, COMMAND], [OF_JOB, SHELL_JOB]);
    expect(processes.living()).toEqual([COMMAND, OF_COMMAND]);
    table.set([RUN.pid, 1], [OF_COMMAND, 1], [OF_JOB, RUN.pid], [OF_THAT, OF_JOB]);
    expect(processes.living()).toEqual([OF_COMMAND]);
  });

  test("a guardian that is told of them knows them too, and goes on to find what `run` started", () => {
    const table = new TableOfSeconds(SECOND);
    const processes = new CommandProcesses({ mark: MARK, presenceFd: undefined }, table, RUN);
    processes.spare(RUN);
    processes.spare({ pid: SHELL_JOB, startTicks: SECOND });
    processes.lead({ pid: COMMAND, startTicks: SECOND });
    table.set([RUN.pid, 1], [SHELL_JOB, RUN.pid], [OF_JOB, SHELL_JOB], [COMMAND, RUN.pid], [OF_COMMAND, RUN.pid]);
    expect(processes.living()).toEqual([COMMAND, OF_COMMAND]);
  });
});

/** Processes that were all started in one second, each the leader of its own session. */
class TableOfSeconds implements ProcessTable {
  readonly #second: number;
  #processes: readonly ProcessStat[] = [];

  constructor(second: number) {
    this.#second = second;
  }

  set(...processes: readonly (readonly [pid: number, parent: number])[]): void {
    const startTicks = this.#second;
    this.#processes = processes.map(([pid, parent]) => ({
      pid,
      parent,
      ended: false,
      group: pid,
      session: pid,
      startTicks,
    }));
  }

  look(): ProcessListing {
    return { processes: this.#processes, variable: () => undefined };
  }

  read(pid: number): ProcessStat | null {
    return this.#processes.find((it) => it.pid === pid) ?? null;
  }

  lockedFile(): undefined {}

  sharesLock(): boolean {
    return false;
  }
}

function lockedFileOf(lab: Lab): { readonly fd: number; readonly path: string } {
  const path = join(lab.directory, "01ARZ3NDEKTSV4RRFFQ69G5FAX");
  const fd = openSync(path, "w+");
  onTestFinished(() => closeSync(fd));
  expect(tryFlock(fd, "exclusive")).toBe(true);
  return { fd, path };
}

function sleeper(descriptors: readonly number[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn("sleep", ["60"], { detached: true, env, stdio: ["ignore", "ignore", "ignore", ...descriptors] });
  onTestFinished(() => {
    if (child.pid !== undefined) sendSignal(child.pid, "SIGKILL");
  });
  return child;
}
