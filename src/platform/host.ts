import type { BigIntStats } from "node:fs";
import { NameholdError } from "../core/errors.js";
import { darwinHost } from "./darwin/darwin-host.js";
import { linuxHost } from "./linux/linux-host.js";
import { windowsHost } from "./windows/windows-host.js";

/**
 * What differs between operating systems, and nothing else does.
 *
 * Functions of a host throw what the system says (`node:fs` errors with an errno name); those who call them say what was
 * tried.
 *
 * @see docs/platforms.md
 */
export interface Host {
  /** For messages. */
  readonly name: "Linux" | "macOS" | "Windows";
  readonly locks: HostLocks;
  readonly clock: HostClock;
  readonly files: HostFiles;
  readonly standardError: HostStandardError;
  readonly processes: HostProcesses;
  /** Sends a datagram to a unix socket, without waiting. Where there is a service manager that listens to one. */
  sendDatagram?(socketPath: string, text: string): void;
  /** Whether nobody is left who could read what is written; false as well where that cannot be told. */
  hasLostReader(fd: number): boolean;
  /** Linux's name of a namespace of this process; `""` where there are none, or they are hidden. */
  namespaceOf(kind: NamespaceKind): string;
}

export type LockMode = "exclusive" | "shared";

/**
 * Which lock of a file. Where the kernel locks whole files they are one; where it locks ranges of bytes, each has a range
 * of its own:
 *
 * `file`: what Python's filelock locks. `owner`: the presence of a process. `guardian`: the same presence, kept by who
 * guards the process's command. `presence`: both, for those who ask or replace.
 */
export type LockPart = "file" | "owner" | "guardian" | "presence";

export interface HostLocks {
  /** Whether a child that inherits the descriptor keeps the lock when its parent has died. */
  readonly areInherited: boolean;
  /** @returns false when somebody else's lock stands in the way. Never waits. */
  tryLock(fd: number, mode: LockMode, part: LockPart): boolean;
  unlock(fd: number, part: LockPart): void;
}

export interface HostClock {
  /** Milliseconds since the machine started, suspended time included. */
  bootMs(): number;
  /** Tells this boot of this machine from every other; `""` where that cannot be told. */
  bootId(): string;
}

export interface HostFiles {
  /** Whether files have an owner and a mode that mean something. */
  readonly haveOwners: boolean;
  /** What failures mean here that mean something else elsewhere, by errno name. */
  readonly failures: ReadonlyMap<string, string>;
  /** As `fs.openSync`, and where the system can see to it nobody deletes the file while it is open. */
  openLockFile(path: string, flags: number, mode?: number): number;
  /** Whether a look through a descriptor and one through a path saw the same file. */
  isSameInode(byDescriptor: BigIntStats, byPath: BigIntStats): boolean;
  /**
   * Moves a file to a path at which nothing is. It may keep its old name too.
   *
   * @returns false when something is there; `unsupported` where the file system cannot tell and move in one step
   */
  moveIfAbsent(from: string, to: string): boolean | "unsupported";
  /**
   * Moves a file into another's place, in one step.
   *
   * @throws NameholdError `busy` where another program that has it open can hinder that, and does so for too long
   */
  replace(from: string, to: string): void;
  /** Does what other programs that have the same file open may hinder for a moment. */
  patiently<T>(act: () => T): T;
  /** Puts the names in a directory on the disk, where the system has that operation. */
  syncDirectory(path: string): void;
  fileSystemOf(path: string): FileSystemKind;
  isMountPoint(realPath: string): boolean;
}

export interface FileSystemKind {
  /** For messages: `ext4`, `nfs`. */
  readonly name: string;
  /** Known to be written to by this machine's kernel alone, with inode numbers that last. */
  readonly isLocal: boolean;
}

export interface HostStandardError {
  /** Writes without waiting for whoever reads; what does not find room may be lost. */
  write(text: string): void;
}

/** How all processes of a command are found: in a table of all that there are, or by the kernel's own list of them. */
export type HostProcesses =
  | { readonly kind: "table"; readonly table: ProcessTable }
  | { readonly kind: "jobs"; readonly jobs: ProcessJobs };

export type NamespaceKind = "time" | "pid" | "mnt";

export interface ProcessTable {
  /** All processes that this user may see, at this moment. */
  look(): ProcessListing;
  /** @returns null when there is no such process, or it may not be seen */
  read(pid: number): ProcessStat | null;
  /** The file behind a descriptor of this process; undefined where other processes' descriptors are not shown. */
  lockedFile(fd: number): LockedFile | undefined;
  /** Whether the process shares the open file that carries the exclusive lock. */
  sharesLock(pid: number, file: LockedFile): boolean;
  /** Where the system lets other processes than the first one have orphans. */
  readonly orphans?: HostOrphans;
  /** Where the system shows them. */
  readonly details?: ProcessDetails;
}

/** What people want to know of processes. Undefined when there is no such process, or it may not be seen. */
export interface ProcessDetails {
  /** Its name, its command line, and whether a signal or a debugger has stopped it. Undefined as well when it has ended. */
  stateOf(
    pid: number,
  ): { readonly name: string; readonly args: readonly string[]; readonly isStopped: boolean } | undefined;
  /** The paths of the file that it runs and of its working directory. */
  placeOf(pid: number): { readonly executable: string; readonly directory: string } | undefined;
  /** Who took an exclusive lock of the file; it may have passed it on. */
  lockTakers(file: Pick<LockedFile, "device" | "inode">): readonly number[];
}

/** Processes whose parent has ended before them. */
export interface HostOrphans {
  /** From now on, descendants of this process become its children when they lose their parent. */
  adopt(): void;
  /** Lets go of ended children that Node does not wait for. @param isOwn whether Node has started it */
  bury(isOwn: (pid: number) => boolean): void;
}

export interface ProcessListing {
  readonly processes: Iterable<ProcessStat>;
  /** A variable of the environment with which a process was started. */
  variable(pid: number, name: string): string | undefined;
}

export interface ProcessStat {
  readonly pid: number;
  /** Null where the table does not tell. */
  readonly parent: number | null;
  /** Ended: nothing of it runs any more, though its parent has not asked for its status. */
  readonly ended: boolean;
  readonly group: number;
  readonly session: number;
  /** When it was started, in a unit of the platform's: with the pid, what tells a process from a later one. */
  readonly startTicks: number;
}

/** An open file with a kernel lock on it, as its own process sees it. */
export interface LockedFile {
  /** The last part of its path. */
  readonly baseName: string;
  readonly device: bigint;
  readonly inode: bigint;
}

export interface ProcessJobs {
  /** When a process was started; null when there is none, or it may not be seen. */
  startOf(pid: number): number | null;
  /** A new, empty job, which lasts as long as somebody has it. @param name unique on this machine */
  create(name: string): ProcessJob;
  /**
   * Puts this process, and so all that it will start, into the job of that name, and into one that ends them all when
   * this process ends, however it does.
   */
  join(name: string): ProcessJob;
}

export interface ProcessJob {
  pids(): readonly number[];
  /** Ends one of its processes. Fine when it is gone. */
  terminate(pid: number): void;
}

/**
 * The machine that this process runs on. The one place where the platform is chosen.
 *
 * @throws NameholdError `unsupported` on a system that is none of the three
 */
export function host(): Host {
  chosen ??= choose();
  return chosen;
}

let chosen: Host | undefined;

function choose(): Host {
  switch (process.platform) {
    case "linux":
      return linuxHost;
    case "darwin":
      return darwinHost;
    case "win32":
      return windowsHost;
    default:
      throw new NameholdError("unsupported", `namehold runs on Linux, macOS and Windows, not on ${process.platform}.`);
  }
}
