import { eventsOf, grantLives, type History, type Violation } from "./history.ts";

/** What a history holds, so that a verdict can be weighed: a quiet run proves nothing. */
export interface Coverage {
  readonly processes: number;
  readonly grants: number;
  readonly samples: number;
  readonly takeoversAfterKill: number;
  readonly losses: number;
  readonly jeopardies: number;
  readonly writesAccepted: number;
  readonly writesRefused: number;
  readonly misdeeds: number;
  readonly incrementsAcknowledged: number;
  readonly incrementsUnknown: number;
  readonly kills: number;
  readonly stops: number;
  readonly clockSteps: number;
  readonly fullDisks: number;
  readonly storageErrors: number;
}

/** What is known of a run while it goes on. */
export type Seen = Pick<History, "journals" | "faults" | "resource">;

export function coverageOf(history: Seen): Coverage {
  const count = (kind: Parameters<typeof eventsOf>[1]): number =>
    history.journals.reduce((sum, journal) => sum + eventsOf(journal, kind).length, 0);
  const faults = (kind: string): number => history.faults.filter((fault) => fault.kind === kind).length;
  const errors = history.journals.flatMap((journal) => eventsOf(journal, "error"));
  return {
    processes: history.journals.length,
    grants: count("claim-granted"),
    samples: count("belief"),
    takeoversAfterKill: takeoverDelaysMs(history).length,
    losses: count("lost"),
    jeopardies: count("jeopardy"),
    writesAccepted: history.resource.filter((decision) => decision.accepted).length,
    writesRefused: history.resource.filter((decision) => !decision.accepted).length,
    misdeeds: count("misdeed"),
    incrementsAcknowledged: count("increment-acknowledged"),
    incrementsUnknown: count("increment-unknown"),
    kills: faults("kill"),
    stops: faults("stop"),
    clockSteps: faults("clock-step"),
    fullDisks: faults("full-disk"),
    storageErrors: errors.filter((error) => error.code === "storage-failed").length,
  };
}

/** From each kill of a holder to the next grant of its name, where somebody was waiting for it at the kill. */
function takeoverDelaysMs(history: Seen): number[] {
  const lives = grantLives(history);
  return history.faults
    .filter((fault) => fault.kind === "kill")
    .flatMap((kill) => {
      const held = lives.filter(
        (life) => life.process === kill.target && life.releaseAskedAt === null && life.lostAt === null,
      );
      return held.flatMap(({ grant }) => {
        const next = lives.find((life) => life.grant.name === grant.name && life.grant.at > kill.fromAt);
        return next !== undefined && next.grant.askedAt < kill.fromAt ? [next.grant.at - kill.fromAt] : [];
      });
    })
    .sort((a, b) => a - b);
}

export function describeCoverage(history: History): string {
  const coverage = Object.entries(coverageOf(history)).map(([what, count]) => `${count} ${spaced(what)}`);
  const delays = takeoverDelaysMs(history);
  const median = delays[Math.floor(delays.length / 2)];
  const codes = Map.groupBy(
    history.journals.flatMap((journal) => eventsOf(journal, "error")),
    (error) => `${error.doing} ${error.code}`,
  );
  const errors = [...codes].map(([code, group]) => `${group.length} × ${code}`);
  return [
    `  ${coverage.join(", ")}`,
    median === undefined
      ? ""
      : `  a killed holder's waiter had the name after ${Math.round(median)} ms (median), ${Math.round(delays.at(-1) ?? 0)} ms (worst)`,
    errors.length === 0 ? "" : `  errors: ${errors.join(", ")}`,
  ]
    .filter((line) => line !== "")
    .join("\n");
}

/** The journals and faults around a violation are many: the first few, whole, are where one begins to read. */
export function describeViolation(violation: Violation): string {
  const evidence = violation.evidence.map((line) => `      ${JSON.stringify(line)}`);
  return [`  [${violation.guarantee}] ${violation.message}`, ...evidence].join("\n");
}

function spaced(camelCase: string): string {
  return camelCase.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
