import { RegistryError } from "../../core/errors.js";
import { type Clock, later, type MonotonicMs } from "../../core/timing.js";
import { FileLock } from "../../platform/file-lock.js";
import { LockFile } from "../../platform/lock-file.js";

/** A process that is stopped while it has the gate must not stop the others for longer. */
const GATE_PATIENCE_MS = 250;
const RETRY_MS_MIN = 0.5;
const RETRY_MS_MAX = 8;
const GAP_MS_MAX = 25;
/** So many turns may follow each other closely before a gap is due for them together. */
const BURST_TURNS = 8;

/**
 * Turns at the registry file, exclusive among all processes, Python's included.
 *
 * Python asks for the file lock every 50 ms and gives up after 5 s, so the lock must be free for a good part of the
 * time however many of our processes want it. They first pass a gate of their own, and who had a turn under contention
 * keeps the gate shut for as long again after it has let the file lock go.
 *
 * @see docs/adr/0001-file-lock.md
 */
export class FileTurn {
  readonly #path: string;
  readonly #lock: FileLock;
  readonly #gate: LockFile;
  readonly #clock: Clock;
  #closeTurns = 0;
  #closeTurnsMs = 0;
  #freeAt: MonotonicMs;

  /** @param gatePath a lock file of namehold's own, in a directory that exists when a turn is taken */
  constructor(path: string, gatePath: string, clock: Clock) {
    this.#path = path;
    this.#lock = new FileLock(path);
    this.#gate = new LockFile(gatePath);
    this.#clock = clock;
    this.#freeAt = clock.monotonicMs();
  }

  /**
   * Runs `work` with the file lock held. `work` must be short: the whole machine waits for it.
   *
   * @throws RegistryError `busy` when the turn does not come in time
   */
  async take<T>(timeoutMs: number, work: () => T): Promise<T> {
    const start = this.#clock.monotonicMs();
    const deadline = later(start, timeoutMs);
    await this.#sleep(this.#freeAt - start);
    const patienceEnds = later(this.#clock.monotonicMs(), Math.min(GATE_PATIENCE_MS, timeoutMs));
    const gateAtOnce = this.#gate.tryLock();
    const hasGate = gateAtOnce || (await this.#retry(patienceEnds, () => this.#gate.tryLock()));
    try {
      const lockAtOnce = this.#lock.tryAcquire();
      if (!lockAtOnce && !(await this.#retry(deadline, () => this.#lock.tryAcquire()))) throw this.#busy(timeoutMs);
      return this.#run(work, !(gateAtOnce && lockAtOnce));
    } finally {
      if (hasGate) this.#openGateLater();
    }
  }

  /** As `take`, without giving the event loop a turn: for the end of the process. @returns undefined when busy */
  takeNow<T>(timeoutMs: number, work: () => T): T | undefined {
    const deadline = later(this.#clock.monotonicMs(), timeoutMs);
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#lock.tryAcquire()) {
      if (this.#clock.monotonicMs() >= deadline) return undefined;
      Atomics.wait(cell, 0, 0, 1);
    }
    return this.#run(work, false);
  }

  /** Whether the file lock still excludes everybody: to be asked just before the rename. */
  isStillOurs(): boolean {
    return this.#lock.isStillOurs();
  }

  close(): void {
    this.#lock.close();
    this.#gate.close();
  }

  #run<T>(work: () => T, contended: boolean): T {
    const from = this.#clock.monotonicMs();
    try {
      return work();
    } finally {
      this.#lock.release();
      this.#planGap(from, contended);
    }
  }

  #planGap(from: MonotonicMs, contended: boolean): void {
    const now = this.#clock.monotonicMs();
    const heldMs = now - from;
    const followsClosely = from - this.#freeAt <= heldMs;
    this.#closeTurns = followsClosely ? this.#closeTurns + 1 : 1;
    this.#closeTurnsMs = followsClosely ? this.#closeTurnsMs + heldMs : heldMs;
    const gapDue = contended || this.#closeTurns >= BURST_TURNS;
    const gapMs = gapDue ? Math.min(GAP_MS_MAX, Math.max(1, contended ? heldMs : this.#closeTurnsMs)) : 0;
    if (gapDue) this.#closeTurns = 0;
    this.#freeAt = later(now, gapMs);
  }

  #openGateLater(): void {
    const gapMs = this.#freeAt - this.#clock.monotonicMs();
    if (gapMs <= 0) this.#gate.unlock();
    else this.#clock.setTimer(gapMs, () => this.#gate.unlock(), { background: true });
  }

  /** Tries again and again, ever more slowly. @returns whether it came about before the deadline */
  async #retry(deadline: MonotonicMs, attempt: () => boolean): Promise<boolean> {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      const leftMs = deadline - this.#clock.monotonicMs();
      if (leftMs <= 0) return false;
      await this.#sleep(Math.min(delayMs, leftMs));
      if (attempt()) return true;
    }
  }

  async #sleep(ms: number): Promise<void> {
    if (ms > 0) await new Promise<void>((resolve) => this.#clock.setTimer(ms, resolve));
  }

  #busy(timeoutMs: number): RegistryError {
    return new RegistryError(
      "busy",
      `The registry ${this.#path} is busy: another process has kept its file lock (${this.#path}.lock) for ${timeoutMs} ms. Try again; if it stays so, find that process and end it.`,
    );
  }
}
