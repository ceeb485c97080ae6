/** What will be done to the servers and to the network, and when: a function of the seed alone. */
import type { SeededRandom } from "../chaos/seeded-random.ts";
import type { RelayMode } from "./relay-protocol.ts";

/** A server by its part: parts move between hosts, and the plan is made before anybody knows where they are. */
export type ServerPart = "leader" | "follower";

type Harm =
  /** Nothing goes between this host and all others; on it, everything does. */
  | { readonly kind: "isolate"; readonly host: string }
  | { readonly kind: "unplug"; readonly host: string }
  /** One way: what the other side answers does arrive. */
  | { readonly kind: "cut"; readonly from: string; readonly to: string }
  | { readonly kind: "split"; readonly side: readonly string[] }
  | { readonly kind: "slow"; readonly host: string; readonly kbitPerSecond: number }
  | { readonly kind: "lose"; readonly host: string; readonly percent: number }
  | { readonly kind: "reset"; readonly part: ServerPart }
  | { readonly kind: "relay"; readonly mode: RelayMode }
  | { readonly kind: "server-kill"; readonly part: ServerPart }
  | { readonly kind: "server-stop"; readonly part: ServerPart }
  | { readonly kind: "all-killed" }
  /** There, and back. */
  | { readonly kind: "server-clock"; readonly part: ServerPart; readonly offsetSeconds: number };

export type PlannedOutage =
  | ({ readonly atMs: number; readonly forMs: number } & Harm)
  /** For so long before its death the primary's changes do not reach the replica. */
  | { readonly kind: "fail-over"; readonly atMs: number; readonly forMs: number; readonly behindMs: number };

export interface OutageScheduleOptions {
  readonly hosts: readonly string[];
  readonly forMs: number;
  readonly ttlMs: number;
  /** Whether the wall clocks of servers can be stepped. */
  readonly stepsClocks: boolean;
  /** When a replica takes over; empty for a store that has none. */
  readonly failOversAtMs: readonly number[];
}

/** The part of a run in which the store is whole: there, no loss has an excuse. */
const WHOLE_SHARE = 0.2;
const GAP_MS_MAX = 2_500;
const CERTAIN_TTLS = 2.3;

/** In order of time, one after another: each is over before the next begins. */
export function planOutages(random: SeededRandom, options: OutageScheduleOptions): PlannedOutage[] {
  const outages: PlannedOutage[] = [];
  const failOvers = [...options.failOversAtMs];
  const deck = new Deck(random, options);
  let atMs = options.forMs * WHOLE_SHARE;
  // No run is without a host that is cut off for longer than any call may take.
  const certain = {
    kind: "isolate",
    host: options.hosts.at(-1) ?? "",
    atMs,
    forMs: CERTAIN_TTLS * options.ttlMs,
  } as const;
  outages.push(certain);
  atMs += certain.forMs + random.between(0, GAP_MS_MAX);
  while (atMs < options.forMs) {
    const failOver = (failOvers[0] ?? Infinity) <= atMs;
    // Half of them end before the TTL, half after it.
    const forMs = options.ttlMs * (random.chance(0.5) ? random.between(0.1, 1) : random.between(1, 2.5));
    if (failOver) {
      failOvers.shift();
      outages.push({ kind: "fail-over", atMs, forMs: 0, behindMs: random.between(0, 1_500) });
    } else outages.push({ ...deck.draw(), atMs, forMs });
    atMs += (failOver ? 0 : forMs) + random.between(0, GAP_MS_MAX);
  }
  return outages;
}

/** Every kind comes before any comes again, so that a short run too sees most of them. */
class Deck {
  readonly #random: SeededRandom;
  readonly #hosts: readonly string[];
  readonly #stepsClocks: boolean;
  #cards: (() => Harm)[] = [];

  constructor(random: SeededRandom, { hosts, stepsClocks }: OutageScheduleOptions) {
    this.#random = random;
    this.#hosts = hosts;
    this.#stepsClocks = stepsClocks;
  }

  draw(): Harm {
    if (this.#cards.length === 0) this.#cards = this.#all();
    const [card] = this.#cards.splice(this.#random.below(this.#cards.length), 1);
    if (card === undefined) throw new RangeError("the deck is empty");
    return card();
  }

  #all(): (() => Harm)[] {
    const random = this.#random;
    const host = (): string => random.pick(this.#hosts);
    const part = (): ServerPart => (random.chance(0.5) ? "leader" : "follower");
    return [
      () => ({ kind: "isolate", host: host() }),
      () => ({ kind: "unplug", host: host() }),
      () => this.#cut(),
      () => this.#split(),
      () => ({ kind: "slow", host: host(), kbitPerSecond: random.pick([32, 64, 128]) }),
      () => ({ kind: "lose", host: host(), percent: random.pick([5, 20, 40]) }),
      () => ({ kind: "reset", part: part() }),
      () => ({ kind: "relay", mode: "duplicate" }),
      () => ({ kind: "relay", mode: "cut-replies" }),
      () => ({ kind: "relay", mode: "swallow" }),
      () => ({ kind: "relay", mode: "delay" }),
      () => ({ kind: "server-kill", part: "leader" }),
      () => ({ kind: "server-kill", part: "follower" }),
      () => ({ kind: "server-stop", part: "leader" }),
      () => ({ kind: "server-stop", part: "follower" }),
      () => ({ kind: "all-killed" }),
      ...(this.#stepsClocks ? [() => this.#stepClock(), () => this.#stepClock()] : []),
    ];
  }

  #stepClock(): Harm {
    const offsetSeconds = this.#random.pick([2, 60, 3_600]) * (this.#random.chance(0.5) ? 1 : -1);
    return { kind: "server-clock", part: "leader", offsetSeconds };
  }

  #cut(): Harm {
    const from = this.#random.pick(this.#hosts);
    return { kind: "cut", from, to: this.#random.pick(this.#hosts.filter((host) => host !== from)) };
  }

  #split(): Harm {
    const apart = this.#random.below(this.#hosts.length);
    return { kind: "split", side: [this.#hosts[apart] ?? "", this.#hosts[(apart + 1) % this.#hosts.length] ?? ""] };
  }
}

export function describeOutage(outage: PlannedOutage): string {
  const { kind, atMs, forMs, ...how } = outage;
  const details = Object.values(how).map((value) => (typeof value === "number" ? Math.round(value) : String(value)));
  return `${(atMs / 1000).toFixed(3)} s  ${[kind, ...details].join(" ")}${forMs > 0 ? ` for ${Math.round(forMs)} ms` : ""}`;
}
