/** Processes as an operator wants to see them, where the system shows them. What this user may not see is left out. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { host, type ProcessDetails } from "./host.js";

export interface ProcessView {
  readonly pid: number;
  /** Its command line. */
  readonly command: string;
  /** Stopped by a signal or a debugger: it does nothing, and keeps what it has. */
  readonly isStopped: boolean;
}

/** @returns undefined when there is no such process, it may not be seen, or the platform does not show processes */
export function viewProcess(pid: number): ProcessView | undefined {
  const state = details()?.stateOf(pid);
  if (state === undefined) return undefined;
  const { name, args, isStopped } = state;
  const command = args.join(" ").trim();
  return { pid, command: command === "" ? name : command, isStopped };
}

export interface ProcessPlace {
  /** The path of the file that it runs. */
  readonly executable: string;
  /** Its working directory. */
  readonly directory: string;
  /** Its first argument: its program as who started it named it. */
  readonly startedAs: string;
}

/** @returns undefined when there is no such process, it may not be seen, or the platform does not show processes */
export function placeOf(pid: number): ProcessPlace | undefined {
  const place = details()?.placeOf(pid);
  return place && { ...place, startedAs: details()?.stateOf(pid)?.args[0] ?? "" };
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
  const pids = sharing.length > 0 ? sharing : (processes.table.details?.lockTakers(file) ?? []);
  return pids.flatMap((pid) => viewProcess(pid) ?? []);
}

const COMMAND_LENGTH_MAX = 200;

function details(): ProcessDetails | undefined {
  const { processes } = host();
  return processes.kind === "table" ? processes.table.details : undefined;
}
