/** What /proc shows of a process to people. What this user may not see counts as not there. */
import { readFileSync, readlinkSync } from "node:fs";
import type { LockedFile, ProcessDetails } from "../host.js";
import { unlessHidden } from "./unless-hidden.js";

/** For the host of Linux. */
export const linuxProcessDetails: ProcessDetails = { stateOf, placeOf, lockTakers };

function stateOf(pid: number): ReturnType<ProcessDetails["stateOf"]> {
  const status = readProc(pid, "status");
  const commandLine = readProc(pid, "cmdline");
  if (status === null || commandLine === null) return undefined;
  const state = /^State:\s+(\w)/m.exec(status)?.[1] ?? "";
  if (state === "Z" || state === "X") return undefined;
  return {
    name: /^Name:\s+(.*)$/m.exec(status)?.[1] ?? "",
    args: commandLine === "" ? [] : commandLine.replace(/\0$/, "").split("\0"),
    isStopped: state === "T" || state === "t",
  };
}

function placeOf(pid: number): ReturnType<ProcessDetails["placeOf"]> {
  const executable = unlessHidden(() => readlinkSync(`/proc/${pid}/exe`));
  const directory = unlessHidden(() => readlinkSync(`/proc/${pid}/cwd`));
  return executable === null || directory === null ? undefined : { executable, directory };
}

/** Of other users' processes the descriptors are hidden, but proc_locks(5) tells who took a lock. */
function lockTakers({ device, inode }: Pick<LockedFile, "device" | "inode">): readonly number[] {
  const place = `${hex(majorOf(device))}:${hex(minorOf(device))}:${inode}`;
  const locks = unlessHidden(() => readFileSync("/proc/locks", "utf8")) ?? "";
  return locks.split("\n").flatMap((line) => {
    const [, kind, , mode, pid, where] = line.trim().split(/\s+/);
    return kind === "FLOCK" && mode === "WRITE" && where === place ? [Number(pid)] : [];
  });
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

function readProc(pid: number, file: string): string | null {
  return unlessHidden(() => readFileSync(`/proc/${pid}/${file}`, "utf8"));
}
