import type { ProcessJob, ProcessJobs } from "../../platform/host.js";
import type { CommandMembers, ProcessRef } from "./command-members.js";

/**
 * Everything that a command started, by the kernel's own list: `run` puts itself into a job, which nobody who is started
 * in it can leave, before it starts the command. The kernel ends them all when `run` ends, however it does; the guardian,
 * which stands outside, can read the list even then.
 *
 * There are no signals: who is told to end is ended. A console's Ctrl-C and Ctrl-Break reach the command without us.
 *
 * @see docs/platforms.md
 * @see docs/SPEC.md#G2
 */
export class CommandJob implements CommandMembers {
  readonly canReplaceGuardian = false;
  readonly areSession = false;
  readonly #jobs: ProcessJobs;
  readonly #join: () => ProcessJob;
  readonly #spared: ProcessRef[] = [];
  #job: ProcessJob | undefined;

  private constructor(jobs: ProcessJobs, join: () => ProcessJob) {
    this.#jobs = jobs;
    this.#join = join;
  }

  static ofRun(name: string, jobs: ProcessJobs): CommandJob {
    const members = new CommandJob(jobs, () => jobs.join(name));
    members.spare({ pid: process.pid, startTicks: jobs.startOf(process.pid) });
    return members;
  }

  static ofGuardian(name: string, jobs: ProcessJobs): CommandJob {
    const job = jobs.create(name);
    const members = new CommandJob(jobs, () => job);
    members.enclose();
    return members;
  }

  spare(process: ProcessRef): void {
    this.#spared.push(process);
  }

  enclose(): readonly ProcessRef[] {
    this.#job = this.#join();
    return [];
  }

  remember(): void {}

  lead(): void {}

  signalLeader(): void {}

  signalGroup(): void {}

  signalMissed(): void {
    this.signalAll("SIGKILL");
  }

  signalAll(signal: NodeJS.Signals): void {
    if (signal !== "SIGTERM" && signal !== "SIGKILL") return;
    for (const pid of this.living()) this.#job?.terminate(pid);
  }

  living(): readonly number[] {
    return (this.#job?.pids() ?? []).filter((pid) => !this.#isSpared(pid));
  }

  mayLive(): boolean {
    try {
      return this.living().length > 0;
    } catch {
      return true;
    }
  }

  #isSpared(pid: number): boolean {
    const spared = this.#spared.filter((it) => it.pid === pid);
    if (spared.length === 0) return false;
    const startTicks = this.#jobs.startOf(pid);
    return spared.some((it) => it.startTicks === startTicks);
  }
}
