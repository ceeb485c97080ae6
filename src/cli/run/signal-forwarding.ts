import { constants } from "node:os";
import type { Clock, MonotonicMs } from "../../core/timing.js";
import type { CommandMembers } from "./command-members.js";

/** A terminal, npx and a shell may each send the same one: within this time they are one. */
const SAME_MS = 250;

/** These ask for the end. They go to the command's process group, as a terminal sends them. SIGBREAK is Windows' Ctrl-Break. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"] as const;
/** These mean what the command says they mean, so that it alone gets them. */
const PRIVATE = ["SIGUSR1", "SIGUSR2"] as const;
const GROUP_WIDE = ["SIGWINCH", "SIGCONT"] as const;

/** The exit status by which a shell tells that a command was ended by a signal. */
export function signalStatus(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

/**
 * What happens to the signals that `run` gets: before there is a command, the first that asks for the end cancels;
 * from then on they are the command's.
 */
export class SignalForwarding implements Disposable {
  readonly #clock: Clock;
  readonly #onPaused: () => void;
  readonly #cancelled = new AbortController();
  readonly #lastAt = new Map<NodeJS.Signals, MonotonicMs>();
  readonly #handlers: ReadonlyMap<NodeJS.Signals, () => void>;
  #processes: CommandMembers | undefined;
  #isPaused = false;
  #first: NodeJS.Signals | undefined;

  constructor(clock: Clock, onPaused: () => void) {
    this.#clock = clock;
    this.#onPaused = onPaused;
    this.#handlers = new Map<NodeJS.Signals, () => void>([
      ...each(ENDING, (signal) => this.#end(signal)),
      ...each(PRIVATE, (signal) => this.#processes?.signalLeader(signal)),
      ...each(GROUP_WIDE, (signal) => this.#pass(signal)),
      ["SIGTSTP", () => this.#pause()],
    ]);
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  /** Aborts when a signal asks for the end before there is a command to get it. */
  get cancelled(): AbortSignal {
    return this.#cancelled.signal;
  }

  /** The signal that cancelled. */
  get cancelledBy(): NodeJS.Signals | undefined {
    return this.#first;
  }

  /** From now on. A signal that cancelled too late is the first to be forwarded. */
  forwardTo(processes: CommandMembers): void {
    this.#processes = processes;
    if (this.#first !== undefined) processes.signalMissed(this.#first);
  }

  [Symbol.dispose](): void {
    for (const [signal, handler] of this.#handlers) process.removeListener(signal, handler);
  }

  #end(signal: NodeJS.Signals): void {
    const now = this.#clock.monotonicMs();
    const lastAt = this.#lastAt.get(signal);
    this.#lastAt.set(signal, now);
    if (lastAt !== undefined && now - lastAt < SAME_MS) return;
    if (this.#processes === undefined) {
      this.#first ??= signal;
      this.#cancelled.abort();
      return;
    }
    this.#processes.signalGroup(signal);
    // A paused command would act on it only when it goes on.
    if (this.#isPaused) this.#pass("SIGCONT");
  }

  #pass(signal: NodeJS.Signals): void {
    if (signal === "SIGCONT") this.#isPaused = false;
    this.#processes?.signalGroup(signal);
  }

  /**
   * The command pauses; `run` does not, since a paused holder loses its name. Not SIGTSTP: the kernel ignores that in
   * a session without a terminal of its own.
   */
  #pause(): void {
    if (this.#processes === undefined || this.#isPaused) return;
    this.#isPaused = true;
    this.#processes.signalGroup("SIGSTOP");
    this.#onPaused();
  }
}

function each(signals: readonly NodeJS.Signals[], act: (signal: NodeJS.Signals) => void) {
  return signals.map((signal): [NodeJS.Signals, () => void] => [signal, () => act(signal)]);
}
