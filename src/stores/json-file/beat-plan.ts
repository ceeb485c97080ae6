/**
 * The next heartbeat of one holder, prepared: where in the registry's bytes its times stand. Times are always as long, so
 * while nobody else writes, a beat is those bytes with other times, however many names are held; nothing is parsed.
 */
import { formatDatetime } from "../../core/text/datetime-text.js";
import { findMember, type JsonObjectSpan, scanObject } from "../../core/text/json-scan.js";
import { scanRegistry } from "../../core/text/registry-scan.js";
import { later, type WallMs } from "../../core/timing.js";

/** A beat that was written, all of whose names were still the holder's. */
export interface LastBeat {
  readonly instance: string;
  readonly ttlMs: number;
  /** Name → fencing token. */
  readonly names: ReadonlyMap<string, number>;
}

export function isSameBeat(a: LastBeat, b: LastBeat): boolean {
  if (a.instance !== b.instance || a.ttlMs !== b.ttlMs || a.names.size !== b.names.size) return false;
  for (const [name, token] of a.names) if (b.names.get(name) !== token) return false;
  return true;
}

export class BeatPlan {
  readonly #ttlMs: number;
  /** Where the moment of the beat stands. */
  readonly #now: readonly number[];
  /** Where the locks' expiries stand. */
  readonly #expiry: readonly number[];

  private constructor(ttlMs: number, now: readonly number[], expiry: readonly number[]) {
    this.#ttlMs = ttlMs;
    this.#now = now;
    this.#expiry = expiry;
  }

  /** @returns undefined for a text in which times are spelled otherwise, or with letters of more than one byte */
  static of(bytes: Buffer, { names, ttlMs }: LastBeat): BeatPlan | undefined {
    const text = bytes.toString("utf8");
    if (text.length !== bytes.length) return undefined;
    const entries = new Map(scanRegistry(text).object.members.map((member) => [member.key, member.valueStart]));
    const now = [timeIn(text, scanObject(text), "updated_at")];
    const expiry: (number | undefined)[] = [];
    for (const name of names.keys()) {
      const start = entries.get(name);
      const entry = start === undefined ? undefined : scanObject(text, start);
      const lock = entry && findMember(entry, "lock");
      if (entry === undefined || lock === undefined || text[lock.valueStart] !== "{") return undefined;
      const times = scanObject(text, lock.valueStart);
      now.push(timeIn(text, entry, "last_seen"), timeIn(text, times, "heartbeat_at"));
      expiry.push(timeIn(text, times, "expires_at"));
    }
    return areAll(now) && areAll(expiry) ? new BeatPlan(ttlMs, now, expiry) : undefined;
  }

  /** @param bytes as the last beat has left them */
  retimed(bytes: Buffer, now: WallMs): Buffer {
    const retimed = Buffer.from(bytes);
    const moment = Buffer.from(formatDatetime(now), "latin1");
    const expiry = Buffer.from(formatDatetime(later(now, this.#ttlMs)), "latin1");
    for (const at of this.#now) retimed.set(moment, at);
    for (const at of this.#expiry) retimed.set(expiry, at);
    return retimed;
  }
}

const TIME = /"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"/y;

/** Where the letters of a time stand, without its quotes. */
function timeIn(text: string, object: JsonObjectSpan, key: string): number | undefined {
  const member = findMember(object, key);
  if (member === undefined) return undefined;
  TIME.lastIndex = member.valueStart;
  return TIME.test(text) ? member.valueStart + 1 : undefined;
}

function areAll(offsets: readonly (number | undefined)[]): offsets is readonly number[] {
  return offsets.every((offset) => offset !== undefined);
}
