/**
 * The guardian of one `namehold run`: a process of its own, in its own session, that ends the command when `run` cannot:
 * because it was killed (the pipe ends) or stopped (no sign of life before the renew deadline). It holds the presence
 * descriptor too, so that the name's holder is not proved dead while the command is being ended.
 *
 * It is started by guardian-link.ts and outlives every signal that a terminal or a service manager sends to all.
 */
import { writeSync } from "node:fs";
import { FAILURES } from "../core/errors.js";
import { quoteName } from "../core/name.js";
import { later, type MonotonicMs } from "../core/timing.js";
import { systemClock } from "../platform/clock.js";
import { guardPresence } from "../platform/presence-guard.js";
import { tellInJson, tellWithoutWaiting } from "./output.js";
import { type CommandMembers, membersToGuard, processRef } from "./run/command-members.js";
import { DueWatch } from "./run/due-watch.js";
import { endProcesses } from "./run/end-processes.js";
import { eachLine, type FromGuardian, PRESENCE_FD, type ToGuardian } from "./run/guardian-protocol.js";
import { stopTimes, tickMs } from "./run/stop-times.js";

type Guard = ToGuardian & { readonly kind: "guard" };

/** What the command of a killed `run` has between SIGTERM and SIGKILL, when its name is held for so long. */
const NOTICE_MS = 2_000;
/** After this time beyond the hold, what cannot be killed never will be. */
const GIVE_UP_MS = 60_000;

class Guardian {
  readonly #guard: Guard;
  readonly #processes: CommandMembers;
  readonly #watch: DueWatch;
  #deadline: MonotonicMs;
  #killAt: MonotonicMs | undefined;
  #isEnding = false;

  constructor(guard: Guard) {
    this.#guard = guard;
    this.#deadline = guard.deadline;
    const presenceFd = process.argv.includes("--presence") ? PRESENCE_FD : undefined;
    if (presenceFd !== undefined) guardPresence(presenceFd);
    this.#processes = membersToGuard({ mark: guard.mark, presenceFd }, guard.run);
    this.#processes.spare(guard.run);
    const tick = tickMs(guard.ttlMs);
    // One tick later than `run` itself would act, which can say why.
    this.#watch = new DueWatch(
      systemClock,
      tick,
      () => later(this.#dueAt(), tick),
      () => void this.#end("silent"),
    );
  }

  hear(message: ToGuardian): void {
    switch (message.kind) {
      case "guard":
        return;
      case "command":
        for (const bystander of message.bystanders) this.#processes.spare(bystander);
        this.#processes.lead(message.leader);
        return;
      case "alive":
        this.#deadline = message.deadline;
        this.#remember();
        return;
      case "ending":
        this.#killAt = message.killAt;
        return;
      case "done":
        process.exit(0);
        break;
      default:
        message satisfies never;
    }
  }

  runIsGone(): void {
    void this.#end("gone");
  }

  #dueAt(): MonotonicMs {
    return this.#killAt ?? stopTimes(this.#deadline, this.#guard.ttlMs).termAt;
  }

  async #end(why: "silent" | "gone"): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#watch[Symbol.dispose]();
    const { killAt } = stopTimes(this.#deadline, this.#guard.ttlMs);
    const now = systemClock.monotonicMs();
    const endAt = this.#killAt ?? (why === "gone" ? earlier(killAt, later(now, NOTICE_MS)) : killAt);
    const isAnyLeft = this.#processes.mayLive();
    // First the deed, then the word: who reads it may be slow.
    const ended = endProcesses(this.#processes, systemClock, {
      term: this.#killAt === undefined,
      killAt: () => endAt,
      goOn: () => systemClock.monotonicMs() < later(this.#deadline, GIVE_UP_MS),
    });
    if (isAnyLeft) this.#tell(why);
    if (why === "silent") this.#wakeRun();
    await ended;
    process.exit(why === "gone" ? 0 : FAILURES.lost.exitStatus);
  }

  /**
   * A `run` that was stopped in the middle of a write keeps the registry's file lock, and the whole lab waits for it. It
   * has nothing left to do but to finish that, and to tell of the loss.
   */
  #wakeRun(): void {
    const { pid, startTicks } = this.#guard.run;
    if (processRef(pid).startTicks !== startTicks) return;
    try {
      process.kill(pid, "SIGCONT");
    } catch {
      // It has just ended.
    }
  }

  #remember(): void {
    try {
      this.#processes.remember();
    } catch {
      // The table of processes cannot be read just now. The next sign of life is another occasion.
    }
  }

  #tell(why: "silent" | "gone"): void {
    answer("ending");
    const run = `namehold run (PID ${this.#guard.run.pid})`;
    const what = why === "gone" ? `${run} was killed` : `${run} gave no sign of life in time`;
    tellWithoutWaiting(`${what}: ending the command that holds ${quoteName(this.#guard.name)}.`);
  }
}

function earlier(a: MonotonicMs, b: MonotonicMs): MonotonicMs {
  return a < b ? a : b;
}

/** A word or two in the guardian's life: the pipe has room for them, whether `run` reads or not. */
function answer(word: FromGuardian): void {
  try {
    writeSync(1, `${word}\n`);
  } catch {
    // `run` is gone. The guardian has its work to do all the same.
  }
}

function main(): void {
  if (process.argv.includes("--json")) tellInJson();
  for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGTSTP"] as const) {
    process.on(signal, () => {});
  }
  let guardian: Guardian | undefined;
  const hear = eachLine((line) => {
    const message = JSON.parse(line) as ToGuardian;
    if (message.kind === "guard") {
      guardian = new Guardian(message);
      answer("ready");
    }
    guardian?.hear(message);
  });
  process.stdin.setEncoding("utf8").on("data", hear);
  // An error of the pipe says the same as its end.
  process.stdin.on("error", () => guardian?.runIsGone());
  process.stdin.on("end", () => (guardian === undefined ? process.exit(0) : guardian.runIsGone()));
}

main();
