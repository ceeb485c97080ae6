import type { Clock, Timer } from "../../core/timing.js";
import { host } from "../../platform/host.js";

/** Many may end at once. */
const LATER_MS = 100;

/**
 * Lets go of processes that this one has not started and that have ended as its children: orphans of the command, and
 * as the first process of a container all orphans. Node waits for its own children alone; the others would stay in the
 * table of processes until that is full.
 */
export class OrphanBurial implements Disposable {
  readonly #clock: Clock;
  readonly #own = new Set<number>();
  #timer: Timer | undefined;
  readonly #onChildEnded = (): void => {
    this.#timer ??= this.#clock.setTimer(LATER_MS, () => this.#bury(), { background: true });
  };

  constructor(clock: Clock) {
    this.#clock = clock;
    process.on("SIGCHLD", this.#onChildEnded);
  }

  /** A child that Node waits for. To be told in the very step that has started it. */
  spare(pid: number): void {
    this.#own.add(pid);
  }

  [Symbol.dispose](): void {
    process.removeListener("SIGCHLD", this.#onChildEnded);
    this.#timer?.cancel();
  }

  #bury(): void {
    this.#timer = undefined;
    const { processes } = host();
    if (processes.kind === "table") processes.table.orphans?.bury((pid) => this.#own.has(pid));
  }
}
