/** The kernel's table of processes, as Linux shows it in /proc. What this user may not see counts as not there. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import type { LockedFile, ProcessStat, ProcessTable } from "../host.js";
import { linuxProcessDetails } from "./process-details.js";
import { unlessHidden } from "./unless-hidden.js";

/** For the host of Linux. */
export const linuxProcessTable: ProcessTable = {
  look: () => ({ processes: everyProcess(), variable: readVariable }),
  read: readProcessStat,
  lockedFile,
  sharesLock,
  details: linuxProcessDetails,
};

function listPids(): readonly number[] {
  return readdirSync("/proc").flatMap((entry) => (/^\d+$/.test(entry) ? [Number(entry)] : []));
}

function* everyProcess(): Iterable<ProcessStat> {
  for (const pid of listPids()) {
    const stat = readProcessStat(pid);
    if (stat !== null) yield stat;
  }
}

/** @returns null when there is no such process, or it may not be seen */
function readProcessStat(pid: number): ProcessStat | null {
  const text = unlessHidden(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  return text === null ? null : parseProcessStat(pid, text);
}

/** @param text of /proc/PID/stat: the second field is the program's name in brackets, and may hold anything */
export function parseProcessStat(pid: number, text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  const [STATE, PARENT, GROUP, SESSION] = [fields[0], field(4), field(5), field(6)];
  const [THREADS, START] = [field(20), field(22)];
  // Its first thread alone may have ended.
  const ended = STATE === "X" || (STATE === "Z" && THREADS <= 1);
  return { pid, parent: PARENT, ended, group: GROUP, session: SESSION, startTicks: START };
}

/** A variable of the environment with which the process was started. */
function readVariable(pid: number, name: string): string | undefined {
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
