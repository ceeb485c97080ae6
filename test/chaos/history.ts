/** Everything that the checker judges, and the one reading of it that all rules share: lives of grants. */
import type { Journal, JournalEvent } from "./journal.ts";

/**
 * What was done to the processes. `target` is a process's journal name; `*` for a full disk. An outage is whatever was done
 * to the store's servers, or to the network between them and the processes; `target` says what.
 */
export interface Fault {
  readonly kind: "kill" | "stop" | "clock-step" | "full-disk" | "outage";
  readonly target: string;
  readonly fromAt: number;
  readonly untilAt: number;
}

/** A line of the guarded resource's own log, in the order in which it decided, under its own lock. */
export interface ResourceDecision {
  readonly name: string;
  readonly process: string;
  /** Null when a write came without any token. */
  readonly token: number | null;
  readonly accepted: boolean;
}

/** What the registry file and its readers said after everything had ended. */
export interface FinalState {
  readonly ids: ReadonlyMap<string, string>;
  readonly counters: ReadonlyMap<string, number>;
}

export interface History {
  readonly journals: readonly Journal[];
  readonly faults: readonly Fault[];
  readonly resource: readonly ResourceDecision[];
  readonly final: FinalState;
  readonly names: readonly string[];
  readonly ttlMs: number;
  /** After this no fault was injected. */
  readonly faultsEndedAt: number;
  /** Within this time after `faultsEndedAt` every name must have been granted to somebody. */
  readonly livenessBoundMs: number;
}

export type EventOf<K extends JournalEvent["kind"]> = Extract<JournalEvent, { kind: K }>;

/** One grant, from its answer to the last that its holder believed of it. */
export interface GrantLife {
  readonly process: string;
  readonly grant: EventOf<"claim-granted">;
  /** In the order of the journal. */
  readonly beliefs: readonly EventOf<"belief">[];
  /**
   * The holder certainly believed that it held from `grant.at` to here: when the last sample with `held === true`
   * began. Null when no sample was positive (a grant that was stale on arrival claims nothing).
   */
  readonly believedUntil: number | null;
  readonly releaseAskedAt: number | null;
  readonly releasedAt: number | null;
  readonly lostAt: number | null;
}

export interface Violation {
  readonly guarantee: "G1" | "G2" | "G3" | "G4" | "G5" | "G6" | "G7" | "G9" | "G11" | "G12" | "journal";
  readonly message: string;
  /** The lines that prove it. */
  readonly evidence: readonly unknown[];
}

/** All grants of all journals, in the order in which they were answered. */
export function grantLives(history: Pick<History, "journals">): GrantLife[] {
  return history.journals.flatMap(livesOf).sort((a, b) => a.grant.at - b.grant.at);
}

/** When a process ended, by its own will or by a kill; Infinity when the history does not say. */
export function endOf(history: History, process: string): number {
  const finished = history.journals
    .filter((journal) => journal.process === process)
    .flatMap((journal) => eventsOf(journal, "finished").map((event) => event.at));
  const killed = history.faults.filter((fault) => fault.kind === "kill" && fault.target === process);
  return Math.min(...finished, ...killed.map((fault) => fault.fromAt));
}

/**
 * Whether something may have held everybody up: a stopped process may have held the file's lock; so does a full disk, and
 * an outage.
 */
export function wasDisturbed(history: History, sinceAt: number, untilAt: number): boolean {
  return history.faults.some(
    (fault) =>
      fault.kind !== "kill" && fault.kind !== "clock-step" && fault.fromAt <= untilAt && fault.untilAt >= sinceAt,
  );
}

export function eventsOf<K extends JournalEvent["kind"]>(journal: Journal, kind: K): EventOf<K>[] {
  return journal.events.filter((event): event is EventOf<K> => event.kind === kind);
}

function livesOf(journal: Journal): GrantLife[] {
  const ofClaim = Map.groupBy(journal.events, (event) => ("claim" in event ? event.claim : ""));
  return eventsOf(journal, "claim-granted").map((grant) => {
    const own = { process: journal.process, events: ofClaim.get(grant.claim) ?? [] };
    const beliefs = eventsOf(own, "belief");
    return {
      process: journal.process,
      grant,
      beliefs,
      believedUntil: beliefs.findLast((belief) => belief.held)?.beforeAt ?? null,
      releaseAskedAt: eventsOf(own, "release-asked")[0]?.at ?? null,
      releasedAt: eventsOf(own, "released")[0]?.at ?? null,
      lostAt: eventsOf(own, "lost")[0]?.at ?? null,
    };
  });
}
