import { host } from "../../platform/host.js";
import { CommandJob } from "./command-job.js";
import { CommandProcesses } from "./command-processes.js";

/** Everything that a command started, and nothing else. */
export interface CommandMembers {
  /** Whether a guardian can be started when the command runs, and not be one of these itself. */
  readonly canReplaceGuardian: boolean;
  /** Whether the command gets a session, a process group and the presence descriptor of its own. */
  readonly areSession: boolean;
  /** A process that looks as if it were the command's, and neither is nor starts any of it. */
  spare(process: ProcessRef): void;
  /**
   * To be called before the command is started, after its guardian.
   *
   * @returns other children of this process, which were there before it was `run`: spared here, for the guardian to spare
   */
  enclose(): readonly ProcessRef[];
  /** To be called now and then: notes what could not be found any more if `run` were killed now. */
  remember(): void;
  /** The command itself. */
  lead(leader: ProcessRef): void;
  /** Signals the command alone. */
  signalLeader(signal: NodeJS.Signals): void;
  /** Passes on what a terminal sends, or has sent already, to all that it has. */
  signalGroup(signal: NodeJS.Signals): void;
  /** Passes on what came before there was a command. */
  signalMissed(signal: NodeJS.Signals): void;
  /** Signals all that `living` finds. */
  signalAll(signal: NodeJS.Signals): void;
  /** The pids of what is alive. Empty: the command and all that it started are gone. */
  living(): readonly number[];
  /** As `living`; when they cannot be listed, somebody may be. */
  mayLive(): boolean;
}

/** A process that cannot be mistaken for a later one with the same pid. */
export interface ProcessRef {
  readonly pid: number;
  /** Null where the platform does not tell. */
  readonly startTicks: number | null;
}

export interface CommandMembersOptions {
  /** What the command's environment has in its `NAMEHOLD_CHAIN`. */
  readonly mark: string;
  /** This process's copy of the presence descriptor that the command inherits, where there is one. */
  readonly presenceFd: number | undefined;
}

/** For `run`. */
export function membersToStart(options: CommandMembersOptions): CommandMembers {
  const { processes } = host();
  switch (processes.kind) {
    case "table":
      return new CommandProcesses(options, processes.table, thisProcess());
    case "jobs":
      return CommandJob.ofRun(jobName(options.mark, process.pid), processes.jobs);
    default:
      return processes satisfies never;
  }
}

/** For its guardian. @param run the process that starts the command */
export function membersToGuard(options: CommandMembersOptions, run: ProcessRef): CommandMembers {
  const { processes } = host();
  switch (processes.kind) {
    case "table":
      return new CommandProcesses(options, processes.table, run);
    case "jobs":
      return CommandJob.ofGuardian(jobName(options.mark, run.pid), processes.jobs);
    default:
      return processes satisfies never;
  }
}

export function thisProcess(): ProcessRef {
  return processRef(process.pid);
}

/** @param pid of this process or of a child that was not waited for: one that cannot have been reused */
export function processRef(pid: number): ProcessRef {
  const { processes } = host();
  const startTicks =
    processes.kind === "table" ? (processes.table.read(pid)?.startTicks ?? null) : processes.jobs.startOf(pid);
  return { pid, startTicks };
}

function jobName(mark: string, runPid: number): string {
  return `${mark} ${runPid}`;
}
