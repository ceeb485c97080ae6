import { endOf, eventsOf, grantLives, type History, type Violation, wasDisturbed } from "./history.ts";

/**
 * How long a waiter may go without the name while nobody has it: a TTL for a grant that its holder never learned of, and
 * one for a place in the queue that nobody used.
 */
const IDLE_TTLS = 2;

/** G6: once faults end no name stays blocked, and until then no waiter waits for the dead. */
export function checkLiveness(history: History): Violation[] {
  return [...blockedAtEnd(history), ...waitedForNobody(history)];
}

function blockedAtEnd(history: History): Violation[] {
  const deadlineAt = history.faultsEndedAt + history.livenessBoundMs;
  const grants = history.journals.flatMap((journal) => eventsOf(journal, "claim-granted"));
  return history.names.flatMap((name) => {
    const isServed = grants.some(
      (grant) => grant.name === name && grant.at >= history.faultsEndedAt && grant.at <= deadlineAt,
    );
    if (isServed) return [];
    const evidence = [{ name, faultsEndedAt: history.faultsEndedAt, boundMs: history.livenessBoundMs }];
    return [{ guarantee: "G6" as const, message: `${name} stayed blocked after the last fault`, evidence }];
  });
}

/** Waits in vain, at whose end nobody had held the name for long, nor was anything disturbed. */
function waitedForNobody(history: History): Violation[] {
  const idleMs = IDLE_TTLS * history.ttlMs;
  const holds = possibleHolds(history);
  return history.journals
    .flatMap((journal) => eventsOf(journal, "claim-refused"))
    .filter((wait) => wait.code === "wait-timeout" && wait.at - wait.askedAt >= idleMs)
    .filter((wait) => !wasDisturbed(history, wait.at - idleMs, wait.at))
    .filter(
      (wait) =>
        !holds.some((hold) => hold.name === wait.name && hold.fromAt <= wait.at && hold.untilAt >= wait.at - idleMs),
    )
    .map((wait) => ({
      guarantee: "G6" as const,
      message: `nobody held ${wait.name}, and yet a waiter was not given it`,
      evidence: [wait],
    }));
}

interface PossibleHold {
  readonly name: string;
  readonly fromAt: number;
  readonly untilAt: number;
}

/** From the asking, since the grant may have been written long before its answer, to the latest end that is known. */
function possibleHolds(history: History): PossibleHold[] {
  return grantLives(history).map((life) => ({
    name: life.grant.name,
    fromAt: life.grant.askedAt,
    untilAt: Math.min(life.releasedAt ?? Infinity, life.lostAt ?? Infinity, endOf(history, life.process)),
  }));
}
