import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { type NameholdError, RegistryError } from "../../core/errors.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import { RegistryDamage } from "../../core/text/registry-scan.js";
import { type Clock, type MonotonicMs, type WallMs, wallMs } from "../../core/timing.js";
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
import { BeatPlan, isSameBeat, type LastBeat } from "./beat-plan.js";
import { Cached } from "./cached.js";
import { type ClockNote, type ClockReading, noteClock, restartedNote } from "./clock-note.js";
import { isSameButLocks, isSameButTimes, knowsAllIds } from "./copy-comparison.js";
import { type Assessment, assess, type Copy, contradictionOf, type Damaged } from "./damage.js";
import { irrecoverable, outcomeUnknown, unknownVersion, vanished } from "./file-faults.js";
import { stampOf } from "./file-stamp.js";
import { GoodCopy, type Written } from "./good-copy.js";
import { recallHolds, recordHolds } from "./history-file.js";
import { holdBack } from "./hold-back.js";
import { observedEndings } from "./observed-endings.js";
import { Sidecar } from "./sidecar.js";
import { SidecarFile } from "./sidecar-file.js";
import type { View, Work } from "./work.js";

/** The registry as a turn has left it. */
interface Left {
  readonly document: RegistryDocument;
}

interface WrittenBeat extends LastBeat {
  /** What the files said after it: while they say the same, the next beat comes to the same. */
  readonly bytes: Buffer;
  readonly sidecar: string;
  readonly lastToken: number;
  readonly clock: ClockNote | null;
  /** Made when it is first needed. Null: there is none, nor will there be, for it is in how the file is spelled. */
  readonly plan: BeatPlan | null | undefined;
}

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
  readonly #ceilingPath: string;
  readonly #clock: Clock;
  readonly #file = new Cached<Assessment>();
  readonly #copy: GoodCopy;
  readonly #sidecar: SidecarFile;
  /** The copy beside which the file was last found sound. */
  #soundBeside: string | undefined;
  /** The registry as the last turn of this process has left it. */
  #left: Left | undefined;
  #lastBeat: WrittenBeat | undefined;
  /** The tokens that are reserved on the disk, and as which file they were. */
  #reserved: { readonly upTo: number; readonly stamp: string | undefined } = { upTo: 0, stamp: undefined };
  /** As the turn found it. */
  #sidecarText = "";
  #isChecked = false;
  /** Whether this process has seen the file: what it has seen is not taken for a registry that was never there. */
  #hasExisted = false;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.holdersDirectory = holdersDirectoryOf(path);
    this.#sidecar = new SidecarFile(join(this.holdersDirectory, "state.json"));
    this.#copy = new GoodCopy(this.holdersDirectory);
    this.#ceilingPath = join(this.holdersDirectory, "token-ceiling");
    this.#clock = clock;
  }

  get sidecarPath(): string {
    return this.#sidecar.path;
  }

  get copyPath(): string {
    return this.#copy.path;
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
    if (statsAt(this.holdersDirectory)?.isDirectory() !== true) makeDirectory(this.holdersDirectory);
  }

  /** What a turn begins with. @throws RegistryError `damaged` without a last good copy */
  begin(): Work {
    const reading = this.#reading();
    // Of the same moment, so that a registry that is made in this turn is not older than itself.
    const assessment = this.assess(reading.wall);
    if (assessment.kind === "damaged" && !assessment.hasCopy) throw irrecoverable(this.path, assessment.what);
    const document = assessment.document.clone();
    this.#sidecarText = this.#sidecar.read();
    const sidecar = this.#parseSidecar(this.#sidecarText);
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
      beat: null,
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
    const copy = this.#copy.read();
    const left = this.#leftBy(copy, work.found.document);
    const isLeftDue = left === undefined ? work.document.size > 0 : !isSameButTimes(work.document, left);
    const isCopyDue = isLeftDue && this.#isCopyDue(copy, work);
    if (isCopyDue) this.#keepForeignLosses(copy, work);
    this.#reserveTokens(work.sidecar.lastToken);
    const sidecarBefore = this.#writeSidecar(work.sidecar, checkTurn);
    const written: Written = { document: work.document, bytes: Buffer.from(work.document.toString(), "utf8") };
    let isWritten = !isChanged;
    try {
      const write = (): void => {
        if (isChanged) this.#writeDocument(written, checkTurn);
        isWritten = true;
      };
      if (isCopyDue) this.#copy.refresh(written, write);
      else if (isLeftDue) this.#copy.keepLocks(written, write);
      else write();
      if (isLeftDue) this.#soundBeside = this.#copy.stamp();
      if (isChanged && work.identityChanged) syncDirectory(dirname(resolveLinks(this.path)));
      this.#recordHolds(work, left);
      this.#left = { document: isChanged ? work.document : work.found.document };
      this.#noteBeat(work);
      for (const act of work.afterWrite) act();
    } catch (error) {
      if (isChanged && isWritten) throw outcomeUnknown(this.path, error);
      if (sidecarBefore !== undefined && !(error instanceof TurnLost)) this.#restoreSidecar(sidecarBefore, checkTurn);
      throw error;
    }
  }

  /** @returns `found` itself when nobody has written since the last turn; see {@link GoodCopy.asLeft} */
  #leftBy(copy: Copy, found: RegistryDocument): RegistryDocument | undefined {
    if (copy.kind === "good" && found === this.#left?.document) return found;
    return this.#copy.asLeft({ document: found, bytes: this.#file.bytes ?? Buffer.alloc(0) });
  }

  /** Whether the copy lacks what must outlive the loss of the file, or locks have no other place. */
  #isCopyDue(copy: Copy, { document, found, identityChanged, isLocal }: Work): boolean {
    if (copy.kind !== "good" || identityChanged || !isLocal || bootId() === "") return true;
    return !isSameButLocks(document, found.document === this.#left?.document ? found.document : copy.document);
  }

  /**
   * The beat after one that was written in a turn of its own, where nobody has written since: the same bytes with other
   * times.
   *
   * @returns undefined where it must be done in full; nothing was written then
   * @throws as {@link finish}
   */
  beatAgain(beat: LastBeat, checkTurn: () => void, afterWrite: (at: MonotonicMs) => void): true | undefined {
    const last = this.#lastBeat;
    if (last === undefined || !isSameBeat(last, beat)) return undefined;
    const reading = this.#reading();
    if (!this.#isAsLeftBy(last, reading)) return undefined;
    const plan = last.plan === undefined ? (BeatPlan.of(last.bytes, last) ?? null) : last.plan;
    this.#lastBeat = { ...last, plan };
    if (plan === null) return undefined;
    this.#reserveTokens(last.lastToken);
    const bytes = plan.retimed(last.bytes, reading.wall);
    replaceFile(this.path, bytes, { durable: true, beforeRename: checkTurn });
    const left = soundFrom(bytes);
    this.#file.keep(bytes, left);
    this.#left = left;
    this.#lastBeat = { ...last, bytes, plan };
    try {
      afterWrite(reading.monotonic);
    } catch (error) {
      throw outcomeUnknown(this.path, error);
    }
    return true;
  }

  #isAsLeftBy(last: WrittenBeat, reading: ClockReading): boolean {
    return (
      last.plan !== null &&
      this.#copy.stamp() === this.#soundBeside &&
      noteClock(last.clock, reading) === last.clock &&
      readFileOrAbsent(this.path)?.equals(last.bytes) === true &&
      this.#sidecar.read() === last.sidecar
    );
  }

  #noteBeat({ beat, sidecar: { lastToken, clock } }: Work): void {
    const bytes = this.#file.bytes;
    const isAlone = beat !== null && bytes !== undefined;
    this.#lastBeat = isAlone
      ? {
          ...beat,
          bytes,
          sidecar: this.#sidecarText,
          lastToken,
          clock,
          plan: this.#lastBeat?.plan === null ? null : undefined,
        }
      : undefined;
  }

  /** A reservation that this process has seen stands for as long as its file. */
  #reserveTokens(token: number): void {
    const stamp = stampOf(this.#ceilingPath);
    if (token <= this.#reserved.upTo && stamp === this.#reserved.stamp) return;
    reserveTokens(this.#ceilingPath, token);
    this.#reserved = { upTo: reservedTokens(this.#ceilingPath), stamp: stampOf(this.#ceilingPath) };
  }

  /** What somebody else has taken out of the file, or given another ID, is about to leave the copy too. */
  #keepForeignLosses(copy: Copy, { found, reading }: Work): void {
    if (copy.kind !== "good" || copy.document === found.document || knowsAllIds(found.document, copy.document)) return;
    backUp(this.holdersDirectory, copy.document.toString(), "foreign", reading.wall);
  }

  #writeDocument({ document, bytes }: Written, checkTurn: () => void): void {
    replaceFile(this.path, bytes, { durable: true, beforeRename: checkTurn });
    this.#file.keep(bytes, { kind: "sound", document });
    this.#hasExisted = true;
  }

  /** @param left what the last turn has left */
  #recordHolds({ found, reading, ended, recalled }: Work, left: RegistryDocument | undefined): void {
    const { holdersDirectory } = this;
    if (left !== undefined && left !== found.document) {
      const seen = this.#left?.document;
      recordHolds(holdersDirectory, () => observedEndings({ left, seen, found, reading, holdersDirectory }));
    }
    recordHolds(holdersDirectory, () => ended);
    recallHolds(holdersDirectory, recalled);
  }

  /** Whether somebody else has changed more than the times of heartbeats, which the next turn would record. */
  isUnobserved(): boolean {
    const assessment = this.assess();
    if (assessment.kind === "damaged") return assessment.hasCopy;
    const left = this.#leftBy(this.#copy.read(), assessment.document);
    return left !== undefined && !isSameButTimes(assessment.document, left);
  }

  /** Whether an ID that is told now would survive the loss of the file. */
  isCopied(document: RegistryDocument): boolean {
    const copy = this.#copy.read();
    return copy.kind === "good" ? knowsAllIds(copy.document, document) : document.size === 0;
  }

  /** @returns the sidecar's text before, when it was changed */
  #writeSidecar(sidecar: Sidecar, checkTurn: () => void): string | undefined {
    const before = this.#sidecarText;
    const after = sidecar.toText(bootId());
    if (before === after) return undefined;
    const durable = sidecar.damage !== null;
    this.#sidecar.write(after, { durable, beforeWrite: checkTurn });
    this.#sidecarText = after;
    return before;
  }

  #restoreSidecar(text: string, checkTurn: () => void): void {
    this.#sidecar.write(text, { durable: false, beforeWrite: checkTurn });
  }

  /** @throws RegistryError `damaged` for a registry of an unknown version */
  assess(now: WallMs = wallMs(this.#clock.wallMs())): Assessment {
    const stamp = this.#copy.stamp();
    const file = readFileOrAbsent(this.path);
    const known = this.#file.peek(file);
    if (file !== undefined && known?.kind === "sound" && this.#isStillSound(known, stamp)) return known;
    // A missing file and damage are assessed anew each time: they depend on the copy as well.
    const copy = this.#copy.read(stamp);
    if (file === undefined && copy.kind === "absent" && this.#hasExisted) throw vanished(this.path);
    const assessment = this.#assessAnew(file, copy, now);
    this.#soundBeside = stamp;
    if (file !== undefined) this.#hasExisted = true;
    this.#file.keep(file, assessment);
    return assessment;
  }

  #assessAnew(file: Buffer | undefined, copy: Copy, now: WallMs): Assessment {
    try {
      const assessment = assess(file, copy, now);
      return assessment.kind === "sound" ? assessment : assess(file, this.#copy.readWithLocks(), now);
    } catch (error) {
      if (!(error instanceof RegistryDamage)) throw error;
      throw unknownVersion(this.path, error);
    }
  }

  /** The same bytes may have been put back after others were known: then the copy has changed. */
  #isStillSound(known: Left, stamp: string | undefined): boolean {
    if (stamp === this.#soundBeside) return true;
    const copy = this.#copy.read(stamp);
    if (copy.kind === "good" && contradictionOf(known.document, copy.document) !== undefined) return false;
    this.#soundBeside = stamp;
    return true;
  }

  /** Whether namehold has been at work here: else there is neither a copy nor anything to mend. */
  isKnown(): boolean {
    return existsSync(this.holdersDirectory);
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
    return this.#parseSidecar(this.#sidecar.read());
  }

  #parseSidecar(text: string): Sidecar {
    const sidecar = Sidecar.parse(text, bootId());
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

/** Parsed when somebody wants to know what is in it. @param bytes of a sound registry */
function soundFrom(bytes: Buffer): Assessment & { readonly kind: "sound" } {
  let document: RegistryDocument | undefined;
  return {
    kind: "sound",
    get document() {
      document ??= RegistryDocument.parse(bytes.toString("utf8"));
      return document;
    },
  };
}
