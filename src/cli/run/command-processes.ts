import {
  type LockedFile,
  listPids,
  lockedFile,
  type ProcessStat,
  readProcessStat,
  readVariable,
  sharesLock,
} from "../../platform/process-table.js";
import { CHAIN_VARIABLE, marksOf } from "./command-mark.js";

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessRef {
  readonly pid: number;
  /** Null where the platform does not tell. */
  readonly startTicks: number | null;
}

export interface CommandProcessesOptions {
  /** What the command's environment has in its `NAMEHOLD_CHAIN`. */
  readonly mark: string;
  /** This process's copy of the presence descriptor that the command inherits, where there is one. */
  readonly presenceFd: number | undefined;
}

/**
 * Everything that a command started, and nothing else. A process belongs to it when it is in the command's session or
 * process group, shares the presence descriptor, or has the command's mark in its environment: many programs leave one of
 * these behind, few all three. Elsewhere than on Linux: the process group.
 *
 * @see docs/SPEC.md#G2
 */
export class CommandProcesses {
  readonly #mark: string;
  readonly #presence: LockedFile | undefined;
  readonly #spared = new Map<number, ProcessRef>();
  #leader: ProcessRef | undefined;
  /** Once the command's group was seen empty, its number may be anybody's. */
  #groupIsOver = false;

  constructor(options: CommandProcessesOptions) {
    this.#mark = options.mark;
    this.#presence = SEES_ALL && options.presenceFd !== undefined ? lockedFile(options.presenceFd) : undefined;
    this.spare(thisProcess());
  }

  /** A process that has the presence descriptor and is not the command's. */
  spare(process: ProcessRef): void {
    this.#spared.set(process.pid, process);
  }

  /** The command itself, which leads its session and its process group. */
  lead(leader: ProcessRef): void {
    this.#leader = leader;
  }

  /** Signals the command alone. */
  signalLeader(signal: NodeJS.Signals): void {
    if (this.#leader !== undefined && this.#ownsGroup(this.#leader)) kill(this.#leader.pid, signal);
  }

  /** Signals the command's process group, as a terminal does. */
  signalGroup(signal: NodeJS.Signals): void {
    if (this.#leader !== undefined && this.#ownsGroup(this.#leader)) kill(-this.#leader.pid, signal);
  }

  /** Signals all that `living` finds. */
  signalAll(signal: NodeJS.Signals): void {
    this.signalGroup(signal);
    if (!SEES_ALL) return;
    for (const { pid, group } of this.#find()) if (group !== this.#leader?.pid) kill(pid, signal);
  }

  /** The pids of what is alive. Empty: the command and all that it started are gone. */
  living(): readonly number[] {
    if (SEES_ALL) return this.#find().map(({ pid }) => pid);
    if (this.#leader === undefined || this.#groupIsOver) return [];
    this.#groupIsOver = !kill(-this.#leader.pid, 0);
    return this.#groupIsOver ? [] : [this.#leader.pid];
  }

  /** As `living`; when the table of processes cannot be read, somebody may be. */
  mayLive(): boolean {
    try {
      return this.living().length > 0;
    } catch {
      return true;
    }
  }

  #find(): readonly ProcessStat[] {
    const leader = this.#leader;
    const groupIsOurs = leader !== undefined && this.#ownsGroup(leader);
    let groupIsEmpty = true;
    const found = listPids().flatMap((pid) => {
      const stat = readProcessStat(pid);
      if (stat === null || stat.ended || this.#isSpared(stat)) return [];
      if (groupIsOurs && (stat.session === leader.pid || stat.group === leader.pid)) {
        groupIsEmpty = false;
        return [stat];
      }
      return this.#isTraced(stat) ? [stat] : [];
    });
    if (groupIsOurs && groupIsEmpty) this.#groupIsOver = true;
    return found;
  }

  /** While a process of the group or session lives, the kernel gives its number to nobody else. */
  #ownsGroup(leader: ProcessRef): boolean {
    if (this.#groupIsOver) return false;
    if (!SEES_ALL) return true;
    const stat = readProcessStat(leader.pid);
    if (stat !== null && stat.startTicks !== leader.startTicks) this.#groupIsOver = true;
    return !this.#groupIsOver;
  }

  #isTraced(stat: ProcessStat): boolean {
    if (stat.startTicks < (this.#leader?.startTicks ?? 0)) return false;
    if (this.#presence !== undefined && sharesLock(stat.pid, this.#presence)) return true;
    return marksOf(readVariable(stat.pid, CHAIN_VARIABLE)).includes(this.#mark);
  }

  #isSpared(stat: ProcessStat): boolean {
    return this.#spared.get(stat.pid)?.startTicks === stat.startTicks;
  }
}

/** Where /proc tells of all processes. */
const SEES_ALL = process.platform === "linux";

export function thisProcess(): ProcessRef {
  return processRef(process.pid);
}

/** @param pid of this process or of a child that was not waited for: one that cannot have been reused */
export function processRef(pid: number): ProcessRef {
  return { pid, startTicks: SEES_ALL ? (readProcessStat(pid)?.startTicks ?? null) : null };
}

/** @returns false when there is nobody to signal. Who may not be signalled is alive. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ESRCH") return false;
    if (code === "EPERM") return true;
    throw error;
  }
}
