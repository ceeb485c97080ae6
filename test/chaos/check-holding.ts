import { type EventOf, type GrantLife, grantLives, type History, type Violation } from "./history.ts";

type Belief = EventOf<"belief">;

/** G2 and G4: one believer at a time, and an end of belief that comes in time and stays. */
export function checkHolding(history: History): Violation[] {
  const lives = Map.groupBy(grantLives(history), (life) => life.grant.name);
  return [...lives.values()].flatMap((ofName) => [
    ...beliefsAtOnce(ofName),
    ...ofName.flatMap((life) => [...beliefsAfterSuccessor(life, ofName), ...beliefsReturned(life)]),
  ]);
}

/** G2. `lives` are in the order of their answers, so a sweep that remembers the longest belief sees every overlap. */
function beliefsAtOnce(lives: readonly GrantLife[]): Violation[] {
  const violations: Violation[] = [];
  let longest: GrantLife | undefined;
  for (const life of lives) {
    if (life.believedUntil === null) continue;
    if (longest?.believedUntil != null && life.grant.at < longest.believedUntil) {
      violations.push({
        guarantee: "G2",
        message: `${life.grant.name} was held by ${longest.process} and by ${life.process} at once`,
        evidence: [longest.grant, longest.beliefs.findLast((belief) => belief.held), life.grant],
      });
    }
    if (life.believedUntil > (longest?.believedUntil ?? -Infinity)) longest = life;
  }
  return violations;
}

/** G4. A sample is wrong only if it BEGAN after the successor had its answer: its reading was later still. */
function beliefsAfterSuccessor(life: GrantLife, lives: readonly GrantLife[]): Violation[] {
  const successor = lives.find((other) => other !== life && isLater(other, life));
  if (successor === undefined) return [];
  const late = life.beliefs.find((belief) => belief.beforeAt > successor.grant.at && isPositive(belief, life));
  if (late === undefined) return [];
  const what = late.held ? "still held" : "had a signal that was not aborted";
  return [
    {
      guarantee: "G4",
      message: `${life.process} ${what} ${life.grant.name} after it was granted to ${successor.process}`,
      evidence: [life.grant, successor.grant, late],
    },
  ];
}

/** Whether `other` was certainly granted after `life`. Most claims wait, so their windows overlap: tokens decide. */
function isLater(other: GrantLife, life: GrantLife): boolean {
  if (other.grant.token !== null && life.grant.token !== null) return other.grant.token > life.grant.token;
  return other.grant.askedAt >= life.grant.at;
}

/** After its own release a holder knows; whether the signal then aborts is not part of G4. */
function isPositive(belief: Belief, life: GrantLife): boolean {
  return belief.held || (!belief.signalAborted && belief.beforeAt < (life.releaseAskedAt ?? Infinity));
}

/** G4. A lost claim never comes back to life, nor a released one, nor is an abort undone. */
function beliefsReturned(life: GrantLife): Violation[] {
  const endedAt = Math.min(life.releasedAt ?? Infinity, life.lostAt ?? Infinity);
  let wasFalse = false;
  let wasAborted = false;
  for (const belief of life.beliefs) {
    const undone = wasAborted && !belief.signalAborted;
    if (undone || (belief.held && (wasFalse || belief.beforeAt > endedAt))) {
      return [
        {
          guarantee: "G4",
          message: `the ended claim ${life.grant.claim} of ${life.process} on ${life.grant.name} came back to life`,
          evidence: [life.grant, belief],
        },
      ];
    }
    wasFalse ||= !belief.held;
    wasAborted ||= belief.signalAborted;
  }
  return [];
}
