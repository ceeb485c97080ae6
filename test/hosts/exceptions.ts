/**
 * What an asynchronous failover takes away, and nothing else: changes that the replica had not received are gone. The
 * store says so in its capabilities (docs/SPEC.md); here it is bounded to exactly those moments.
 */
import type { History, Violation } from "../chaos/history.ts";
import type { Journal, JournalEvent } from "../chaos/journal.ts";

export interface FailOver {
  /** What was acknowledged from here on may be lost. */
  readonly lostSinceAt: number;
  /** The replica has taken over. */
  readonly doneAt: number;
}

/** For so long after a failover nobody is given a name whose last holder may be unknown to the replica. */
export const HOLD_BACK_MS = 30_000;

/** The history in which an acknowledgement that may have been lost counts as an unknown outcome. */
export function withLostAcknowledgements(history: History, failOvers: readonly FailOver[]): History {
  const forget = (event: JournalEvent): JournalEvent =>
    event.kind === "increment-acknowledged" && wasLost(event.at, failOvers)
      ? { ...event, kind: "increment-unknown", code: "lost-at-failover" }
      : event;
  const journals = history.journals.map((journal): Journal => ({ ...journal, events: journal.events.map(forget) }));
  return { ...history, journals };
}

/** Whether a violation is one that an asynchronous failover explains: a lost identity, or a name that is held back. */
export function isExcepted(
  { guarantee, evidence }: Violation,
  history: History,
  failOvers: readonly FailOver[],
): boolean {
  const moments = evidence.map(momentOf).filter((at) => at !== undefined);
  if (guarantee === "G1") return moments.some((at) => wasLost(at, failOvers));
  const heldBackMs = HOLD_BACK_MS + 2 * history.ttlMs;
  return (
    guarantee === "G6" &&
    moments.some((at) => failOvers.some(({ lostSinceAt, doneAt }) => at >= lostSinceAt && at <= doneAt + heldBackMs))
  );
}

function wasLost(at: number, failOvers: readonly FailOver[]): boolean {
  return failOvers.some(({ lostSinceAt, doneAt }) => at >= lostSinceAt && at <= doneAt);
}

/** When what the evidence tells was answered. */
function momentOf(evidence: unknown): number | undefined {
  return typeof evidence === "object" && evidence !== null && "at" in evidence && typeof evidence.at === "number"
    ? evidence.at
    : undefined;
}
