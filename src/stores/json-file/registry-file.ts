import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { isNameholdError } from "../../core/errors.js";
import { type Clock, later } from "../../core/timing.js";
import type { Damaged } from "./damage.js";
import { noRegistry } from "./file-faults.js";
import { FileTurn } from "./file-turn.js";
import { RegistryFiles, TurnLost } from "./registry-files.js";
import type { View, Work } from "./work.js";

/** Python writes in place: a file that stands alone is looked at for so long before it is called no registry. */
const SETTLE_MS = 200;
const SETTLE_RETRY_MS = 20;

/** What one turn may spend on what is wanted, before it writes: the whole machine waits for it, and this process's loop. */
const JOBS_MS_MAX = 50;

interface Job {
  readonly run: (work: Work) => void;
  /** Does the same by less, if it can; asked where nothing else is wanted in the turn. @returns whether it has done it */
  readonly shortcut: ((checkTurn: () => void) => boolean) | undefined;
  readonly fail: (error: unknown) => void;
  readonly done: () => void;
}

/**
 * The registry file, read without a lock, changed in turns. All that is wanted in one process at about the same time
 * shares one lock-read-write turn.
 */
export class RegistryFile {
  readonly files: RegistryFiles;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #turn: FileTurn;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #viewing: Promise<View> | undefined;

  constructor(path: string, clock: Clock, timeoutMs: number) {
    this.files = new RegistryFiles(path, clock);
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#turn = new FileTurn(path, join(this.files.holdersDirectory, "gate"), clock);
  }

  /**
   * The files as they are now, without a lock: a rename is atomic. What looks damaged is looked at in a turn. All who
   * ask in the same moment share one reading.
   */
  view(): Promise<View> {
    this.#viewing ??= Promise.resolve().then(() => {
      this.#viewing = undefined;
      return this.#view();
    });
    return this.#viewing;
  }

  async #view(): Promise<View> {
    await this.#refuseNoRegistry();
    const assessment = this.files.assess();
    const isSound = assessment.kind === "sound";
    if (isSound && this.files.isCopied(assessment.document)) return this.files.viewOf(assessment.document);
    try {
      // Damage is gone on from; an ID that the copy lacks goes into it before anybody is told of it.
      return await this.inTurn((work) => ({ ...work }));
    } catch (error) {
      if (!isNameholdError(error, "read-only", "busy", "unreachable", "storage-failed")) throw error;
      const again = this.files.assess();
      return again.kind === "sound" ? this.files.viewOf(again.document) : this.files.damagedView(again, error);
    }
  }

  /**
   * A damaged file where namehold was never at work may be any file: nothing is made beside it.
   *
   * @throws RegistryError `damaged`
   */
  async #refuseNoRegistry(): Promise<void> {
    if (this.files.isKnown()) return;
    const deadline = later(this.#clock.monotonicMs(), SETTLE_MS);
    for (let damage = this.damage(); damage !== undefined; damage = this.damage()) {
      if (this.#clock.monotonicMs() >= deadline) throw noRegistry(this.files.path, damage.what);
      await new Promise<void>((resolve) => this.#clock.setTimer(SETTLE_RETRY_MS, resolve));
    }
  }

  /**
   * Runs `job` in a turn of this process, and resolves when what it changed is written. It may run more than once, and
   * must change nothing when it throws.
   *
   * @param shortcut of a heartbeat, which comes before all that waits: does the same by less, where nothing else is
   *   wanted in the turn; undefined when it cannot
   * @throws RegistryError `busy`, `damaged`, `read-only`, `storage-failed`
   */
  inTurn<T>(job: (work: Work) => T, shortcut?: (checkTurn: () => void) => T | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let result: T;
      const wanted: Job = {
        run: (work) => {
          result = job(work);
        },
        shortcut:
          shortcut &&
          ((checkTurn) => {
            const found = shortcut(checkTurn);
            if (found !== undefined) result = found;
            return found !== undefined;
          }),
        fail: reject,
        done: () => resolve(result),
      };
      // A heartbeat has a deadline, and is little work.
      if (shortcut === undefined) this.#queue.push(wanted);
      else this.#queue.unshift(wanted);
      this.#running ??= this.#runQueue();
    });
  }

  /** As `inTurn`, at once and within a bounded time; does nothing when the file is busy. */
  inTurnNow(job: (work: Work) => void, timeoutMs: number): void {
    this.files.prepare();
    this.#turn.takeNow(timeoutMs, () => {
      const work = this.files.begin();
      job(work);
      this.files.finish(work, this.#checkTurn);
    });
  }

  /** The damage that is in the file now, not yet gone on from; undefined when it is sound. */
  damage(): Damaged | undefined {
    const assessment = this.files.assess();
    return assessment.kind === "damaged" ? assessment : undefined;
  }

  /** Where there is no last good copy: makes what can be read of the damaged file one. */
  async salvage(): Promise<void> {
    this.files.prepare();
    await this.#turn.take(this.#timeoutMs, () => this.files.salvage(this.#checkTurn));
  }

  /** Waits for what is queued, and lets go of the lock files. */
  async close(): Promise<void> {
    await this.#running;
    this.#turn.close();
  }

  readonly #checkTurn = (): void => {
    if (!this.#turn.isStillOurs()) throw new TurnLost();
  };

  async #runQueue(): Promise<void> {
    // Whatever else is wanted in this very moment comes along.
    await Promise.resolve();
    for (let turns = 0; this.#queue.length > 0; turns += 1) {
      // The other work of this process has its turns too.
      if (turns > 0) await setImmediate();
      const waiting = [...this.#queue];
      const jobs: Job[] = [];
      try {
        await this.#refuseNoRegistry();
        this.files.prepare();
        const settle = await this.#turn.take(this.#timeoutMs, () => this.#runJobs(jobs));
        settle();
      } catch (error) {
        if (error instanceof TurnLost) {
          this.#queue.unshift(...jobs);
          continue;
        }
        // Without a turn, those who have waited for it fail; who came meanwhile waits for the next.
        const failed = new Set(jobs.length > 0 ? jobs : waiting);
        this.#queue = this.#queue.filter((job) => !failed.has(job));
        for (const job of failed) job.fail(error);
      }
    }
    // In the same step in which the queue was seen empty: who comes later finds that he must run it.
    this.#running = undefined;
  }

  /**
   * Runs what is queued, as much of it as one turn may take; what threw has failed alone, and left no trace.
   *
   * @param jobs those that were taken from the queue
   * @returns what tells each job how it ended
   */
  #runJobs(jobs: Job[]): () => void {
    const endsAt = later(this.#clock.monotonicMs(), JOBS_MS_MAX);
    jobs.push(...this.#queue.splice(0, 1));
    const isAlone = this.#queue.length === 0;
    const [first] = jobs;
    if (isAlone && first?.shortcut?.(this.#checkTurn) === true) return first.done;
    const failures = new Map<Job, unknown>();
    for (let work = this.files.begin(); ; work = this.files.begin()) {
      const failuresBefore = failures.size;
      for (const job of jobs) {
        if (failures.has(job)) continue;
        try {
          job.run(work);
        } catch (error) {
          failures.set(job, error);
        }
        const isLast = job === jobs.at(-1);
        if (isLast && this.#clock.monotonicMs() < endsAt) jobs.push(...this.#queue.splice(0, 1));
      }
      // What a job that threw may have changed by then is dropped, and the others run anew.
      if (failures.size > failuresBefore) continue;
      if (jobs.length > 1) work.beat = null;
      if (failures.size < jobs.length) this.files.finish(work, this.#checkTurn);
      break;
    }
    return () => {
      for (const job of jobs) {
        if (failures.has(job)) job.fail(failures.get(job));
        else job.done();
      }
    };
  }
}
