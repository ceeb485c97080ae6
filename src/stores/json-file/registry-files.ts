import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type NameholdError, RegistryError } from "../../core/errors.js";
import type { RegistryDocument } from "../../core/text/registry-document.js";
import { RegistryDamage } from "../../core/text/registry-scan.js";
import { type Clock, type WallMs, wallMs } from "../../core/timing.js";
import { readFileOrAbsent, replaceFile, syncDirectory } from "../../platform/atomic-file.js";
import { bootId } from "../../platform/clock.js";
import { makeDirectory, makePath } from "../../platform/directory.js";
import { nearestDirectory, statsAt } from "../../platform/file-stats.js";
import { isLocalFileSystem } from "../../platform/file-system.js";
import { isMountPoint } from "../../platform/mounts.js";
import { holdersDirectoryOf } from "../../platform/presence-path.js";
import { resolveLinks } from "../../platform/real-path.js";
import { backUp, keepEvidence } from "../machine/backup.js";
import { reservedTokens, reserveTokens } from "../machine/token-ceiling.js";
import { Cached } from "./cached.js";
import { type ClockReading, noteClock, restartedNote } from "./clock-note.js";
import { isSameButTimes, knowsAllIds } from "./copy-comparison.js";
import { type Assessment, assess, type Copy, contradictionOf, type Damaged, readCopy } from "./damage.js";
import { irrecoverable, outcomeUnknown, unknownVersion, vanished } from "./file-faults.js";
import { recallHolds, recordHolds } from "./history-file.js";
import { holdBack } from "./hold-back.js";
import { observedEndings } from "./observed-endings.js";
import { Sidecar } from "./sidecar.js";
import type { View, Work } from "./work.js";

/** The lock file was deleted and made anew by another process while we had it. */
export class TurnLost extends Error {}

/**
 * The registry file and what stands beside it: what is read and written, and in which order. Everything that writes is
 * to be called under the file lock.
 */
export class RegistryFiles {
  /** The path as given, absolute: Python locks it under this spelling or under the real one. */
  readonly path: string;
  /** `PATH.holders`, for all that the format has no room for. */
  readonly holdersDirectory: string;
  readonly sidecarPath: string;
  readonly copyPath: string;
  readonly #ceilingPath: string;
  readonly #clock: Clock;
  readonly #file = new Cached<Assessment>();
  readonly #copy = new Cached<Copy>();
  /** The copy beside which the file was last found sound. */
  #soundBeside: string | undefined;
  /** The registry as the last turn of this process has left it: the copy, but for the times of heartbeats. */
  #left: RegistryDocument | undefined;
  #isChecked = false;
  /** Whether this process has seen the file: what it has seen is not taken for a registry that was never there. */
  #hasExisted = false;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.holdersDirectory = holdersDirectoryOf(path);
    this.sidecarPath = join(this.holdersDirectory, "state.json");
    this.copyPath = join(this.holdersDirectory, "last-good.json");
    this.#ceilingPath = join(this.holdersDirectory, "token-ceiling");
    this.#clock = clock;
  }

  /** @throws RegistryError `read-only` for a file that is a mount of its own */
  prepare(): void {
    if (!this.#isChecked && isMountPoint(this.path)) {
      throw new RegistryError(
        "read-only",
        `${this.path} is a mount of its own: the lock file beside it excludes nobody outside. Mount the directory ${dirname(this.path)} instead.`,
      );
    }
    if (!this.#isChecked) makePath(dirname(resolveLinks(this.path)));
    this.#isChecked = true;
    // Each time: somebody may have cleaned up. But a lab whose directory is away is not begun anew.
    makeDirectory(this.holdersDirectory);
  }

  /** What a turn begins with. @throws RegistryError `damaged` without a last good copy */
  begin(): Work {
    const reading = this.#reading();
    // Of the same moment, so that a registry that is made in this turn is not older than itself.
    const assessment = this.assess(reading.wall);
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
      backupPath: null,
      found: { document: assessment.document, notes: new Map(sidecar.locks) },
      ended: [],
      recalled: [],
      afterWrite: [],
    };
    if (assessment.kind === "sound") return work;
    this.#goOn(work, assessment);
    return { ...work, found: { ...work.found, document: document.clone() } };
  }

  /** Locks that the damage has swallowed may be alive: nothing that was written before is judged by the wall clock. */
  #goOn(work: Work, damaged: Damaged): void {
    const { sidecar, reading } = work;
    const bytes = readFileOrAbsent(this.path);
    sidecar.damage = {
      what: damaged.what,
      conflicts: [...new Set([...(sidecar.damage?.conflicts ?? []), ...damaged.conflicts])],
      evidencePath:
        bytes === undefined
          ? (sidecar.damage?.evidencePath ?? null)
          : keepEvidence(this.holdersDirectory, bytes, reading.wall),
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
  finish(work: Work, checkTurn: () => void): void {
    const before = this.#file.text();
    const isChanged = before === undefined ? work.identityChanged : work.document.toString() !== before;
    if (isChanged) work.document.setUpdatedAt(work.reading.wall);
    if (work.keepBackup !== null && before !== undefined)
      work.backupPath = backUp(this.holdersDirectory, before, work.keepBackup, work.reading.wall);
    const copy = this.#readCopy();
    const isCopyDue = copy.kind === "good" ? !isSameButTimes(work.document, copy.document) : work.document.size > 0;
    if (isCopyDue) this.#keepForeignLosses(copy, work);
    reserveTokens(this.#ceilingPath, work.sidecar.lastToken);
    const sidecarBefore = this.#writeSidecar(work.sidecar, checkTurn);
    let isWritten = !isChanged;
    try {
      const writeDocument = (): void => {
        if (isChanged) this.#writeDocument(work.document, checkTurn);
        isWritten = true;
      };
      if (isCopyDue) this.#refreshCopy(work.document, writeDocument);
      else writeDocument();
      if (isChanged && work.identityChanged) syncDirectory(dirname(resolveLinks(this.path)));
      this.#recordHolds(work, isCopyDue ? copy : undefined);
      for (const act of work.afterWrite) act();
    } catch (error) {
      if (isChanged && isWritten) throw outcomeUnknown(this.path, error);
      if (sidecarBefore !== undefined && !(error instanceof TurnLost)) this.#restoreSidecar(sidecarBefore, checkTurn);
      throw error;
    }
  }

  /** What somebody else has taken out of the file, or given another ID, is about to leave the copy too. */
  #keepForeignLosses(copy: Copy, { found, reading }: Work): void {
    if (copy.kind !== "good" || copy.document === found.document || knowsAllIds(found.document, copy.document)) return;
    backUp(this.holdersDirectory, copy.document.toString(), "foreign", reading.wall);
  }

  #writeDocument(document: RegistryDocument, checkTurn: () => void): void {
    const bytes = Buffer.from(document.toString(), "utf8");
    replaceFile(this.path, bytes, { durable: true, beforeRename: checkTurn });
    this.#file.keep(bytes, { kind: "sound", document });
    this.#hasExisted = true;
  }

  /**
   * The copy follows all but the times of heartbeats. It is written before `writeDocument` is called and takes its place
   * after it, so that a disk that fills up in between leaves both as they were.
   */
  #refreshCopy(document: RegistryDocument, writeDocument: () => void): void {
    const bytes = Buffer.from(document.toString(), "utf8");
    replaceFile(this.copyPath, bytes, { durable: true, keepLink: false, beforeRename: writeDocument });
    this.#copy.keep(bytes, { kind: "good", document });
    this.#soundBeside = stampOf(this.copyPath);
  }

  /** @param copy the one before this turn, where it differed from what the turn has left */
  #recordHolds({ document, found, reading, ended, recalled }: Work, copy: Copy | undefined): void {
    const { holdersDirectory } = this;
    if (copy?.kind === "good") {
      const seen = this.#left;
      recordHolds(holdersDirectory, () =>
        observedEndings({ copy: copy.document, seen, found, reading, holdersDirectory }),
      );
    }
    recordHolds(holdersDirectory, () => ended);
    recallHolds(holdersDirectory, recalled);
    this.#left = document;
  }

  /** Whether somebody else has changed more than the times of heartbeats, which the next turn would record. */
  isUnobserved(): boolean {
    const assessment = this.assess();
    if (assessment.kind === "damaged") return assessment.hasCopy;
    const copy = this.#readCopy();
    return copy.kind === "good" && !isSameButTimes(assessment.document, copy.document);
  }

  /** Whether an ID that is told now would survive the loss of the file. */
  isCopied(document: RegistryDocument): boolean {
    const copy = this.#readCopy();
    return copy.kind === "good" ? knowsAllIds(copy.document, document) : document.size === 0;
  }

  /** @returns the sidecar's text before, when it was changed */
  #writeSidecar(sidecar: Sidecar, checkTurn: () => void): string | undefined {
    const before = readFileOrAbsent(this.sidecarPath)?.toString("utf8") ?? "";
    const after = sidecar.toText(bootId());
    if (before === after) return undefined;
    const durable = sidecar.damage !== null;
    replaceFile(this.sidecarPath, after, { durable, keepLink: false, beforeRename: checkTurn });
    return before;
  }

  #restoreSidecar(text: string, checkTurn: () => void): void {
    replaceFile(this.sidecarPath, text, { durable: false, keepLink: false, beforeRename: checkTurn });
  }

  /** @throws RegistryError `damaged` for a registry of an unknown version */
  assess(now: WallMs = wallMs(this.#clock.wallMs())): Assessment {
    const stamp = stampOf(this.copyPath);
    const file = readFileOrAbsent(this.path);
    const known = this.#file.peek(file);
    if (file !== undefined && known?.kind === "sound" && this.#isStillSound(known.document, stamp)) return known;
    // A missing file and damage are assessed anew each time: they depend on the copy as well.
    const copy = this.#readCopy();
    if (file === undefined && copy.kind === "absent" && this.#hasExisted) throw vanished(this.path);
    const assessment = this.#assessAnew(file, copy, now);
    this.#soundBeside = stamp;
    if (file !== undefined) this.#hasExisted = true;
    this.#file.keep(file, assessment);
    return assessment;
  }

  #assessAnew(file: Buffer | undefined, copy: Copy, now: WallMs): Assessment {
    try {
      return assess(file, copy, now);
    } catch (error) {
      if (!(error instanceof RegistryDamage)) throw error;
      throw unknownVersion(this.path, error);
    }
  }

  /** The same bytes may have been put back after others were known: then the copy has changed. */
  #isStillSound(document: RegistryDocument, stamp: string | undefined): boolean {
    if (stamp === this.#soundBeside) return true;
    const copy = this.#readCopy();
    if (copy.kind === "good" && contradictionOf(document, copy.document) !== undefined) return false;
    this.#soundBeside = stamp;
    return true;
  }

  /** Whether namehold has been at work here: else there is neither a copy nor anything to mend. */
  isKnown(): boolean {
    return existsSync(this.holdersDirectory);
  }

  #readCopy(): Copy {
    return this.#copy.value(readFileOrAbsent(this.copyPath), readCopy);
  }

  viewOf(document: RegistryDocument): View {
    return {
      document,
      sidecar: this.#readSidecar(),
      reading: this.#reading(),
      isLocal: this.isLocal(),
      obstacle: null,
    };
  }

  /** @param obstacle why the damage could not be looked at in a turn; it is the answer about names that are not there */
  damagedView(damaged: Damaged, obstacle: NameholdError): View {
    if (!damaged.hasCopy) throw irrecoverable(this.path, damaged.what);
    const view = this.viewOf(damaged.document);
    view.sidecar.damage ??= { what: damaged.what, conflicts: damaged.conflicts, evidencePath: null };
    view.sidecar.clock = null;
    return obstacle.code === "busy" ? { ...view, obstacle } : view;
  }

  lastToken(): number {
    return Math.max(this.#readSidecar().lastToken, reservedTokens(this.#ceilingPath));
  }

  #readSidecar(): Sidecar {
    const sidecar = Sidecar.parse(readFileOrAbsent(this.sidecarPath)?.toString("utf8") ?? "", bootId());
    if (!sidecar.isOfThisBoot) sidecar.lastToken = Math.max(sidecar.lastToken, reservedTokens(this.#ceilingPath));
    return sidecar;
  }

  #reading(): ClockReading {
    return { bootId: bootId(), wall: wallMs(this.#clock.wallMs()), monotonic: this.#clock.monotonicMs() };
  }

  /** Where there is no last good copy: makes what can be read of the damaged file one. */
  salvage(checkTurn: () => void): void {
    const assessment = this.assess();
    if (assessment.kind === "sound" || assessment.hasCopy) return;
    const text = assessment.document.toString();
    replaceFile(this.copyPath, text, { durable: true, keepLink: false, beforeRename: checkTurn });
  }

  /** Whether the files are on a file system of this machine's own, so that presences prove deaths. */
  isLocal(): boolean {
    const exists = statSync(this.holdersDirectory, { throwIfNoEntry: false }) !== undefined;
    return isLocalFileSystem(exists ? this.holdersDirectory : nearestDirectory(dirname(this.path)));
  }
}

/** Changes with every replacement of the file, as far as the file system can tell. */
function stampOf(path: string): string | undefined {
  const stats = statsAt(path);
  return stats && `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
}
