import type { NameholdError } from "../../core/errors.js";
import type { PastHold } from "../../core/history.js";
import type { RegistryDocument } from "../../core/text/registry-document.js";
import type { LastBeat } from "./beat-plan.js";
import type { ClockReading } from "./clock-note.js";
import type { LockNote, Sidecar } from "./sidecar.js";

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

/** What a turn began with, unchanged. */
export interface Found {
  readonly document: RegistryDocument;
  readonly notes: ReadonlyMap<string, LockNote>;
}

/** A view that may be changed during a turn. What is changed is written when the turn ends. */
export interface Work extends View {
  /** An entry was made, removed, renamed, or has another ID: on the disk before anybody is told. */
  identityChanged: boolean;
  /** An ID that was known goes away or changes: a backup is kept. */
  keepBackup: string | null;
  /** Where it was kept, once it is written. */
  backupPath: string | null;
  readonly found: Found;
  /** Set when the turn does nothing but refresh locks of one holder, all of which were still its own. */
  beat: LastBeat | null;
  /** Holds that end in this turn, for the history. */
  readonly ended: PastHold[];
  /** Holds that ended in another store, for the history. */
  readonly recalled: PastHold[];
  /** Called when all is written, still under the lock. */
  readonly afterWrite: (() => void)[];
}
