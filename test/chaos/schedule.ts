/** What will be done to the processes, and when: a function of the seed alone, so that a seed repeats a run. */
import type { SeededRandom } from "./seeded-random.ts";

export type PlannedFault =
  | { readonly kind: "kill"; readonly atMs: number; readonly slot: number }
  /** SIGSTOP, and after `forMs` SIGCONT, or SIGKILL while it is stopped. */
  | {
      readonly kind: "stop";
      readonly atMs: number;
      readonly slot: number;
      readonly forMs: number;
      readonly thenKill: boolean;
    }
  /** The wall clock of one process jumps to the true time plus this offset. */
  | { readonly kind: "clock-step"; readonly atMs: number; readonly slot: number; readonly offsetSeconds: number }
  /** The registry's disk is filled up to `freePages` pages of 4 KiB. */
  | { readonly kind: "full-disk"; readonly atMs: number; readonly forMs: number; readonly freePages: number };

export interface ScheduleOptions {
  readonly slots: number;
  readonly forMs: number;
  readonly ttlMs: number;
  readonly kinds: ReadonlySet<PlannedFault["kind"]>;
}

/** The part of a run in which nothing may delay a living holder: there, every loss is a bug (G7). */
const UNDELAYED_SHARE = 0.4;

/** What delays no living holder. A kind that stands twice comes twice as often. */
const HARMLESS: readonly PlannedFault["kind"][] = ["kill", "kill", "clock-step"];
const DELAYING: readonly PlannedFault["kind"][] = ["kill", "stop", "stop", "stop", "clock-step", "full-disk"];

/** One fault in this time, on average. */
const MEAN_GAP_MS = 500;

/** In order of time. Kills and clock steps throughout; stops and full disks after the undelayed part. */
export function planFaults(random: SeededRandom, options: ScheduleOptions): PlannedFault[] {
  const faults: PlannedFault[] = [];
  const harmless = new Deck(
    random,
    HARMLESS.filter((kind) => options.kinds.has(kind)),
  );
  const delaying = new Deck(
    random,
    DELAYING.filter((kind) => options.kinds.has(kind)),
  );
  let diskFreeAt = 0;
  for (let atMs = random.between(0, MEAN_GAP_MS); atMs < options.forMs; atMs += random.between(0, 2 * MEAN_GAP_MS)) {
    const deck = atMs < options.forMs * UNDELAYED_SHARE ? harmless : delaying;
    const fault = drawFault(random, deck.deal(atMs < diskFreeAt ? "full-disk" : undefined), atMs, options);
    if (fault.kind === "full-disk") diskFreeAt = atMs + fault.forMs;
    faults.push(fault);
  }
  return faults;
}

/** Dealt out to the last card before it is shuffled anew, so that chance keeps no kind out of a run. */
class Deck {
  readonly #random: SeededRandom;
  readonly #cards: readonly PlannedFault["kind"][];
  #left: PlannedFault["kind"][] = [];

  constructor(random: SeededRandom, cards: readonly PlannedFault["kind"][]) {
    this.#random = random;
    this.#cards = cards;
  }

  /** @param not what cannot be done now; it stays in the deck */
  deal(not: PlannedFault["kind"] | undefined): PlannedFault["kind"] {
    const allowed = this.#left.filter((kind) => kind !== not);
    if (allowed.length === 0) {
      this.#left.push(...this.#cards);
      allowed.push(...this.#cards.filter((kind) => kind !== not));
    }
    const dealt = this.#random.pick(allowed);
    this.#left.splice(this.#left.indexOf(dealt), 1);
    return dealt;
  }
}

function drawFault(
  random: SeededRandom,
  kind: PlannedFault["kind"],
  atMs: number,
  options: ScheduleOptions,
): PlannedFault {
  const slot = random.below(options.slots);
  switch (kind) {
    case "kill":
      return { kind, atMs, slot };
    case "stop": {
      // Half of the stops end before the TTL, half after it.
      const forMs = options.ttlMs * (random.chance(0.5) ? random.between(0.1, 1) : random.between(1, 2.5));
      return { kind, atMs, slot, forMs, thenKill: random.chance(0.15) };
    }
    case "clock-step": {
      const hour = 3_600;
      return { kind, atMs, slot, offsetSeconds: random.pick([0, hour, -hour, 60, -60, random.between(-hour, hour)]) };
    }
    case "full-disk":
      return { kind, atMs, forMs: random.between(0.2, 1.2) * options.ttlMs, freePages: random.below(4) };
    default:
      return kind satisfies never;
  }
}

export function describeFault(fault: PlannedFault): string {
  const at = `${(fault.atMs / 1000).toFixed(3)} s`;
  switch (fault.kind) {
    case "kill":
      return `${at}  kill slot ${fault.slot}`;
    case "stop":
      return `${at}  stop slot ${fault.slot} for ${Math.round(fault.forMs)} ms${fault.thenKill ? ", then kill" : ""}`;
    case "clock-step":
      return `${at}  clock of slot ${fault.slot} to ${fault.offsetSeconds.toFixed(0)} s off`;
    case "full-disk":
      return `${at}  disk full but for ${fault.freePages} pages, for ${Math.round(fault.forMs)} ms`;
    default:
      return fault satisfies never;
  }
}
