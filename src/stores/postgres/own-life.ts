import { randomInt } from "node:crypto";
import type { Holder } from "../../core/entry.js";
import { later, type MonotonicMs, type WallMs } from "../../core/timing.js";
import type { Life } from "../records/draft.js";
import { OwnLocks } from "../records/own-locks.js";
import { SERVER_CLOCK } from "./server-clock.js";

const NUMBER_MAX = 2 ** 48 - 1;
/** What waited for a replica with the first one's own commit is seen by the second. */
const LOOKS = 2;

/**
 * The life of one holder of this store: its row, its locks, its places in queues. The number is its own choice, so that the
 * row can be made by the change that needs it first.
 */
export class OwnLife {
  readonly holder: Holder;
  readonly locks = new OwnLocks();
  /** Tickets that wait: while there are any, the store gives signs of life for them. */
  readonly tickets = new Set<string>();
  /** Locks that the server may have lost: their next heartbeat looks. */
  readonly unverified = new Set<string>();
  /** Names of changes that are under way: what the server has of them may not be known here yet. */
  readonly inFlight = new Map<string, number>();
  /** Beats that look for locks of this life that are not known here, from a moment on. */
  #orphanLooks: { readonly from: MonotonicMs; readonly left: number } | undefined;
  #n = newNumber();
  #isBorn = false;

  constructor(holder: Holder) {
    this.holder = holder;
  }

  get n(): number {
    return this.#n;
  }

  /** Whether its row is there, as far as is known. */
  get isBorn(): boolean {
    return this.#isBorn;
  }

  born(): void {
    this.#isBorn = true;
  }

  /** Its row is gone, and all that hung on it: the next lock begins a new life. */
  over(): void {
    if (this.#isBorn) this.#n = newNumber();
    this.#isBorn = false;
    this.locks.clear();
    this.unverified.clear();
    this.tickets.clear();
  }

  /** Whether the server may have locks of this life that are not known here, now or soon. */
  get mayHaveOrphans(): boolean {
    return this.#orphanLooks !== undefined;
  }

  /** @param until by when a grant whose answer got lost may still be written */
  suspectOrphans(until: MonotonicMs): void {
    this.#orphanLooks = { from: later(until, Math.max(0, (this.#orphanLooks?.from ?? until) - until)), left: LOOKS };
  }

  /** A beat has looked, and was answered. */
  lookedForOrphans(sentAt: MonotonicMs): void {
    const looks = this.#orphanLooks;
    if (looks === undefined || sentAt < looks.from) return;
    this.#orphanLooks = looks.left > 1 ? { ...looks, left: looks.left - 1 } : undefined;
  }

  /** The server may have lost what it has granted, and have again what was given up. */
  doubt(now: MonotonicMs): void {
    this.suspectOrphans(now);
    for (const [name] of this.locks.entries()) this.unverified.add(name);
  }

  asOf(now: MonotonicMs, wallAt: WallMs): Life {
    return { n: this.#n, instance: this.holder.instance, pulse: { beat: 1, at: now, wallAt, clock: SERVER_CLOCK } };
  }
}

function newNumber(): number {
  return randomInt(1, NUMBER_MAX);
}
