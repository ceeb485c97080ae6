import { inspect } from "node:util";
import { FAILURES, messageOf, NameholdError } from "../../core/errors.js";
import { quoteName } from "../../core/name.js";
import { type Clock, later, type MonotonicMs } from "../../core/timing.js";
import { tellServiceManager } from "../../platform/service-manager.js";
import type { Claim } from "../../registry/claim.js";
import { commandMark } from "./command-mark.js";
import { type CommandMembers, membersToStart, type ProcessRef, processRef } from "./command-members.js";
import { type CommandEnd, type StartedCommand, startCommand } from "./command-process.js";
import { DueWatch } from "./due-watch.js";
import { endProcesses } from "./end-processes.js";
import { GuardianLink } from "./guardian-link.js";
import { OrphanBurial } from "./orphan-burial.js";
import { type SignalForwarding, signalStatus } from "./signal-forwarding.js";
import { stopTimes, tickMs } from "./stop-times.js";

/** What holding needs of a claim. */
export type HeldClaim = Pick<
  Claim,
  "name" | "id" | "token" | "held" | "signal" | "loss" | "deadline" | "lost" | "release"
> & {
  on(event: "refreshed" | "lost", listener: () => void): unknown;
  on(event: "jeopardy", listener: (event: { readonly error: unknown }) => void): unknown;
};

export interface HoldOptions {
  readonly ttlMs: number;
  readonly presenceFd: number | undefined;
  readonly signals: SignalForwarding;
  readonly clock: Clock;
  /** A sentence for the person who started it. Must neither wait nor throw. */
  readonly tell: (message: string) => void;
}

/** What processes that the command left behind have between SIGTERM and SIGKILL. */
const LEFT_BEHIND_MS = 5_000;
/** How long a killed process may take to be gone. */
const DYING_MS = 1_000;
/** What the command has when another holds the name already. */
const TAKEN_MS = 1_000;

/**
 * Runs the command while the claim is held, and releases the claim when the command, and all that it started, are gone.
 * They are gone before anybody else can hold the name, whatever happens to this process.
 *
 * @returns the exit status: the command's own, or that of `lost`
 * @throws CommandNotStarted, or NameholdError `unsupported` without a guardian: nothing runs, and the claim is held still
 */
export async function holdCommand(claim: HeldClaim, command: readonly string[], options: HoldOptions): Promise<number> {
  using burial = new OrphanBurial(options.clock);
  const parts = await start(claim, command, { ...options, burial });
  tellServiceManager(`Holds ${quoteName(claim.name)}, ID ${claim.id}, token ${claim.token}.`, "READY=1");
  // From here on a failure of this process must not free the name: to die without a word is what the guardian is for.
  const leaveToGuardian = (error: unknown): void => {
    options.tell(`This is a fault of namehold: ${inspect(error)}`);
    process.kill(process.pid, "SIGKILL");
    // The first process of a container does not die of that. With it die all others in it.
    process.abort();
  };
  process.once("uncaughtException", leaveToGuardian);
  try {
    return await new Hold(claim, options, parts).end();
  } catch (error) {
    leaveToGuardian(error);
    throw error;
  } finally {
    process.removeListener("uncaughtException", leaveToGuardian);
  }
}

interface HoldParts {
  readonly processes: CommandMembers;
  readonly guardian: GuardianLink;
  /** Children of this process that are none of the command's. */
  readonly bystanders: readonly ProcessRef[];
  readonly command: StartedCommand;
  /** Why the guardian wants the command to end, once it does: a NameholdError, `lost` when it heard nothing in time. */
  readonly guardianAlarm: AbortSignal;
}

interface StartOptions extends HoldOptions {
  readonly burial: OrphanBurial;
}

async function start(claim: HeldClaim, command: readonly string[], options: StartOptions): Promise<HoldParts> {
  const { presenceFd, ttlMs, clock, burial } = options;
  const mark = commandMark(claim.id, claim.token);
  const processes = membersToStart({ mark, presenceFd });
  const alarm = new AbortController();
  const guardian = await GuardianLink.start({
    name: claim.name,
    mark,
    ttlMs,
    clock,
    presenceFd,
    canBeReplaced: processes.canReplaceGuardian,
    deadline: () => claim.deadline,
    onStarted: (it) => {
      processes.spare(it);
      burial.spare(it.pid);
    },
    onEnding: () =>
      alarm.abort(
        new NameholdError("lost", "This process gave its guardian no sign of life in time.", { name: claim.name }),
      ),
    onGone: (error) => alarm.abort(error),
  });
  try {
    const bystanders = processes.enclose();
    const { name, id, token } = claim;
    const started = await startCommand(command, {
      name,
      id,
      token,
      presenceFd,
      isSession: processes.areSession,
      onStarted: (pid) => burial.spare(pid),
    });
    return { processes, guardian, bystanders, command: started, guardianAlarm: alarm.signal };
  } catch (error) {
    guardian.done();
    throw error;
  }
}

class Hold {
  readonly #claim: HeldClaim;
  readonly #options: HoldOptions;
  readonly #processes: CommandMembers;
  readonly #guardian: GuardianLink;
  readonly #command: StartedCommand;
  readonly #watch: DueWatch;
  /** Set once the command must end: whether all of it is gone. */
  #gone: Promise<boolean> | undefined;
  /** The claim's own deadline; the claim tells it no more when it has ended. */
  #deadline: MonotonicMs;
  /** Why there was no more time, when that is why the command was ended: for the history. */
  #lateness: string | undefined;
  #toldOfLeftovers = false;
  #isInJeopardy = false;

  constructor(claim: HeldClaim, options: HoldOptions, parts: HoldParts) {
    this.#claim = claim;
    this.#options = options;
    this.#processes = parts.processes;
    this.#guardian = parts.guardian;
    this.#command = parts.command;
    this.#deadline = claim.deadline;
    const leader = processRef(parts.command.pid);
    this.#processes.lead(leader);
    this.#guardian.command(leader, parts.bystanders);
    options.signals.forwardTo(this.#processes);
    this.#watch = this.#watchDeadline();
    claim.on("refreshed", () => this.#refreshed());
    claim.on("jeopardy", ({ error }) => this.#jeopardised(error));
    claim.on("lost", () => this.#lost());
    parts.guardianAlarm.addEventListener("abort", () => this.#alarmed(parts.guardianAlarm));
    if (parts.guardianAlarm.aborted) this.#alarmed(parts.guardianAlarm);
    if (!claim.held) this.#lost();
  }

  /** Waits for the command's end. */
  async end(): Promise<number> {
    const ended = await this.#command.ended;
    if (this.#gone === undefined) tellServiceManager("The command has ended.", "STOPPING=1");
    this.#watch[Symbol.dispose]();
    // Asked after the command's end: what it did last, it may have done when the name was another's.
    const gone = this.#claim.held && this.#gone === undefined ? await this.#endLeftovers() : await this.#gone;
    if (gone === true) await this.#giveUp();
    return this.#gone === undefined ? exitStatus(ended) : FAILURES.lost.exitStatus;
  }

  /** Ends the command in time, because the name cannot be held any more. Only the first reason counts. */
  #stop(why: string, killAt = stopTimes(this.#deadline, this.#options.ttlMs).killAt): void {
    if (this.#gone !== undefined) return;
    const { clock, tell, ttlMs } = this.#options;
    const leftMs = killAt - clock.monotonicMs();
    const how = leftMs > 0 ? `SIGTERM now, SIGKILL in ${(leftMs / 1_000).toFixed(1)} s` : "SIGKILL now";
    this.#guardian.ending(killAt);
    // By then the TTL is over too.
    const giveUpAt = later(laterOf(killAt, clock.monotonicMs()), DYING_MS + ttlMs / 10);
    const goOn = (pids: readonly number[]): boolean => {
      if (clock.monotonicMs() < giveUpAt) return true;
      tell(`Processes of the command could not be ended and are left running: ${pids.join(", ")}.`);
      return false;
    };
    this.#gone = endProcesses(this.#processes, clock, { term: leftMs > 0, killAt: () => killAt, goOn });
    tell(`${why} Ending the command (${how}).`);
    tellServiceManager(why, "STOPPING=1");
  }

  #alarmed({ reason }: AbortSignal): void {
    const { code, message } = reason as NameholdError;
    if (code === "lost") this.#lateness ??= "no sign of life in time";
    this.#stop(message);
  }

  #watchDeadline(): DueWatch {
    const { clock, ttlMs } = this.#options;
    return new DueWatch(
      clock,
      tickMs(ttlMs),
      () => stopTimes(this.#deadline, ttlMs).termAt,
      () => {
        // After a stall the claim itself may know better.
        if (!this.#claim.held) return;
        this.#lateness ??= "not refreshed in time";
        this.#stop(`The lock on ${quoteName(this.#claim.name)} could not be refreshed in time.`);
      },
    );
  }

  /** Told once, until a refresh succeeds again. */
  #jeopardised(error: unknown): void {
    if (this.#isInJeopardy || this.#gone !== undefined) return;
    this.#isInJeopardy = true;
    this.#options.tell(
      `The lock on ${quoteName(this.#claim.name)} could not be refreshed, and is tried again: ${messageOf(error)}`,
    );
  }

  #refreshed(): void {
    this.#isInJeopardy = false;
    this.#deadline = this.#claim.deadline;
    this.#guardian.alive(this.#deadline);
  }

  #lost(): void {
    const { clock, ttlMs } = this.#options;
    const { killAt } = stopTimes(this.#deadline, ttlMs);
    const soon = later(clock.monotonicMs(), TAKEN_MS);
    const isTaken = this.#claim.loss?.reason === "taken";
    this.#stop((this.#claim.signal.reason as NameholdError).message, isTaken && soon < killAt ? soon : killAt);
  }

  /** What the command left behind when it ended by itself. While any of it lives, the name stays held. */
  async #endLeftovers(): Promise<boolean> {
    if (this.#processes.living().length === 0) return true;
    const { clock, ttlMs } = this.#options;
    const patienceEndsAt = later(clock.monotonicMs(), LEFT_BEHIND_MS);
    const killAt = (): MonotonicMs => {
      const byLock = stopTimes(this.#deadline, ttlMs).killAt;
      return byLock < patienceEndsAt ? byLock : patienceEndsAt;
    };
    return endProcesses(this.#processes, clock, {
      term: true,
      killAt,
      goOn: (pids) => this.#waitForLeftovers(pids, patienceEndsAt),
    });
  }

  #waitForLeftovers(pids: readonly number[], patienceEndsAt: MonotonicMs): boolean {
    const { clock, tell } = this.#options;
    if (!this.#toldOfLeftovers && clock.monotonicMs() > later(patienceEndsAt, DYING_MS)) {
      this.#toldOfLeftovers = true;
      tell(
        `The command has ended, but not all that it started, and this user may not end it: ${pids.join(", ")}. The name stays held.`,
      );
    }
    return this.#claim.held;
  }

  async #giveUp(): Promise<void> {
    // It may be the holder's still, but it has acted as one who lost it: that is no ordinary release.
    if (this.#lateness !== undefined)
      this.#claim.lost({ reason: "expired", detail: `${this.#lateness}; its command was ended` });
    try {
      await this.#claim.release();
    } catch (error) {
      this.#options.tell(`The name was not released, and ends by its TTL or with this process: ${messageOf(error)}`);
    }
    this.#guardian.done();
  }
}

function exitStatus({ code, signal }: CommandEnd): number {
  return signal === null ? (code ?? 0) : signalStatus(signal);
}

function laterOf(a: MonotonicMs, b: MonotonicMs): MonotonicMs {
  return a > b ? a : b;
}
