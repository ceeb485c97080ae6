import type { RegistryEntry, RegistryLock } from "./entry.js";
import type { HeldBy } from "./errors.js";
import type { WallMs } from "./timing.js";

declare const version: unique symbol;

/** Opaque. Two equal versions of one record mean that nobody changed it in between. */
export type Version = string & { readonly [version]: true };

/**
 * What speaks for or against the holder of a lock being alive, strongest first:
 *
 * - `dead`: the kernel or the store proves that its process is gone.
 * - `beat`: how long ago it last refreshed this lock, on a clock that it shares with the judge.
 * - `written`: nothing but the wall-clock times in the lock; `clockTrusted` when the wall clock is known not to have
 *   stepped since the lock's last heartbeat was written.
 */
export type Evidence =
  | { readonly kind: "dead" }
  | { readonly kind: "beat"; readonly ageMs: number; readonly ttlMs: number }
  | { readonly kind: "written"; readonly clockTrusted: boolean };

/** The liveness record of a lock's holder. Its version changes with every sign of life. */
export interface HolderRecord {
  readonly version: Version;
  readonly evidence: Evidence;
}

/** An operator's demand that a holder give up its lock. */
export interface Revocation {
  readonly reason: string;
  readonly at: WallMs;
}

/** A caller waiting for a held name. Waiters of a name stand in the order in which they came. */
export interface Waiter {
  readonly ticket: string;
  readonly instance: string;
  readonly since: WallMs;
  /** How long ago the free name was offered to this waiter; null when it was not. */
  readonly offeredAgeMs: number | null;
}

/** All that a store knows about one name. */
export interface EntryRecord {
  readonly name: string;
  readonly version: Version;
  readonly entry: RegistryEntry;
  /** The entry's JSON text as it is kept: number forms and members that `entry` cannot carry survive in it. */
  readonly source: string;
  /** The fencing token of the lock; null without a lock, and for holders that take none (Python). */
  readonly token: number | null;
  readonly revocation: Revocation | null;
  /** Null without a lock. */
  readonly holder: HolderRecord | null;
  readonly waiters: readonly Waiter[];
}

/** A lock that was taken away from its holder (by a forced rename, a removal, a foreign hand), who may not know it yet. */
export interface FormerLock {
  readonly lock: RegistryLock;
  readonly holder: HolderRecord;
}

/** What the store answers about a name at one instant. */
export interface Snapshot {
  readonly name: string;
  readonly record: EntryRecord | null;
  /** Whom the name must still be kept from others for, although it has no lock, or no entry at all. */
  readonly former: FormerLock | null;
  /** The store's own wall clock. */
  readonly now: WallMs;
}

/**
 * Why a holder no longer holds.
 *
 * - `expired`: its own deadline passed without a successful refresh, or came so near that its work was ended.
 * - `taken`: another holds the name now.
 * - `revoked`, `renamed`, `removed`: an operator's doing.
 * - `closed`: its registry was closed.
 */
export interface Loss {
  readonly reason: "expired" | "taken" | "revoked" | "renamed" | "removed" | "closed";
  /** Who holds the name now, for `taken`. */
  readonly by?: HeldBy;
  /** The name that the entry bears now, for `renamed`. */
  readonly renamedTo?: string;
  /** The operator's words, for `revoked`; what was done about it, for `expired`. */
  readonly detail?: string;
}
