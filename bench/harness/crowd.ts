import type { Holder } from "../../src/core/entry.ts";
import type { ChangePart, Store } from "../../src/stores/store.ts";
import type { Beats, GatherArgs } from "./protocol.ts";
import { median, quantile } from "./statistics.ts";

/** How many beats are under way at once when as many are made as can be. */
const FLAT_OUT_LANES = 64;
/** What is left of a TTL when a holder must believe its locks lost, as in namehold's own heartbeat. */
const DEADLINE_PART = 0.95;
/** After a beat that failed. */
const RETRY_MS = 500;
/** Processes were not started together: their beats are spread evenly, however many there are. */
const phaseOf = (index: number): number => (index * 0.618_034) % 1;

interface Member {
  readonly holder: Holder;
  /** Name → fencing token. */
  readonly names: Map<string, number>;
  dueAt: number;
  /** When the last beat that was answered was sent. */
  refreshedAt: number;
  timer: NodeJS.Timeout | undefined;
}

interface Tally {
  answered: number;
  failed: number;
  lost: number;
  readonly lateMs: number[];
}

/**
 * Many processes as their store sees them: holders, each with its own life, names and beats. One process and one store
 * object speak for all, so that what a thousand Node processes would cost beside is left out.
 */
export class Crowd {
  readonly #store: Store;
  readonly #args: GatherArgs;
  readonly #members: Member[] = [];
  #tally = newTally();

  constructor(store: Store, args: GatherArgs) {
    this.#store = store;
    this.#args = args;
  }

  /** Who has its names beats from then on. */
  async gather(): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < this.#args.holders) {
        const index = next;
        next += 1;
        await this.#join(index);
      }
    };
    await Promise.all(Array.from({ length: this.#args.concurrency }, lane));
  }

  async beatInTime(forMs: number): Promise<Beats> {
    const tally = this.#startTally();
    const startedAt = performance.now();
    await new Promise((resolve) => setTimeout(resolve, forMs));
    const elapsedMs = performance.now() - startedAt;
    this.#startTally();
    for (const member of this.#members) this.#mindDeadline(member, tally);
    return told(tally, elapsedMs);
  }

  /** The last thing that it does: nobody beats in time any more. */
  async beatFlatOut(forMs: number): Promise<Beats> {
    for (const member of this.#members) clearTimeout(member.timer);
    const tally = this.#startTally();
    const startedAt = performance.now();
    let next = 0;
    const lane = async (): Promise<void> => {
      while (performance.now() - startedAt < forMs) {
        const member = this.#members[next % this.#members.length];
        next += 1;
        if (member === undefined) return;
        member.dueAt = performance.now();
        await this.#beat(member);
      }
    };
    await Promise.all(Array.from({ length: FLAT_OUT_LANES }, lane));
    return told(tally, performance.now() - startedAt);
  }

  async #join(index: number): Promise<void> {
    const { namesEach, namesPerChange, ttlMs, heartbeatMs } = this.#args;
    const holder: Holder = { instance: idAt(index), pid: index + 1, host: `host-${index}`, ttlMs };
    const names = new Map<string, number>();
    let grantedAt = 0;
    for (let from = 0; from < namesEach; from += namesPerChange) {
      const count = Math.min(namesPerChange, namesEach - from);
      const parts = Array.from({ length: count }, (_, i) => grantOf(index * namesEach + from + i));
      grantedAt = performance.now();
      const result = await this.#store.commit({ holder, parts });
      if (result.kind !== "done") throw new Error(`The names of process ${index} could not be taken: ${result.kind}`);
      for (const [name, { record }] of result.snapshots) names.set(name, record?.token ?? 0);
    }
    const dueAt = performance.now() + heartbeatMs * phaseOf(index);
    const member: Member = { holder, names, dueAt, refreshedAt: grantedAt, timer: undefined };
    this.#members.push(member);
    this.#schedule(member);
  }

  #schedule(member: Member): void {
    member.timer = setTimeout(() => void this.#turn(member), Math.max(0, member.dueAt - performance.now()));
  }

  async #turn(member: Member): Promise<void> {
    const isAnswered = await this.#beat(member);
    const now = performance.now();
    member.dueAt = isAnswered ? member.dueAt + this.#args.heartbeatMs : now + RETRY_MS;
    this.#schedule(member);
  }

  async #beat(member: Member): Promise<boolean> {
    const sentAt = performance.now();
    try {
      const losses = await this.#store.heartbeat(member.holder, member.names);
      const tally = this.#tally;
      this.#mindDeadline(member, tally);
      member.refreshedAt = sentAt;
      for (const name of losses.keys()) member.names.delete(name);
      tally.lost += losses.size;
      tally.answered += 1;
      tally.lateMs.push(performance.now() - member.dueAt);
      return true;
    } catch {
      this.#tally.failed += 1;
      return false;
    }
  }

  /** Who was not refreshed by its deadline has lost its names, whatever the store says later. */
  #mindDeadline({ names, refreshedAt, holder }: Member, tally: Tally): void {
    if (performance.now() - refreshedAt < holder.ttlMs * DEADLINE_PART) return;
    tally.lost += names.size;
    names.clear();
  }

  #startTally(): Tally {
    this.#tally = newTally();
    return this.#tally;
  }
}

function newTally(): Tally {
  return { answered: 0, failed: 0, lost: 0, lateMs: [] };
}

function told({ answered, failed, lost, lateMs }: Tally, elapsedMs: number): Beats {
  if (answered === 0) throw new Error(`None of ${failed} heartbeats was answered.`);
  const late = { median: median(lateMs), p99: quantile(lateMs, 0.99), max: quantile(lateMs, 1) };
  return { answered, failed, lost, lateMs: late, elapsedMs };
}

function grantOf(index: number): ChangePart {
  const write = { id: idAt(index), componentType: "node", lock: { kind: "grant" } } as const;
  return { kind: "put", name: `node_${index}`, expect: "absent", write };
}

function idAt(index: number): string {
  return `01JD${String(index).padStart(22, "0")}`;
}
