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
import { backUp } from "./backup.js";
import { type ClockReading, noteClock, restartedNote } from "./clock-note.js";
import { assess, type Assessment, type Damaged, readCopy } from "./damage.js";
import { FileTurn } from "./file-turn.js";
import { Sidecar } from "./sidecar.js";

/** What the files said at one moment. */
export interface View {
  readonly document: RegistryDocument;
  readonly sidecar: Sidecar;
  readonly reading: ClockReading;
  /** Whether the file system is this machine's own, so that all who use the file share its clocks. */
  readonly isLocal: boolean;
}

/** A view that may be changed during a turn. What is changed is written when the turn ends. */
export interface Work extends View {
  /** An entry was made, removed, renamed, or has another ID: on the disk before anybody is told. */
  identityChanged: boolean;
  /** An ID that was known goes away or changes: a backup is kept. */
  keepBackup: string | null;
  /** A token was minted: it must outlive a power loss. */
  tokenMinted: boolean;
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
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #turn: FileTurn;
  readonly #file = new Cached<Assessment>();
  readonly #copy = new Cached<RegistryDocument | null>();
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #viewing: Promise<View> | undefined;
  #isChecked = false;

  constructor(path: string, clock: Clock, timeoutMs: number) {
    this.path = path;
    this.holdersDirectory = holdersDirectoryOf(path);
    this.sidecarPath = join(this.holdersDirectory, "state.json");
    this.copyPath = join(this.holdersDirectory, "last-good.json");
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
    if (assessment.kind === "sound") return this.#viewOf(assessment.document);
    try {
      return await this.inTurn((work) => ({ ...work }));
    } catch (error) {
      if (!isNameholdError(error, "read-only", "busy", "not-found", "storage-failed")) throw error;
      const again = this.#assess();
      return again.kind === "sound" ? this.#viewOf(again.document) : this.#damagedView(again);
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
      replaceFile(this.copyPath, assessment.document.toString(), { durable: true });
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
        // Without a turn, those who wait for it fail; who comes later tries anew.
        const failed = jobs.length > 0 ? jobs : this.#queue.splice(0);
        for (const job of failed) job.fail(error);
      }
    }
  }

  /** @returns what tells each job how it ended; a job that threw has failed alone */
  #runJobs(jobs: readonly Job[]): () => void {
    const work = this.#begin();
    const failures = new Map<Job, unknown>();
    for (const job of jobs) {
      try {
        job.run(work);
      } catch (error) {
        failures.set(job, error);
      }
    }
    this.#finish(work);
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
    const sidecar = this.#readSidecar();
    sidecar.clock = noteClock(sidecar.clock, reading);
    const shared = { sidecar, reading, isLocal: this.isLocal() };
    const changes = { identityChanged: false, keepBackup: null, tokenMinted: false, afterWrite: [] };
    if (assessment.kind === "sound") return { ...shared, ...changes, document: assessment.document.clone() };
    if (!assessment.hasCopy) throw irrecoverable(this.path, assessment.what);
    this.#noteDamage(sidecar, assessment);
    // Locks that the damage has swallowed may be alive: nothing that was written before is judged by the wall clock.
    sidecar.clock = restartedNote(reading);
    return { ...shared, ...changes, identityChanged: true, document: assessment.document.clone() };
  }

  /**
   * Writes what the work has changed: first what may be there in vain (the sidecar: a token more), then the registry.
   *
   * @throws TurnLost when the lock file was taken from under us before the rename: nothing was changed
   */
  #finish(work: Work): void {
    const before = this.#file.text();
    const isChanged = before === undefined ? work.identityChanged : work.document.toString() !== before;
    if (isChanged) work.document.setUpdatedAt(work.reading.wall);
    if (work.keepBackup !== null && before !== undefined) backUp(this.holdersDirectory, before, work.keepBackup, work.reading.wall);
    const sidecarBefore = this.#writeSidecar(work);
    try {
      this.#refreshCopy(work.document, () => {
        if (isChanged) this.#writeDocument(work);
      });
    } catch (error) {
      if (sidecarBefore !== undefined) replaceFile(this.sidecarPath, sidecarBefore, { durable: false });
      throw error;
    }
    for (const act of work.afterWrite) act();
  }

  #writeDocument({ document, identityChanged }: Work): void {
    const bytes = Buffer.from(document.toString(), "utf8");
    replaceFile(this.path, bytes, { durable: true, beforeRename: () => this.#checkTurn() });
    if (identityChanged) syncDirectory(dirname(resolveLinks(this.path)));
    this.#file.keep(bytes, { kind: "sound", document });
  }

  /**
   * The copy follows all but the times of heartbeats. It is written before `writeDocument` is called and takes its place
   * after it, so that a disk that fills up in between leaves both as they were.
   */
  #refreshCopy(document: RegistryDocument, writeDocument: () => void): void {
    const copy = this.#copy.value(readFileOrAbsent(this.copyPath), readCopy);
    const isDue = copy === null ? document.size > 0 : !isSameButTimes(document, copy);
    if (!isDue) return writeDocument();
    const bytes = Buffer.from(document.toString(), "utf8");
    replaceFile(this.copyPath, bytes, { durable: true, beforeRename: writeDocument });
    this.#copy.keep(bytes, document);
  }

  /** @returns the sidecar's text before, when it was changed */
  #writeSidecar(work: Work): string | undefined {
    const before = readFileOrAbsent(this.sidecarPath)?.toString("utf8") ?? "";
    const after = work.sidecar.toText(bootId());
    if (before === after) return undefined;
    replaceFile(this.sidecarPath, after, { durable: work.tokenMinted || work.sidecar.damage !== null });
    return before;
  }

  #assess(): Assessment {
    const file = readFileOrAbsent(this.path);
    const known = this.#file.peek(file);
    if (file !== undefined && known?.kind === "sound") return known;
    // A missing file and damage are assessed anew each time: they depend on the copy as well.
    const assessment = assess(file, this.#copy.value(readFileOrAbsent(this.copyPath), readCopy), this.#clock.wallMs());
    this.#file.keep(file, assessment);
    return assessment;
  }

  #viewOf(document: RegistryDocument): View {
    return { document, sidecar: this.#readSidecar(), reading: this.#reading(), isLocal: this.isLocal() };
  }

  #damagedView(assessment: Damaged): View {
    if (!assessment.hasCopy) throw irrecoverable(this.path, assessment.what);
    const view = this.#viewOf(assessment.document);
    const { what, conflicts } = assessment;
    view.sidecar.damage ??= { what, conflicts, evidencePath: null };
    view.sidecar.clock = null;
    return view;
  }

  #noteDamage(sidecar: Sidecar, { what, conflicts }: Damaged): void {
    const bytes = readFileOrAbsent(this.path);
    let evidencePath: string | null = null;
    if (bytes !== undefined) {
      evidencePath = join(this.holdersDirectory, `damaged-${new Date(this.#clock.wallMs()).toISOString().replaceAll(":", "")}.json`);
      replaceFile(evidencePath, bytes, { durable: true });
    }
    sidecar.damage = {
      what,
      conflicts: [...new Set([...(sidecar.damage?.conflicts ?? []), ...conflicts])],
      evidencePath: evidencePath ?? sidecar.damage?.evidencePath ?? null,
    };
  }

  #readSidecar(): Sidecar {
    return Sidecar.parse(readFileOrAbsent(this.sidecarPath)?.toString("utf8") ?? "", bootId());
  }

  #reading(): ClockReading {
    return { bootId: bootId(), wall: wallMs(this.#clock.wallMs()), monotonic: this.#clock.monotonicMs() };
  }

  #checkTurn(): void {
    if (!this.#turn.isStillOurs()) throw new TurnLost();
  }

  /** @throws RegistryError `read-only` for a file that is a mount of its own */
  #prepare(): void {
    if (this.#isChecked) return;
    if (isMountPoint(this.path)) {
      throw new RegistryError(
        "read-only",
        `${this.path} is a mount of its own: the lock file beside it excludes nobody outside. Mount the directory ${dirname(this.path)} instead.`,
      );
    }
    makePath(dirname(this.path));
    makeDirectory(this.holdersDirectory);
    this.#isChecked = true;
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

function irrecoverable(path: string, what: string): NameholdError {
  return new RegistryError(
    "damaged",
    `The registry ${path} is damaged (${what}), and there is no last good copy beside it. Restore a backup, or run 'namehold recover' to go on with what can be read.`,
  );
}
