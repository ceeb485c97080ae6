/** The kernel's table of processes, as Linux shows it in /proc. What this user may not see counts as not there. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

export interface ProcessStat {
  readonly pid: number;
  /** Ended: nothing of it runs any more, though its parent has not asked for its status. */
  readonly ended: boolean;
  readonly group: number;
  readonly session: number;
  /** When it was started, in clock ticks since boot: with the pid, what tells a process from a later one. */
  readonly startTicks: number;
}

/** An open file with a kernel lock on it, as its own process sees it. */
export interface LockedFile {
  /** The last part of its path. */
  readonly baseName: string;
  readonly device: bigint;
  readonly inode: bigint;
}

export function listPids(): readonly number[] {
  return readdirSync("/proc").flatMap((entry) => (/^\d+$/.test(entry) ? [Number(entry)] : []));
}

/** @returns null when there is no such process, or it may not be seen */
export function readProcessStat(pid: number): ProcessStat | null {
  const text = unlessHidden(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  return text === null ? null : parseProcessStat(pid, text);
}

/** @param text of /proc/PID/stat: the second field is the program's name in brackets, and may hold anything */
export function parseProcessStat(pid: number, text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  const [STATE, GROUP, SESSION, THREADS, START] = [fields[0], field(5), field(6), field(20), field(22)];
  // Its first thread alone may have ended.
  const ended = STATE === "X" || (STATE === "Z" && THREADS <= 1);
  return { pid, ended, group: GROUP, session: SESSION, startTicks: START };
}

/** A variable of the environment with which the process was started. */
export function readVariable(pid: number, name: string): string | undefined {
  const environment = unlessHidden(() => readFileSync(`/proc/${pid}/environ`, "utf8"));
  const prefix = `${name}=`;
  return environment
    ?.split("\0")
    .find((item) => item.startsWith(prefix))
    ?.slice(prefix.length);
}

/** The file behind a descriptor of this process. */
export function lockedFile(fd: number): LockedFile {
  const path = readlinkSync(`/proc/self/fd/${fd}`).replace(/ \(deleted\)$/, "");
  const { dev, ino } = statSync(`/proc/self/fd/${fd}`, { bigint: true });
  return { baseName: path.slice(path.lastIndexOf("/") + 1), device: dev, inode: ino };
}

/**
 * Whether the process shares the open file that carries the exclusive lock. To have opened the same file by itself, as
 * one does who asks whether its holder is alive, is not enough: that descriptor carries no such lock.
 */
export function sharesLock(pid: number, file: LockedFile): boolean {
  const descriptors = unlessHidden(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return descriptors.some((fd) => {
    const path = unlessHidden(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
    if (path?.includes(file.baseName) !== true) return false;
    const stat = unlessHidden(() => statSync(`/proc/${pid}/fd/${fd}`, { bigint: true }));
    if (stat?.dev !== file.device || stat.ino !== file.inode) return false;
    const info = unlessHidden(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"));
    return info !== null && /^lock:.*FLOCK.*WRITE/m.test(info);
  });
}

/** A process may end between two looks, and another user's may not be looked into. Every other failure is one. */
function unlessHidden<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(code)) return null;
    throw error;
  }
}
