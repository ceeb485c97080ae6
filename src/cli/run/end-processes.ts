import type { Clock, MonotonicMs } from "../../core/timing.js";
import type { CommandMembers } from "./command-members.js";

export interface EndOptions {
  /** Whether SIGTERM is sent first. */
  readonly term: boolean;
  /** From when on SIGKILL is sent. Asked again at every look. */
  readonly killAt: () => MonotonicMs;
  /** Asked when SIGKILL has been sent and processes are left, which this user may not signal or the kernel cannot end. */
  readonly goOn: (pids: readonly number[]) => boolean;
}

const LOOK_MS_MIN = 10;
const LOOK_MS_MAX = 500;
/** Looking costs: at most this part of the time is spent on it. */
const LOOK_PER_SLEEP = 1 / 4;

/**
 * Ends all processes of the command: SIGTERM, then, for what is left at `killAt`, SIGKILL until nothing is.
 *
 * @returns whether all are gone
 */
export async function endProcesses(processes: CommandMembers, clock: Clock, options: EndOptions): Promise<boolean> {
  if (options.term) {
    trySignal(processes, "SIGTERM");
    // A stopped process acts on the first signal only when it goes on.
    trySignal(processes, "SIGCONT");
  }
  let killed = false;
  let sleepMs = LOOK_MS_MIN;
  for (;;) {
    const lookedAt = clock.monotonicMs();
    const left = look(processes);
    if (left?.length === 0) return true;
    if (killed && !options.goOn(left ?? [])) return false;
    if (clock.monotonicMs() >= options.killAt()) {
      if (!killed) sleepMs = LOOK_MS_MIN;
      killed = true;
      trySignal(processes, "SIGKILL");
    }
    const now = clock.monotonicMs();
    sleepMs = Math.min(LOOK_MS_MAX, Math.max(sleepMs * 1.2, (now - lookedAt) / LOOK_PER_SLEEP));
    const untilKillMs = killed ? LOOK_MS_MAX : Math.max(1, options.killAt() - now);
    await sleep(clock, Math.min(sleepMs, untilKillMs));
  }
}

/** @returns undefined when the table of processes cannot be read just now (no descriptor, no memory): look again */
function look(processes: CommandMembers): readonly number[] | undefined {
  try {
    return processes.living();
  } catch {
    return undefined;
  }
}

/** Whom it could not reach for want of a descriptor or of memory, the next look reaches. */
function trySignal(processes: CommandMembers, signal: NodeJS.Signals): void {
  try {
    processes.signalAll(signal);
  } catch {
    // Not to signal all must not keep us from going on to SIGKILL.
  }
}

function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(ms, resolve);
  });
}
