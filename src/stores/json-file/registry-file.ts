/**
 * The registry file and what stands beside it: read without a lock, changed in turns. All that is wanted in one process
 * at about the same time shares one lock-read-write turn.
 */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { isNameholdError, NameholdError, RegistryError } from "../../core/errors.js";
import { editEntry } from "../../core/text/entry-text.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import { type Clock, wallMs } from "../../core/timing.js";
import { readFileOrAbsent, replaceFile, syncDirectory } from "../../platform/atomic-file.js";
import { bootId } from "../../platform/clock.js";
import { makeDirectory, makePath } from "../../platform/directory.js";
import { isLocalFileSystem } from "../../platform/file-system.js";
import { isMountPoint } from "../../platform/mounts.js";
import { holdersDirectoryOf } from "../../platform/presence-path.js";
import { resolveLinks } from "../../platform/real-path.js";
import { backUp, keepEvidence } from "./backup.js";
import { type ClockReading, noteClock, restartedNote } from "./clock-note.js";
import { assess, type Assessment, type Copy, type Damaged, readCopy } from "./damage.js";
import { FileTurn } from "./file-turn.js";
import { holdBack } from "./hold-back.js";
import { Sidecar } from "./sidecar.js";
import { reservedTokens, reserveTokens } from "./token-ceiling.js";

/** What the files said at one moment. */
export interface View {
  readonly document: RegistryDocument;
  readonly sidecar: Sidecar;
  readonly reading: ClockReading;
  /** Whether the file system is this machine's own, so that all who use the file share its clocks. */
  readonly isLocal: boolean;
  /** Why a name that is not there cannot be said not to exist; null mostly. */
  readonly obstacle: NameholdError | null;
}

/** A view that may be changed during a turn. What is changed is written when the turn ends. */
export interface Work extends View {
  /** An entry was made, removed, renamed, or has another ID: on the disk before anybody is told. */
  identityChanged: boolean;
  /** An ID that was known goes away or changes: a backup is kept. */
  keepBackup: string | null;
  /** Called when all is written, still under the lock. */
  readonly afterWrite: (() => void)[];
}

interface Job {
  readonly run: (work: Work) => void;
  readonly fail: (error: unknown) => void;
  readonly done: () => void;
}

export class RegistryFile {
  /** The path as given, absolute: Python locks it under this spelling or under the real one. */
  readonly path: string;
  /** `PATH.holders`, for all that the format has no room for. */
  readonly holdersDirectory: string;
  readonly sidecarPath: string;
  readonly copyPath: string;
  readonly #ceilingPath: string;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #turn: FileTurn;
  readonly #file = new Cached<Assessment>();
  readonly #copy = new Cached<Copy>();
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #viewing: Promise<View> | undefined;
  #isChecked = false;

  constructor(path: string, clock: Clock, timeoutMs: number) {
    this.path = path;
    this.holdersDirectory = holdersDirectoryOf(path);
    this.sidecarPath = join(this.holdersDirectory, "state.json");
    this.copyPath = join(this.holdersDirectory, "last-good.json");
    this.#ceilingPath = join(this.holdersDirectory, "token-ceiling");
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#turn = new FileTurn(path, join(this.holdersDirectory, "gate"), clock);
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
    const assessment = this.#assess();
    const isSound = assessment.kind === "sound";
    if (isSound && this.#isCopied(assessment.document)) return this.#viewOf(assessment.document);
    try {
      // Damage is gone on from; what the copy lacks goes into it before anybody is told of it.
      return await this.inTurn((work) => ({ ...work }));
    } catch (error) {
      if (!isNameholdError(error, "read-only", "busy", "unreachable", "storage-failed")) throw error;
      const again = this.#assess();
      return again.kind === "sound" ? this.#viewOf(again.document) : this.#damagedView(again, error);
    }
  }

  /**
   * Runs `job` in a turn of this process, and resolves when what it changed is written. It may run more than once, and
   * must change nothing when it throws.
   *
   * @throws RegistryError `busy`, `damaged`, `read-only`, `storage-failed`
   */
  inTurn<T>(job: (work: Work) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let result: T;
      this.#queue.push({
        run: (work) => {
          result = job(work);
        },
        fail: reject,
        done: () => resolve(result),
      });
      this.#running ??= this.#runQueue().finally(() => {
        this.#running = undefined;
      });
    });
  }

  /** As `inTurn`, at once and within a bounded time; does nothing when the file is busy. */
  inTurnNow(job: (work: Work) => void, timeoutMs: number): void {
    this.#prepare();
    this.#turn.takeNow(timeoutMs, () => {
      const work = this.#begin();
      job(work);
      this.#finish(work);
    });
  }

  /** The damage that is in the file now, not yet gone on from; undefined when it is sound. */
  damage(): Damaged | undefined {
    const assessment = this.#assess();
    return assessment.kind === "damaged" ? assessment : undefined;
  }

  /** Where there is no last good copy: makes what can be read of the damaged file one. */
  async salvage(): Promise<void> {
    this.#prepare();
    await this.#turn.take(this.#timeoutMs, () => {
      const assessment = this.#assess();
      if (assessment.kind === "sound" || assessment.hasCopy) return;
      this.#replaceOwn(this.copyPath, assessment.document.toString(), true);
    });
  }

  /** Whether the files are on a file system of this machine's own, so that presences prove deaths. */
  isLocal(): boolean {
    const exists = statSync(this.holdersDirectory, { throwIfNoEntry: false }) !== undefined;
    return isLocalFileSystem(exists ? this.holdersDirectory : nearestDirectory(this.path));
  }

  /** Waits for what is queued, and lets go of the lock files. */
  async close(): Promise<void> {
    await this.#running;
    this.#turn.close();
  }

  async #runQueue(): Promise<void> {
    // Whatever else is wanted in this very moment comes along.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const waitingJobs = this.#queue.length;
      let jobs: readonly Job[] = [];
      try {
        this.#prepare();
        const settle = await this.#turn.take(this.#timeoutMs, () => {
          jobs = this.#queue.splice(0);
          return this.#runJobs(jobs);
        });
        settle();
      } catch (error) {
        if (error instanceof TurnLost) {
          this.#queue.unshift(...jobs);
          continue;
        }
        // Without a turn, those who have waited for it fail; who came meanwhile waits for the next.
        const failed = jobs.length > 0 ? jobs : this.#queue.splice(0, waitingJobs);
        for (const job of failed) job.fail(error);
      }
    }
  }

  /** @returns what tells each job how it ended; a job that threw has failed alone, and left no trace */
  #runJobs(jobs: readonly Job[]): () => void {
    const failures = new Map<Job, unknown>();
    for (let work = this.#begin(); ; work = this.#begin()) {
      const failuresBefore = failures.size;
      for (const job of jobs) {
        if (failures.has(job)) continue;
        try {
          job.run(work);
        } catch (error) {
          failures.set(job, error);
        }
      }
      // What a job that threw may have changed by then is dropped, and the others run anew.
      if (failures.size > failuresBefore) continue;
      if (failures.size < jobs.length) this.#finish(work);
      break;
    }
    return () => {
      for (const job of jobs) {
        if (failures.has(job)) job.fail(failures.get(job));
        else job.done();
      }
    };
  }

  #begin(): Work {
    const reading = this.#reading();
    const assessment = this.#assess();
    if (assessment.kind === "damaged" && !assessment.hasCopy) throw irrecoverable(this.path, assessment.what);
    const document = assessment.document.clone();
    const sidecar = this.#readSidecar();
    sidecar.clock = noteClock(sidecar.clock, reading);
    const work: Work = {
      document,
      sidecar,
      reading,
      isLocal: this.isLocal(),
      obstacle: null,
      identityChanged: false,
      keepBackup: null,
      afterWrite: [],
    };
    if (assessment.kind === "damaged") this.#goOn(work, assessment);
    return work;
  }

  /** Locks that the damage has swallowed may be alive: nothing that was written before is judged by the wall clock. */
  #goOn(work: Work, damaged: Damaged): void {
    const { sidecar, reading } = work;
    const bytes = readFileOrAbsent(this.path);
    sidecar.damage = {
      what: damaged.what,
      conflicts: [...new Set([...(sidecar.damage?.conflicts ?? []), ...damaged.conflicts])],
      evidencePath: bytes === undefined ? (sidecar.damage?.evidencePath ?? null) : keepEvidence(this.holdersDirectory, bytes, reading.wall),
    };
    sidecar.clock = restartedNote(reading);
    holdBack(work, damaged.unread, this.holdersDirectory);
    work.identityChanged = true;
  }

  /**
   * Writes what the work has changed: first what may be there in vain (the sidecar: a token more), then the registry.
   *
   * @throws TurnLost when the lock file was taken from under us before the rename: the registry was not changed
   * @throws RegistryError `outcome-unknown` when something failed after the registry was written
   */
  #finish(work: Work): void {
    const before = this.#file.text();
    const isChanged = before === undefined ? work.identityChanged : work.document.toString() !== before;
    if (isChanged) work.document.setUpdatedAt(work.reading.wall);
    if (work.keepBackup !== null && before !== undefined) backUp(this.holdersDirectory, before, work.keepBackup, work.reading.wall);
    reserveTokens(this.#ceilingPath, work.sidecar.lastToken);
    const sidecarBefore = this.#writeSidecar(work.sidecar);
    let isWritten = !isChanged;
    try {
      this.#refreshCopy(work.document, () => {
        if (isChanged) this.#writeDocument(work.document);
        isWritten = true;
      });
      if (isChanged && work.identityChanged) syncDirectory(dirname(resolveLinks(this.path)));
      for (const act of work.afterWrite) act();
    } catch (error) {
      if (isChanged && isWritten) throw outcomeUnknown(this.path, error);
      if (sidecarBefore !== undefined && this.#turn.isStillOurs()) this.#replaceOwn(this.sidecarPath, sidecarBefore, false);
      throw error;
    }
  }

  #writeDocument(document: RegistryDocument): void {
    const bytes = Buffer.from(document.toString(), "utf8");
    replaceFile(this.path, bytes, { durable: true, beforeRename: () => this.#checkTurn() });
    this.#file.keep(bytes, { kind: "sound", document });
  }

  /**
   * The copy follows all but the times of heartbeats. It is written before `writeDocument` is called and takes its place
   * after it, so that a disk that fills up in between leaves both as they were.
   */
  #refreshCopy(document: RegistryDocument, writeDocument: () => void): void {
    if (this.#isCopied(document)) return writeDocument();
    const bytes = Buffer.from(document.toString(), "utf8");
    replaceFile(this.copyPath, bytes, { durable: true, keepLink: false, beforeRename: writeDocument });
    this.#copy.keep(bytes, { kind: "good", document });
  }

  #isCopied(document: RegistryDocument): boolean {
    const copy = this.#readCopy();
    return copy.kind === "good" ? isSameButTimes(document, copy.document) : document.size === 0;
  }

  /** @returns the sidecar's text before, when it was changed */
  #writeSidecar(sidecar: Sidecar): string | undefined {
    const before = readFileOrAbsent(this.sidecarPath)?.toString("utf8") ?? "";
    const after = sidecar.toText(bootId());
    if (before === after) return undefined;
    this.#replaceOwn(this.sidecarPath, after, sidecar.damage !== null);
    return before;
  }

  #replaceOwn(path: string, text: string, durable: boolean): void {
    replaceFile(path, text, { durable, keepLink: false, beforeRename: () => this.#checkTurn() });
  }

  #assess(): Assessment {
    const file = readFileOrAbsent(this.path);
    const known = this.#file.peek(file);
    if (file !== undefined && known?.kind === "sound") return known;
    // A missing file and damage are assessed anew each time: they depend on the copy as well.
    const assessment = assess(file, this.#readCopy(), this.#clock.wallMs());
    this.#file.keep(file, assessment);
    return assessment;
  }

  #readCopy(): Copy {
    return this.#copy.value(readFileOrAbsent(this.copyPath), readCopy);
  }

  #viewOf(document: RegistryDocument): View {
    return { document, sidecar: this.#readSidecar(), reading: this.#reading(), isLocal: this.isLocal(), obstacle: null };
  }

  /** @param obstacle why the damage could not be looked at in a turn; it is the answer about names that are not there */
  #damagedView(damaged: Damaged, obstacle: NameholdError): View {
    if (!damaged.hasCopy) throw irrecoverable(this.path, damaged.what);
    const view = this.#viewOf(damaged.document);
    view.sidecar.damage ??= { what: damaged.what, conflicts: damaged.conflicts, evidencePath: null };
    view.sidecar.clock = null;
    return obstacle.code === "busy" ? { ...view, obstacle } : view;
  }

  #readSidecar(): Sidecar {
    const sidecar = Sidecar.parse(readFileOrAbsent(this.sidecarPath)?.toString("utf8") ?? "", bootId());
    if (!sidecar.isOfThisBoot) sidecar.lastToken = Math.max(sidecar.lastToken, reservedTokens(this.#ceilingPath));
    return sidecar;
  }

  #reading(): ClockReading {
    return { bootId: bootId(), wall: wallMs(this.#clock.wallMs()), monotonic: this.#clock.monotonicMs() };
  }

  #checkTurn(): void {
    if (!this.#turn.isStillOurs()) throw new TurnLost();
  }

  /** @throws RegistryError `read-only` for a file that is a mount of its own */
  #prepare(): void {
    if (!this.#isChecked && isMountPoint(this.path)) {
      throw new RegistryError(
        "read-only",
        `${this.path} is a mount of its own: the lock file beside it excludes nobody outside. Mount the directory ${dirname(this.path)} instead.`,
      );
    }
    this.#isChecked = true;
    // Each time: somebody may have cleaned up.
    makePath(dirname(resolveLinks(this.path)));
    makeDirectory(this.holdersDirectory);
  }
}

/** The lock file was deleted and made anew by another process while we had it. */
class TurnLost extends Error {}

/** What was made of a file's bytes, for as long as they are the same. */
class Cached<T> {
  #bytes: Buffer | undefined;
  #value: { readonly it: T } | undefined;

  /** @returns undefined when the bytes are others than those known */
  peek(bytes: Buffer | undefined): T | undefined {
    const isSame = this.#bytes === undefined || bytes === undefined ? this.#bytes === bytes : this.#bytes.equals(bytes);
    return isSame ? this.#value?.it : undefined;
  }

  keep(bytes: Buffer | undefined, it: T): void {
    this.#bytes = bytes;
    this.#value = { it };
  }

  value(bytes: Buffer | undefined, make: (bytes: Buffer | undefined) => T): T {
    const known = this.peek(bytes);
    if (known !== undefined) return known;
    const it = make(bytes);
    this.keep(bytes, it);
    return it;
  }

  text(): string | undefined {
    return this.#bytes?.toString("utf8");
  }
}

/** The directory in which the registry is, or will be made. */
function nearestDirectory(path: string): string {
  const parent = dirname(path);
  return parent === path || statSync(parent, { throwIfNoEntry: false }) !== undefined ? parent : nearestDirectory(parent);
}

const NO_TIME = wallMs(0);

function isSameButTimes(document: RegistryDocument, copy: RegistryDocument): boolean {
  if (document.size !== copy.size || document.createdAt !== copy.createdAt) return false;
  for (const name of document.names()) {
    const ours = document.entryText(name) ?? "";
    const theirs = copy.entryText(name);
    if (theirs === undefined || (ours !== theirs && withoutTimes(ours) !== withoutTimes(theirs))) return false;
  }
  return true;
}

function withoutTimes(entryText: string): string {
  const untouched = editEntry(entryText, { lastSeen: NO_TIME });
  try {
    return editEntry(untouched, { lockTimes: { heartbeatAt: NO_TIME, expiresAt: NO_TIME } });
  } catch (error) {
    if (!isNameholdError(error, "invalid-input")) throw error;
    return untouched;
  }
}

function outcomeUnknown(path: string, cause: unknown): NameholdError {
  return new RegistryError(
    "outcome-unknown",
    `The registry ${path} was written, but what belongs to it was not: ${String(cause)}. Look before you repeat it.`,
    { cause },
  );
}

function irrecoverable(path: string, what: string): NameholdError {
  return new RegistryError(
    "damaged",
    `The registry ${path} is damaged (${what}), and there is no last good copy beside it. Restore a backup, or run 'namehold recover' to go on with what can be read.`,
  );
}
