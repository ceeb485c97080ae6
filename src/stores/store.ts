/**
 * The contract of a store: it keeps records, atomically, and decides nothing. What may happen to a lock is decided by
 * `core/lock-rules.ts`; a store checks preconditions and answers.
 *
 * Five verbs, and what is remembered. Contention and conflict are results; errors (`NameholdError`) are for faults. A store never repeats a
 * write by itself. `src/testing/store-contract.ts` is this page as a test suite.
 */
import type { ComponentType, Holder, JsonObject } from "../core/entry.js";
import type { Checkup, DiagnoseOptions } from "../core/finding.js";
import type { Ending, HistoryQuery, PastHold } from "../core/history.js";
import type { Loss, Snapshot, Version } from "../core/record.js";

/** How an entry's lock changes. The store stamps the times by its own clock. */
export type LockWrite =
  /** The lock becomes `Change.holder`'s, with a new fencing token. `ends`: how the one that it replaces ended. Default `lost`. */
  | { readonly kind: "grant"; readonly ends?: Ending }
  /** The lock goes away; `word` is left for its former holder's next heartbeat. `ends` is `released` by default. */
  | { readonly kind: "clear"; readonly word?: Loss; readonly ends?: Ending }
  /** The lock stays, marked: its holder is told at its next heartbeat and is not refreshed again. */
  | { readonly kind: "revoke"; readonly reason: string };

/** What a `put` changes. What is not named here stays as it is, to the letter. */
export interface EntryWrite {
  /**
   * JSON text to start from instead of the present one (import, migration): everything but its lock is kept. Text that is
   * no entry is `invalid-input`, an ID that another name has `already-exists`, and `held` one that comes to this name while
   * the holder of a lock that was taken away with another name, or left on one that has another ID now, may act under it.
   */
  readonly source?: string;
  /** With `expect: "absent"` and no `source`: the new entry's id and type. */
  readonly id?: string;
  readonly componentType?: ComponentType;
  /** Merged into the entry's metadata, key by key. */
  readonly metadata?: JsonObject;
  /** Sets `lastSeen` to the store's now. A granted lock does that too. */
  readonly touch?: boolean;
  readonly lock?: LockWrite;
}

export type ChangePart =
  | {
      readonly kind: "put";
      readonly name: string;
      readonly expect: Version | "absent";
      /**
       * A takeover names the version of the old (or former) holder's record as well: a sign of life refuses it. A grant on
       * a name without a lock that names none expects no former holder.
       */
      readonly expectHolder?: Version;
      readonly write: EntryWrite;
    }
  /**
   * The entry goes. A lock that was on it is the name's `former` one until it is given up, its holder has ended, or is
   * silent past its TTL. To have told the holder is not enough: the telling may get lost. `expectHolder` as in `put`, for
   * who judged the lock to be nobody's any more. `ends` is `lost` by default.
   */
  | {
      readonly kind: "remove";
      readonly name: string;
      readonly expect: Version;
      readonly expectHolder?: Version;
      readonly word?: Loss;
      readonly ends?: Ending;
    }
  /**
   * Moves the entry, text and lock included; refused when `to` exists. The lock is marked revoked, and is the former one
   * of the old name as after `remove`: its hold of the old name has ended as `renamed`. `expectHolder` as in `remove`.
   */
  | {
      readonly kind: "rename";
      readonly name: string;
      readonly to: string;
      readonly expect: Version;
      readonly expectHolder?: Version;
    }
  /** `Change.holder` gives up what was its lock with this token; does nothing where it is nobody's former lock. */
  | { readonly kind: "give-up"; readonly name: string; readonly token: number }
  /** `Change.holder` joins the queue of `name` at its end. A ticket that is queued already keeps its place. */
  | { readonly kind: "enqueue"; readonly name: string; readonly ticket: string }
  | { readonly kind: "dequeue"; readonly name: string; readonly ticket: string }
  /** Starts the time in which the waiter may take the free name before it is passed over. A grant ends offers. */
  | { readonly kind: "offer"; readonly name: string; readonly ticket: string }
  /** Adds a hold that ended in another store to the history, unless that very hold is in it (`isSameHold`): for migrations. */
  | { readonly kind: "recall"; readonly name: string; readonly hold: PastHold };

/** All parts or none, in their order; every `expect` means the version from before the change. */
export interface Change {
  /** In whose name: required by `grant`, `give-up` and `enqueue`. A holder belongs to one store object. */
  readonly holder: Holder;
  readonly parts: readonly ChangePart[];
  /** Every token that is given from now on, by this change or later, is greater: for migrations. */
  readonly tokenFloor?: number;
}

export type CommitResult =
  /**
   * Written, as durable as the store promises. `snapshots` shows each name the parts mention, as it is now. `backup`: when
   * IDs or names went away or changed, the file of what was there before, which an import takes; where the engine keeps
   * it, the shell command that prints it. A store that keeps none names G1 among its exceptions.
   */
  | { readonly kind: "done"; readonly snapshots: ReadonlyMap<string, Snapshot>; readonly backup?: string }
  /** A precondition failed and nothing was changed. `snapshots` shows the names as they are. */
  | { readonly kind: "conflict"; readonly snapshots: ReadonlyMap<string, Snapshot> }
  /** The write may or may not have happened: read back, do not repeat blindly. */
  | { readonly kind: "unknown"; readonly cause: unknown };

export interface StoreCapabilities {
  /** Whose clock measures a holder's silence. */
  readonly timeAuthority: "process" | "machine" | "store";
  /** Whether the death of a holder's process can be proved, so that its names are free at once. */
  readonly deathProof: boolean;
  /**
   * Into how many parts a change may be divided at most; one that has more is `invalid-input`. What has more to do makes
   * several changes, which are not all or nothing together. Absent: as many as there are.
   */
  readonly partsMax?: number;
  /** Guarantees (docs/SPEC.md) that do not hold here without exception, and why. */
  readonly exceptions: readonly { readonly guarantee: string; readonly why: string }[];
}

export interface ListFilter {
  readonly componentType?: ComponentType;
}

export interface WatchOptions {
  readonly names?: readonly string[];
  readonly signal: AbortSignal;
}

export interface Store {
  readonly capabilities: StoreCapabilities;

  read(name: string): Promise<Snapshot>;

  commit(change: Change): Promise<CommitResult>;

  /**
   * Refreshes, in one round trip, the locks on `names` (name → fencing token) and tells which of them are no longer
   * this holder's. A lock of the holder that is not named lapses, its TTL after its last refresh. A lock that is
   * marked revoked is answered as lost and not refreshed.
   */
  heartbeat(holder: Holder, names: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, Loss>>;

  /** Every entry that passes the filter, in pages; a record is never null here. */
  list(filter?: ListFilter): AsyncIterable<Snapshot>;

  /**
   * Yields whenever one of `names` (all, when not given) may have changed, its holder's death included where the
   * store can prove it: which, or null when any may have. Yields null once as soon as it listens, so that "watch, then
   * read" misses nothing. Ends when `signal` aborts.
   */
  watch(options: WatchOptions): AsyncIterable<readonly string[] | null>;

  /** No token was given that is greater. At least the last one; more, where tokens are reserved ahead. */
  lastToken(): Promise<number>;

  /**
   * Ended holds, the last to end first; of one that stands, the entry itself tells. As far back as the store remembers,
   * which is bounded. Recording must not make a commit fail: what cannot be recorded is lost.
   */
  history(query: HistoryQuery): AsyncIterable<PastHold>;

  /**
   * Gives up all locks of the holder and leaves every queue, synchronously and within a bounded time; for the last
   * moments of a process. Absent where the store cannot: there the TTL does it.
   */
  releaseNow?(holder: Holder): void;

  /** A descriptor that a child process may inherit, so that the holder is proved dead only when the child is gone too. */
  presenceDescriptor?(holder: Holder): number;

  /** Whether what was lost by damage waits for an operator, and what he is told. Absent: the store recovers by itself. */
  readonly recovery?: Recovery;

  /**
   * Looks at all that this store depends on, and tells what is wrong with it, for an operator. Works when nothing else
   * does; changes and makes nothing unless asked to `fix`. Absent where there is nothing to look at.
   */
  diagnose?(options: DiagnoseOptions): AsyncIterable<Checkup>;

  /** Idempotent. The holder's presence ends with it. */
  close(): Promise<void>;
}

/** What an operator is shown about a damaged registry, and can do. @see docs/SPEC.md#G8 */
export interface Recovery {
  inspect(): Promise<DamageReport | null>;
  /** Writes what `inspect` showed and lets new names be made again. Refused when nothing is damaged. */
  accept(): Promise<DamageReport>;
}

export interface DamageReport {
  /** What was found, in one sentence. */
  readonly what: string;
  /** Names whose entries go on, from the last good copy or from what could be read. */
  readonly recovered: readonly string[];
  /** Names for which copy and file disagree; the copy's id goes on. */
  readonly conflicts: readonly string[];
  /** Where the damaged bytes are kept; null when the file was missing. */
  readonly evidencePath: string | null;
}
