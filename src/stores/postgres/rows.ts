/** What PostgreSQL answers, made into the rows of the records. */
import type { ComponentType } from "../../core/entry.js";
import { RECOVERY_INSTANCE } from "../../core/lock-rules.js";
import type { Revocation } from "../../core/record.js";
import type { EntryRow, LockRow, Looked, Pulse, WaiterRow } from "../records/rows.js";
import { decodeText, nameOf } from "./encoded-text.js";
import { fromUs, type ServerClock, toUs } from "./server-clock.js";

/** What every answer begins with. */
export type Head = readonly [
  serverUs: number,
  adoptions: number,
  floor: number,
  recoveredUs: number | null,
  holdbackMs: number,
];

export type LookedTuple = readonly [
  key: string,
  full: string | null,
  entry: EntryTuple | null,
  former: LockTuple | null,
  queue: readonly WaiterTuple[] | null,
];

type EntryTuple = readonly [
  id: string,
  componentType: string,
  source: string,
  version: number,
  lastSeen: number | null,
  waiters: number,
  lock: LockTuple | null,
];

type LockTuple = readonly [
  life: number,
  instance: string,
  pid: number,
  host: string,
  ttlMs: number,
  token: number,
  acquired: number,
  refreshed: number,
  isSure: boolean,
  follows: boolean,
  revocation: string | null,
  id: string | null,
  beat: number | null,
  beatAt: number | null,
  isBeatSure: boolean | null,
  /** Whether that was after its own last refresh: the times do not tell, since the clock may step back. */
  isBeatLast: boolean | null,
];

type WaiterTuple = readonly [
  ticket: string,
  instance: string,
  since: number,
  offered: number | null,
  waitingAt: number,
  ttlMs: number,
];

/** Its own life counts, whoever may be the next: an entry is there. */
const WRITTEN = 1;
/** A waiter's sign of life may be so far ahead of what this process takes for the server's time. */
const AHEAD_MS = 1_000;
const NO_LIFE = 0;

/** After a promotion or a restored backup: who was granted what was lost in it may act until this time is over. */
export interface Recovery {
  readonly recoveredUs: number;
  readonly holdbackMs: number;
}

export function recoveryIn([, , , recoveredUs, holdbackMs]: Head): Recovery | null {
  return recoveredUs === null ? null : { recoveredUs, holdbackMs };
}

export class RowReader {
  readonly #clock: ServerClock;
  readonly #recovery: Recovery | null;

  constructor(clock: ServerClock, recovery: Recovery | null) {
    this.#clock = clock;
    this.#recovery = recovery;
  }

  looked([key, full, entry, former, queue]: LookedTuple, name = nameOf(key, full)): Looked {
    const row = entry === null ? null : this.#entry(name, entry);
    const kept = former === null ? this.#heldBack() : this.#lock(former, former[11] ?? "");
    return { name, row, former: row?.lock == null ? kept : null, queue: this.#queue(queue ?? []) };
  }

  #entry(name: string, [id, componentType, source, version, lastSeen, waiters, lock]: EntryTuple): EntryRow {
    return {
      n: WRITTEN,
      name,
      id: decodeText(id),
      componentType: componentType as ComponentType,
      source: decodeText(source),
      version,
      lastSeen: lastSeen === null ? null : fromUs(lastSeen),
      waiters,
      lock: lock === null ? null : this.#lock(lock, id),
    };
  }

  #lock(t: LockTuple, entryId: string): LockRow {
    const [
      life,
      instance,
      pid,
      host,
      ttlMs,
      token,
      acquired,
      refreshed,
      ,
      follows,
      revocation,
      id,
      ,
      beatAt,
      ,
      isBeatLast,
    ] = t;
    const pulse = this.#pulse(t);
    // Whichever was last is the later one here.
    const refreshedUs = isBeatLast === true && beatAt !== null ? Math.min(refreshed, beatAt) : refreshed;
    return {
      id: decodeText(id ?? entryId),
      life,
      instance: decodeText(instance),
      pid,
      host: decodeText(host),
      // Who holds it for longer than is written here may have been granted it in what was lost.
      ttlMs: Math.max(ttlMs, this.#recovery?.holdbackMs ?? 0),
      token,
      acquiredAt: fromUs(acquired),
      refreshedAt: fromUs(follows ? refreshedUs : refreshed),
      refreshedWall: fromUs(follows ? refreshedUs : refreshed),
      follows,
      revocation: revocation === null ? null : (JSON.parse(decodeText(revocation)) as Revocation),
      pulse,
    };
  }

  #pulse([
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    refreshed,
    isSure,
    follows,
    ,
    ,
    beat,
    beatAt,
    isBeatSure,
    isBeatLast,
  ]: LockTuple): Pulse | null {
    if (beat === null || beatAt === null) return this.#recovery && this.#pulseOfRecovery(this.#recovery);
    const isLast = follows && isBeatLast === true;
    const at = fromUs(isLast ? beatAt : Math.min(beatAt, refreshed));
    // A beat that came after the refresh and is older by the clock: that has stepped back, or the two have crossed.
    const isPlain = isLast ? isBeatSure === true && beatAt >= refreshed : isSure;
    return { beat, at, wallAt: at, clock: this.#clock.clockOf(isLast ? beatAt : refreshed, isPlain) };
  }

  /** Nobody's lock, by which what is free is held back. */
  #heldBack(): LockRow | null {
    if (this.#recovery === null) return null;
    const { recoveredUs, holdbackMs } = this.#recovery;
    const at = fromUs(recoveredUs);
    return {
      id: "",
      life: NO_LIFE,
      instance: RECOVERY_INSTANCE,
      pid: 0,
      host: "",
      ttlMs: holdbackMs,
      token: 0,
      acquiredAt: at,
      refreshedAt: at,
      refreshedWall: at,
      follows: false,
      revocation: null,
      pulse: this.#pulseOfRecovery(this.#recovery),
    };
  }

  #pulseOfRecovery({ recoveredUs }: Recovery): Pulse {
    const at = fromUs(recoveredUs);
    return { beat: 0, at, wallAt: at, clock: this.#clock.clockOf(recoveredUs, true) };
  }

  /** Those that give signs of life. */
  #queue(queue: readonly WaiterTuple[]): readonly WaiterRow[] {
    const nowMs = this.#clock.nowUs() / 1000;
    const isAlive = ([, , , , waitingAt, ttlMs]: WaiterTuple): boolean => {
      const silentMs = nowMs - waitingAt / 1000;
      return silentMs > -AHEAD_MS && silentMs < ttlMs;
    };
    return queue.filter(isAlive).map(([ticket, instance, since, offered]) => ({
      ticket: decodeText(ticket),
      instance: decodeText(instance),
      since: fromUs(since),
      // An offer from the future was made before the clock stepped back: it is made again.
      offeredAt: offered === null || offered / 1000 > nowMs + AHEAD_MS ? null : fromUs(offered),
    }));
  }
}

/** The holder as the server names him when it compares (HOLDER_OF in reading-sql.ts). */
export function holderKey({ life, follows, refreshedAt, pulse }: LockRow): string {
  if (pulse === null) return `${life} over`;
  return follows ? `${life} beat ${pulse.beat}` : `${life} at ${toUs(refreshedAt)}`;
}
