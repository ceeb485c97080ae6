import { type Clock, type MonotonicMs, monotonicMs, type WallMs, wallMs } from "../../core/timing.js";
import type { Reading } from "../records/reading.js";

/** What a host's processes have noted of the server's clock: its distance from their boot clock, in microseconds. */
export interface ClockNote {
  readonly low: number;
  readonly high: number;
  /** Since when, by the server's clock, it has not stepped. */
  readonly steadySince: number;
}

/** What may be between two looks without being a step. */
const SLACK_US = 20_000;
const DRIFT = 0.002;
const SLACK_US_MAX = 500_000;
/** An older note does not tell what has been since. */
const NOTE_US_MAX = 60_000_000;
/** A time that lies so far ahead was written before the clock stepped back. */
const FUTURE_US_MAX = 1_000_000;

/**
 * So long after a step this process vouches for no time: a clock that steps there and back between two looks of others would make
 * what was written meanwhile seem old to them.
 */
const DOUBT_MS = 60_000;

/** The name of the server's clock in readings; a moment that may have been written before a step is on no clock. */
export const SERVER_CLOCK = "server";
const NO_CLOCK = "";

/**
 * The server's wall clock, as far as this process can trust it. It may step at any moment; this machine's boot clock does
 * not. So each answer tells the distance between the two, to within its round trip, and a distance that has changed is a step:
 * moments that were written before it say nothing any more, and such locks are watched instead.
 *
 * @see docs/SPEC.md#G7
 */
export class ServerClock {
  readonly #clock: Clock;
  #steppedAt: MonotonicMs | undefined;
  #known: (ClockNote & { readonly checkedAt: MonotonicMs }) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param serverUs what the server's clock said at some moment between `sentAt` and `receivedAt` */
  observe(serverUs: number, sentAt: MonotonicMs, receivedAt: MonotonicMs): void {
    const low = serverUs - receivedAt * 1000;
    const high = serverUs - sentAt * 1000;
    const known = this.#known;
    const elapsedUs = known === undefined ? 0 : Math.max(0, receivedAt - known.checkedAt) * 1000;
    if (known === undefined || !isSame(known, { low, high }, elapsedUs)) {
      if (known !== undefined) this.#steppedAt = receivedAt;
      this.#known = { low, high, steadySince: serverUs, checkedAt: receivedAt };
      return;
    }
    const narrow = { low: Math.max(low, known.low), high: Math.min(high, known.high) };
    const distance = narrow.low <= narrow.high ? narrow : { low, high };
    this.#known = { ...distance, steadySince: known.steadySince, checkedAt: receivedAt };
  }

  /** @param checkedUs when the note was made, by the server's clock */
  adopt(note: ClockNote, checkedUs: number): void {
    const known = this.#known;
    if (known === undefined) return;
    const agoUs = this.nowUs() - checkedUs;
    if (agoUs < 0 || agoUs > NOTE_US_MAX || !isSame(known, note, agoUs)) return;
    this.#known = { ...known, steadySince: Math.min(known.steadySince, note.steadySince) };
  }

  get note(): ClockNote | null {
    return this.#known ?? null;
  }

  get isKnown(): boolean {
    return this.#known !== undefined;
  }

  get hasJustStepped(): boolean {
    return this.#steppedAt !== undefined && this.#clock.monotonicMs() - this.#steppedAt < DOUBT_MS;
  }

  /** The latest that the server's clock can say in so many milliseconds; null as long as nothing is known of it. */
  latestUs(inMs: number): number | null {
    return this.#known === undefined ? null : Math.ceil((this.#clock.monotonicMs() + inMs) * 1000 + this.#known.high);
  }

  /** The server's time now, or a little before it. This machine's, as long as nothing is known of it: for people alone. */
  nowUs(): number {
    if (this.#known === undefined) return Math.floor(this.#clock.wallMs() * 1000);
    return Math.floor(this.#clock.monotonicMs() * 1000 + this.#known.low);
  }

  reading(): Reading {
    const now = this.nowUs() / 1000;
    return { wall: wallMs(now), monotonic: monotonicMs(now), clock: SERVER_CLOCK };
  }

  /** Which clock a moment is on that was written as the server's time. @param isSure whether its writer expected it */
  clockOf(writtenUs: number, isSure: boolean): string {
    const isTrusted =
      isSure && writtenUs >= (this.#known?.steadySince ?? Infinity) && writtenUs <= this.nowUs() + FUTURE_US_MAX;
    return isTrusted ? SERVER_CLOCK : NO_CLOCK;
  }
}

/** Microseconds as the rows of stores have them. */
export function fromUs(us: number): WallMs & MonotonicMs {
  return (us / 1000) as WallMs & MonotonicMs;
}

export function toUs(ms: number): number {
  return Math.round(ms * 1000);
}

function isSame(a: Pick<ClockNote, "low" | "high">, b: Pick<ClockNote, "low" | "high">, elapsedUs: number): boolean {
  const slack = Math.min(SLACK_US + elapsedUs * DRIFT, SLACK_US_MAX);
  return b.low <= a.high + slack && b.high >= a.low - slack;
}
