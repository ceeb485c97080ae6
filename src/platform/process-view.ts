/** Processes as an operator wants to see them: Linux shows them in /proc. What this user may not see is left out. */
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { host } from "./host.js";
import { errnoOf } from "./storage-error.js";

export interface ProcessView {
  readonly pid: number;
  /** Its command line. */
  readonly command: string;
  /** Stopped by a signal or a debugger: it does nothing, and keeps what it has. */
  readonly isStopped: boolean;
}

/** @returns undefined when there is no such process, it may not be seen, or the platform does not show processes */
export function viewProcess(pid: number): ProcessView | undefined {
  const status = readProc(pid, "status");
  const commandLine = readProc(pid, "cmdline");
  if (status === undefined || commandLine === undefined) return undefined;
  const state = /^State:\s+(\w)/m.exec(status)?.[1] ?? "";
  if (state === "Z" || state === "X") return undefined;
  const command = commandLine.split("\0").join(" ").trim();
  return {
    pid,
    command: command === "" ? (/^Name:\s+(.*)$/m.exec(status)?.[1] ?? "") : command,
    isStopped: state === "T" || state === "t",
  };
}

/** For messages: `PID 4711 (python node.py)`. */
export function describeProcess({ pid, command }: ProcessView): string {
  return `PID ${pid} (${command.length > COMMAND_LENGTH_MAX ? `${command.slice(0, COMMAND_LENGTH_MAX)}…` : command})`;
}

/** Whether a pid that a process of that PID namespace wrote means the same process here. */
export function isOwnPidNamespace(pidNamespace: string): boolean {
  // Where there are none, or they are hidden, a pid is not taken for anybody's.
  return pidNamespace !== "" && host().namespaceOf("pid") === pidNamespace;
}

/** All processes that this user may see; none where the platform does not show them. */
export function visiblePids(): readonly number[] {
  const { processes } = host();
  return processes.kind === "table" ? Array.from(processes.table.look().processes, ({ pid }) => pid) : [];
}

/** A variable of the environment with which a process was started, where it may be seen. */
export function variableOf(pid: number, name: string): string | undefined {
  const { processes } = host();
  return processes.kind === "table" ? processes.table.look().variable(pid, name) : undefined;
}

/** The processes that have the exclusive kernel lock on the file, as far as they can be seen. */
export function lockHolders(path: string): readonly ProcessView[] {
  const { processes } = host();
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (processes.kind !== "table" || stats === undefined) return [];
  const file = { baseName: basename(path), device: stats.dev, inode: stats.ino };
  const sharing = visiblePids().filter((pid) => pid !== process.pid && processes.table.sharesLock(pid, file));
  const pids = sharing.length > 0 ? sharing : lockTakers(stats.dev, stats.ino);
  return pids.flatMap((pid) => viewProcess(pid) ?? []);
}

const COMMAND_LENGTH_MAX = 200;

/** Of other users' processes the descriptors are hidden, but proc_locks(5) tells who took a lock. */
function lockTakers(device: bigint, inode: bigint): readonly number[] {
  const place = `${hex(majorOf(device))}:${hex(minorOf(device))}:${inode}`;
  return (
    readOrUndefined("/proc/locks")
      ?.split("\n")
      .flatMap((line) => {
        const [, kind, , mode, pid, where] = line.trim().split(/\s+/);
        return kind === "FLOCK" && mode === "WRITE" && where === place ? [Number(pid)] : [];
      }) ?? []
  );
}

/** As makedev(3) of the GNU C library packs them. */
function majorOf(device: bigint): bigint {
  return ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
}

function minorOf(device: bigint): bigint {
  return (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
}

function hex(number: bigint): string {
  return number.toString(16).padStart(2, "0");
}

function readProc(pid: number, file: string): string | undefined {
  return readOrUndefined(`/proc/${pid}/${file}`);
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (failure) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(errnoOf(failure) ?? "")) return undefined;
    throw failure;
  }
}
