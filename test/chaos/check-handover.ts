import { endOf, eventsOf, type GrantLife, grantLives, type History, type Violation, wasDisturbed } from "./history.ts";
import type { Journal } from "./journal.ts";

/**
 * How far back a disturbance can still be the cause: a holder silent for a TTL, seen by a taker that watches for another
 * TTL, and one more for the answer.
 */
const MEMORY_TTLS = 3;

/** A holder that journals every few milliseconds and then nothing for this part of a TTL may have missed its refresh. */
const STALL_TTL_SHARE = 0.2;

/** G7, and G5 where a former holder's release is the likely culprit: no hold ends without a cause. */
export function checkHandover(history: History): Violation[] {
  const causes = new Causes(history);
  return [...Map.groupBy(grantLives(history), (life) => life.grant.name).values()].flatMap((lives) => {
    const ordered = inOrderOfHolding(lives);
    return ordered.flatMap((life, index) => unexplainedEnd(life, ordered.slice(0, index), ordered[index + 1], causes));
  });
}

function inOrderOfHolding(lives: readonly GrantLife[]): readonly GrantLife[] {
  return lives.every((life) => life.grant.token !== null)
    ? lives.toSorted((a, b) => (a.grant.token ?? 0) - (b.grant.token ?? 0))
    : lives;
}

function unexplainedEnd(
  life: GrantLife,
  former: readonly GrantLife[],
  successor: GrantLife | undefined,
  causes: Causes,
): Violation[] {
  const endAt = Math.min(life.lostAt ?? Infinity, successor?.grant.at ?? Infinity);
  if (endAt === Infinity || causes.explain(life, endAt)) return [];
  const culprit = former.find((other) => other.releaseAskedAt !== null && isWithin(other.releaseAskedAt, life, endAt));
  return [
    {
      guarantee: culprit === undefined ? "G7" : "G5",
      message:
        culprit === undefined
          ? `${life.process} lost ${life.grant.name} without a cause`
          : `${life.process} lost ${life.grant.name} when ${culprit.process}, a former holder, released`,
      evidence: [life.grant, { lostAt: life.lostAt }, successor?.grant, culprit?.grant],
    },
  ];
}

function isWithin(at: number, life: GrantLife, endAt: number): boolean {
  return at > life.grant.at && at <= endAt;
}

/** What may end a hold. Looked for, not weighed. */
class Causes {
  readonly #history: History;
  readonly #journals: ReadonlyMap<string, Journal>;

  constructor(history: History) {
    this.#history = history;
    this.#journals = new Map(history.journals.map((journal) => [journal.process, journal]));
  }

  explain(life: GrantLife, endAt: number): boolean {
    if ((life.releaseAskedAt ?? Infinity) <= endAt || endOf(this.#history, life.process) <= endAt) return true;
    const sinceAt = endAt - MEMORY_TTLS * this.#history.ttlMs;
    return (
      wasDisturbed(this.#history, sinceAt, endAt) ||
      this.#hadStalled(life, sinceAt, endAt) ||
      this.#hadWarned(life, sinceAt, endAt)
    );
  }

  #hadStalled(life: GrantLife, sinceAt: number, endAt: number): boolean {
    const stallMs = STALL_TTL_SHARE * this.#history.ttlMs;
    const moments = life.beliefs
      .flatMap((belief) => [belief.beforeAt, belief.afterAt])
      .filter((at) => at >= sinceAt && at <= endAt);
    return [...moments, endAt].some(
      (at, index) => at - (moments[index - 1] ?? Math.max(sinceAt, life.grant.at)) >= stallMs,
    );
  }

  #hadWarned(life: GrantLife, sinceAt: number, endAt: number): boolean {
    const journal = this.#journals.get(life.process);
    return (
      journal !== undefined &&
      eventsOf(journal, "jeopardy").some(
        (event) => event.claim === life.grant.claim && event.at >= sinceAt && event.at <= endAt,
      )
    );
  }
}
