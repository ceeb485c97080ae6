/**
 * What namehold must remember beyond the format of the registry file, which Python rewrites without what it does not
 * know: `PATH.holders/state.json`. Written under the file lock only. It may be lost: then tokens go on by the wall
 * clock, and locks are judged by less.
 */
import type { RegistryLock } from "../../core/entry.js";
import type { Loss, Revocation } from "../../core/record.js";
import { type MonotonicMs, monotonicMs, type WallMs } from "../../core/timing.js";
import type { ClockNote } from "./clock-note.js";

/**
 * About one lock that was granted; void when the entry's lock is another instance's. It outlives a lock that was taken
 * away without its holder's doing, until the holder gives it up. Moments are on the clock of this boot.
 */
export interface LockNote {
  readonly instance: string;
  /** The ID that its holder acts under, whatever becomes of the entry. */
  readonly id: string;
  /** The lock as it was granted. */
  readonly lock: RegistryLock;
  readonly token: number;
  readonly grantedAt: MonotonicMs;
  /** Since when it is not refreshed any more although its holder is. */
  readonly lapsingSince: MonotonicMs | null;
  readonly revocation: Revocation | null;
}

export interface WaiterNote {
  readonly ticket: string;
  readonly instance: string;
  readonly since: WallMs;
  /** Since when the free name is offered to it; void when the entry has changed since. */
  readonly offer: { readonly at: MonotonicMs; readonly digest: string } | null;
}

/** Set when damage was found, until an operator accepts what was recovered. */
export interface DamageNote {
  readonly what: string;
  readonly conflicts: readonly string[];
  readonly evidencePath: string | null;
}

export class Sidecar {
  lastToken = 0;
  /** Whether it was written since the machine started: then no power loss has taken a later one. */
  isOfThisBoot = false;
  clock: ClockNote | null = null;
  damage: DamageNote | null = null;
  readonly locks = new Map<string, LockNote>();
  readonly waiters = new Map<string, readonly WaiterNote[]>();
  /** Word for former holders: instance → name → what happened. */
  readonly words = new Map<string, ReadonlyMap<string, Loss>>();

  /** @returns an empty one for text that is no sidecar: what it held is then lost, as after a crash */
  static parse(text: string, bootId: string): Sidecar {
    const sidecar = new Sidecar();
    const found = parseObject(text);
    if (found === undefined) return sidecar;
    const sameBoot = found.bootId === bootId;
    sidecar.lastToken = found.lastToken;
    sidecar.isOfThisBoot = sameBoot;
    sidecar.clock = found.clock;
    sidecar.damage = found.damage;
    for (const [name, note] of found.locks) sidecar.locks.set(name, sameBoot ? note : ofEarlierBoot(note));
    for (const [name, queue] of found.waiters) {
      sidecar.waiters.set(name, sameBoot ? queue : queue.map((waiter) => ({ ...waiter, offer: null })));
    }
    for (const [instance, words] of found.words) sidecar.words.set(instance, new Map(words));
    return sidecar;
  }

  toText(bootId: string): string {
    const content: SidecarContent = {
      version: 1,
      bootId,
      lastToken: this.lastToken,
      clock: this.clock,
      damage: this.damage,
      locks: [...this.locks],
      waiters: [...this.waiters].filter(([, queue]) => queue.length > 0),
      words: [...this.words].map(([instance, words]) => [instance, [...words]]),
    };
    return JSON.stringify(content);
  }

  leaveWord(instance: string, name: string, word: Loss): void {
    this.words.set(instance, new Map(this.words.get(instance)).set(name, word));
  }

  forgetWord(instance: string, name: string): void {
    const words = new Map(this.words.get(instance));
    words.delete(name);
    if (words.size === 0) this.words.delete(instance);
    else this.words.set(instance, words);
  }

  /** Forgets what was left for a holder that is gone. */
  forgetHolder(instance: string): void {
    this.words.delete(instance);
    for (const [name, note] of this.locks) if (note.instance === instance) this.locks.delete(name);
    for (const [name, queue] of this.waiters) {
      this.waiters.set(
        name,
        queue.filter((waiter) => waiter.instance !== instance),
      );
    }
  }

  /** Whether a lock, a place in a queue or word is noted for this instance. */
  names(instance: string): boolean {
    if (this.words.has(instance)) return true;
    for (const note of this.locks.values()) if (note.instance === instance) return true;
    for (const queue of this.waiters.values()) if (queue.some((waiter) => waiter.instance === instance)) return true;
    return false;
  }
}

/** Pairs instead of objects: any string is a name, `__proto__` included. */
interface SidecarContent {
  readonly version: 1;
  readonly bootId: string;
  readonly lastToken: number;
  readonly clock: ClockNote | null;
  readonly damage: DamageNote | null;
  readonly locks: readonly (readonly [string, LockNote])[];
  readonly waiters: readonly (readonly [string, readonly WaiterNote[]])[];
  readonly words: readonly (readonly [string, readonly (readonly [string, Loss])[]])[];
}

function parseObject(text: string): SidecarContent | undefined {
  try {
    const found = JSON.parse(text) as Partial<SidecarContent> | null;
    const isOurs =
      found?.version === 1 &&
      typeof found.bootId === "string" &&
      Number.isSafeInteger(found.lastToken) &&
      isPairs(found.locks, isObject) &&
      isPairs(found.waiters, Array.isArray) &&
      isPairs(found.words, (words) => isPairs(words, isObject));
    return isOurs ? (found as SidecarContent) : undefined;
  } catch {
    // Torn by a power loss. Nothing in it is needed for the identity of a name.
    return undefined;
  }
}

function isPairs(found: unknown, isValue: (value: unknown) => boolean): boolean {
  if (!Array.isArray(found)) return false;
  return found.every((pair) => Array.isArray(pair) && typeof pair[0] === "string" && isValue(pair[1]));
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function ofEarlierBoot(note: LockNote): LockNote {
  return { ...note, grantedAt: monotonicMs(0), lapsingSince: null };
}
