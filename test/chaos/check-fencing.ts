import {
  eventsOf,
  type GrantLife,
  grantLives,
  type History,
  type ResourceDecision,
  type Violation,
} from "./history.ts";

/** G3 and G5: tokens rise, and the guarded resource obeyed them. */
export function checkFencing(history: History): Violation[] {
  const lives = grantLives(history);
  return [
    ...missingTokens(history),
    ...[...Map.groupBy(lives, (life) => life.grant.name).values()].flatMap((ofName) => [
      ...repeatedTokens(ofName),
      ...tokensInOrderOfAnswers(ofName),
      ...tokensInOrderOfBelief(ofName),
    ]),
    ...[...Map.groupBy(history.resource, (decision) => decision.name).values()].flatMap(fenceOrder),
    ...strangersAtResource(history, lives),
    ...lostWrites(history),
  ];
}

function missingTokens(history: History): Violation[] {
  return history.journals
    .filter((journal) => eventsOf(journal, "started").some((event) => event.runtime === "namehold"))
    .flatMap((journal) => eventsOf(journal, "claim-granted"))
    .filter((grant) => !Number.isSafeInteger(grant.token))
    .map((grant) => violation("G3", `a grant of ${grant.name} has no token that is a safe integer`, grant));
}

function repeatedTokens(lives: readonly GrantLife[]): Violation[] {
  const tokened = lives.filter((life) => life.grant.token !== null);
  return [...Map.groupBy(tokened, (life) => life.grant.token).values()]
    .filter((group) => group.length > 1)
    .map((group) =>
      violation("G3", `a token of ${group[0]?.grant.name} was given twice`, ...group.map((life) => life.grant)),
    );
}

/** A grant asked after another was answered is later. Sweeps both orders with the highest token answered so far. */
function tokensInOrderOfAnswers(lives: readonly GrantLife[]): Violation[] {
  const byAsked = lives.toSorted((a, b) => a.grant.askedAt - b.grant.askedAt);
  const violations: Violation[] = [];
  let answered = 0;
  let highest: GrantLife | undefined;
  for (const life of byAsked) {
    for (let next = lives[answered]; next !== undefined && next.grant.at < life.grant.askedAt; next = lives[answered]) {
      if ((next.grant.token ?? -1) > (highest?.grant.token ?? -1)) highest = next;
      answered += 1;
    }
    violations.push(...notRisen(highest, life));
  }
  return violations;
}

/** Of two grants that were both believed, the one answered first was held first (G2 sees to it that they are apart). */
function tokensInOrderOfBelief(lives: readonly GrantLife[]): Violation[] {
  const violations: Violation[] = [];
  let previous: GrantLife | undefined;
  for (const life of lives) {
    if (life.believedUntil === null || life.grant.token === null) continue;
    violations.push(...notRisen(previous, life));
    previous = life;
  }
  return violations;
}

function notRisen(earlier: GrantLife | undefined, later: GrantLife): Violation[] {
  if (earlier?.grant.token == null || later.grant.token === null || later.grant.token > earlier.grant.token) return [];
  return [violation("G3", `the token of ${later.grant.name} did not rise`, earlier.grant, later.grant)];
}

/** `decisions` are one name's, in the resource's own order. */
function fenceOrder(decisions: readonly ResourceDecision[]): Violation[] {
  const violations: Violation[] = [];
  let highest: ResourceDecision | undefined;
  for (const decision of decisions) {
    const isStale = (decision.token ?? -1) < (highest?.token ?? -1);
    if (decision.accepted && decision.token === null) {
      violations.push(violation("G5", `a write to ${decision.name} without a token was accepted`, decision));
    } else if (decision.accepted && isStale) {
      violations.push(violation("G5", `a former holder's write to ${decision.name} was accepted`, highest, decision));
    } else if (!decision.accepted && !isStale) {
      violations.push(violation("G5", `the rightful write to ${decision.name} was refused`, highest, decision));
    }
    if (decision.accepted && !isStale) highest = decision;
  }
  return violations;
}

/** A token is worth what its grant was: the writer must have been granted the one that it shows. */
function strangersAtResource(history: History, lives: readonly GrantLife[]): Violation[] {
  const granted = new Set(lives.map((life) => keyOf(life.grant.name, life.process, life.grant.token)));
  return history.resource
    .filter((decision) => decision.accepted && decision.token !== null)
    .filter((decision) => !granted.has(keyOf(decision.name, decision.process, decision.token)))
    .map((decision) =>
      violation("G5", `${decision.process} wrote to ${decision.name} with a token it was never granted`, decision),
    );
}

/** The resource's log is the judge of writes, so it must be whole: no acknowledged write may be missing from it. */
function lostWrites(history: History): Violation[] {
  const logged = countBy(
    history.resource
      .filter((decision) => decision.accepted)
      .map((decision) => keyOf(decision.name, decision.process, decision.token)),
  );
  const accepted = history.journals.flatMap((journal) =>
    eventsOf(journal, "write-accepted").map((event) => keyOf(event.name, journal.process, event.token)),
  );
  return [...countBy(accepted)]
    .filter(([key, count]) => count > (logged.get(key) ?? 0))
    .map(([key, count]) =>
      violation("journal", "writes were acknowledged that the resource's log lacks", { key, count }),
    );
}

function countBy(keys: readonly string[]): Map<string, number> {
  return new Map([...Map.groupBy(keys, (key) => key)].map(([key, group]) => [key, group.length]));
}

function keyOf(name: string, process: string, token: number | null): string {
  return JSON.stringify([name, process, token]);
}

function violation(guarantee: Violation["guarantee"], message: string, ...evidence: readonly unknown[]): Violation {
  return { guarantee, message, evidence };
}
