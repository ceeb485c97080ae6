import { spawnSync } from "node:child_process";
import type { ProcessListing, ProcessStat, ProcessTable } from "../host.js";
import type { Libc } from "../posix/libc.js";

/**
 * The table of processes as ps(1) shows it, with the environment of this user's own. Descriptors of other processes are
 * not shown: a process that left session, group and environment behind is not found.
 */
export function darwinProcessTable(libc: () => Libc): ProcessTable {
  let getsid: ((pid: number) => number) | undefined;
  const sessionOf = (pid: number): number => {
    getsid ??= libc().library.func("getsid", "int", ["int"]) as (pid: number) => number;
    return getsid(pid);
  };
  return {
    look: () => {
      const { text, pid } = ps(["-axEww", "-o", COLUMNS]);
      return parseProcesses(text, sessionOf, pid);
    },
    read: (pid) => {
      const [stat] = parseProcesses(psOf(pid), sessionOf).processes;
      return stat ?? null;
    },
    lockedFile: () => undefined,
    sharesLock: () => false,
  };
}

/**
 * @param text what ps(1) prints for {@link COLUMNS}
 * @param sessionOf -1 for a process that is gone: ps knows no sessions here
 * @param psPid of the ps that printed it, which lists itself, as a child of who asked: it is left out
 */
export function parseProcesses(
  text: string,
  sessionOf: (pid: number) => number,
  psPid?: number,
): ProcessListing & { readonly processes: readonly ProcessStat[] } {
  const commands = new Map<number, string>();
  const processes = text.split("\n").flatMap((line) => {
    const [, pid, parent, group, state, start, command] = ROW.exec(line) ?? [];
    if (pid === undefined || group === undefined || start === undefined || Number(pid) === psPid) return [];
    commands.set(Number(pid), command ?? "");
    const stat: ProcessStat = {
      pid: Number(pid),
      parent: Number(parent),
      ended: state?.startsWith("Z") === true,
      group: Number(group),
      session: sessionOf(Number(pid)),
      startTicks: Date.parse(`${start} UTC`),
    };
    return [stat];
  });
  return { processes, variable: (pid, name) => variableIn(commands.get(pid) ?? "", name) };
}

const COLUMNS = "pid=,ppid=,pgid=,state=,lstart=,command=";
const ROW = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+\w{3}\s+(\w{3}\s+\d+\s+[\d:]{8}\s+\d{4})(?:\s+(.*))?$/;
const PS = "/bin/ps";
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;
const PS_MS_MAX = 5_000;

/**
 * The environment follows the command, NAME=VALUE each, with nothing to tell them apart but a space and a name: the last
 * one of the name counts.
 */
function variableIn(command: string, name: string): string | undefined {
  const start = command.lastIndexOf(` ${name}=`);
  if (start === -1) return undefined;
  const value = command.slice(start + name.length + 2);
  const next = / [A-Za-z_]\w*=/.exec(value);
  return next === null ? value : value.slice(0, next.index);
}

function psOf(pid: number): string {
  try {
    return ps(["-o", COLUMNS, "-p", String(pid)]).text;
  } catch (error) {
    // It prints nothing and fails when there is no such process.
    if ((error as { status?: unknown }).status === 1) return "";
    throw error;
  }
}

/** @throws what hindered it; where that is its exit status, with `status` */
function ps(args: readonly string[]): { readonly text: string; readonly pid: number } {
  const { error, status, signal, stdout, pid } = spawnSync(PS, args, {
    encoding: "utf8",
    env: { LC_ALL: "C", TZ: "UTC" },
    maxBuffer: OUTPUT_BYTES_MAX,
    timeout: PS_MS_MAX,
    stdio: ["ignore", "pipe", "ignore"],
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw Object.assign(new Error(`${PS} ended with ${status ?? signal}`), { status });
  return { text: stdout, pid };
}
