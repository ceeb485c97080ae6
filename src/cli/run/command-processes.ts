import type { LockedFile, ProcessListing, ProcessStat, ProcessTable } from "../../platform/host.js";
import { CHAIN_VARIABLE, marksOf } from "./command-mark.js";
import type { CommandMembers, CommandMembersOptions, ProcessRef } from "./command-members.js";
import { Lineage } from "./lineage.js";

/**
 * Everything that a command started, and nothing else. A process belongs to it when it is in the command's session or
 * process group, shares the presence descriptor, has the command's mark in its environment, or descends from `run`: many
 * programs leave one of these behind, few all of them. What of these the table does not show, finds nobody.
 *
 * @see docs/SPEC.md#G2
 */
export class CommandProcesses implements CommandMembers {
  readonly canReplaceGuardian = true;
  readonly areSession = true;
  readonly #table: ProcessTable;
  readonly #mark: string;
  readonly #run: ProcessRef;
  readonly #presence: LockedFile | undefined;
  readonly #lineage: Lineage;
  readonly #spared = new Map<number, ProcessRef>();
  #leader: ProcessRef | undefined;
  /** Once the command's group was seen empty, its number may be anybody's. */
  #groupIsOver = false;

  /** @param run the process that starts the command */
  constructor(options: CommandMembersOptions, table: ProcessTable, run: ProcessRef) {
    this.#mark = options.mark;
    this.#table = table;
    this.#run = run;
    this.#presence = options.presenceFd === undefined ? undefined : table.lockedFile(options.presenceFd);
    this.#lineage = new Lineage(run);
    this.spare({ pid: process.pid, startTicks: table.read(process.pid)?.startTicks ?? null });
  }

  /** A process that is not the command's, though it has the presence descriptor, or is a child of `run`. */
  spare(process: ProcessRef): void {
    this.#spared.set(process.pid, process);
    this.#lineage.exclude(process);
  }

  /** Orphans of the command become children of this process. Not where it has others, which are none of the command's. */
  enclose(): readonly ProcessRef[] {
    const children = [...this.#table.look().processes].filter(({ parent }) => parent === this.#run.pid);
    const bystanders = children
      .filter((child) => !child.ended && !this.#isSpared(child))
      .map(({ pid, startTicks }) => ({ pid, startTicks }));
    if (bystanders.length === 0) this.#table.orphans?.adopt();
    // Their start may be no earlier than the command's: some systems tell it by the second.
    for (const bystander of bystanders) this.spare(bystander);
    return bystanders;
  }

  remember(): void {
    const since = this.#leader?.startTicks;
    if (since != null) this.#lineage.look([...this.#table.look().processes], since);
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

  signalMissed(signal: NodeJS.Signals): void {
    this.signalGroup(signal);
  }

  signalAll(signal: NodeJS.Signals): void {
    this.signalGroup(signal);
    for (const { pid, group } of this.#find()) if (group !== this.#leader?.pid) kill(pid, signal);
  }

  living(): readonly number[] {
    return this.#find().map(({ pid }) => pid);
  }

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
    const listing = this.#table.look();
    const processes = [...listing.processes];
    if (leader?.startTicks != null) this.#lineage.look(processes, leader.startTicks);
    const found: ProcessStat[] = [];
    for (const stat of processes) {
      if (stat.ended || this.#isSpared(stat)) continue;
      if (groupIsOurs && (stat.session === leader.pid || stat.group === leader.pid)) {
        groupIsEmpty = false;
        found.push(stat);
      } else if (this.#lineage.has(stat) || this.#isTraced(stat, listing)) {
        found.push(stat);
      }
    }
    if (groupIsOurs && groupIsEmpty) this.#groupIsOver = true;
    return found;
  }

  /** While a process of the group or session lives, the kernel gives its number to nobody else. */
  #ownsGroup(leader: ProcessRef): boolean {
    if (this.#groupIsOver) return false;
    const stat = this.#table.read(leader.pid);
    if (stat !== null && stat.startTicks !== leader.startTicks) this.#groupIsOver = true;
    return !this.#groupIsOver;
  }

  #isTraced(stat: ProcessStat, listing: ProcessListing): boolean {
    if (stat.startTicks < (this.#leader?.startTicks ?? 0)) return false;
    if (this.#presence !== undefined && this.#table.sharesLock(stat.pid, this.#presence)) return true;
    return marksOf(listing.variable(stat.pid, CHAIN_VARIABLE)).includes(this.#mark);
  }

  #isSpared(stat: ProcessStat): boolean {
    return this.#spared.get(stat.pid)?.startTicks === stat.startTicks;
  }
}

/** Fine when there is nobody to signal, or when this user may not. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
