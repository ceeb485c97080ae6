/**
 * What the checker of the chaos suite cannot see, since it knows of no hosts: who is cut off from the store knows nothing.
 *
 * - G2  Nobody is granted a name by a store that cannot be reached.
 * - G11 Nor is he told that it is held: he is told that he could not ask. What his own process holds he does know.
 * - G12 Every call ends in time, whatever the network does.
 */
import { eventsOf, grantLives, type History, type Violation } from "../chaos/history.ts";

/** From these hosts the store could certainly not be asked in all this time. */
export interface Isolation {
  readonly hosts: readonly string[];
  readonly fromAt: number;
  readonly untilAt: number;
}

/** The longest wait of a worker, and then twice the deadline of one operation, on a busy machine. */
const CALL_MS_MAX = 20_000;

export function checkIsolation(
  history: History,
  isolations: readonly Isolation[],
  hostOf: (process: string) => string,
): Violation[] {
  const lives = grantLives(history);
  return history.journals.flatMap(({ process, events }) => {
    const journal = { process, events };
    const own = isolations.filter((isolation) => isolation.hosts.includes(hostOf(process)));
    const isolationOf = (answer: { readonly askedAt: number; readonly at: number }): Isolation | undefined =>
      own.find(({ fromAt, untilAt }) => answer.askedAt >= fromAt && answer.at <= untilAt);
    const holdsItself = ({
      name,
      askedAt,
      at,
    }: {
      readonly name: string;
      readonly askedAt: number;
      readonly at: number;
    }) =>
      lives.some(
        (life) =>
          life.process === process &&
          life.grant.name === name &&
          life.grant.at <= at &&
          (life.releasedAt ?? life.lostAt ?? Infinity) >= askedAt,
      );
    const grants = eventsOf(journal, "claim-granted");
    const refusals = eventsOf(journal, "claim-refused");
    return [
      ...grants
        .filter((grant) => isolationOf(grant) !== undefined)
        .map((grant) => finding("G2", `${process} was granted ${grant.name} while cut off`, isolationOf(grant), grant)),
      ...refusals
        .filter((refusal) => refusal.code === "held" && isolationOf(refusal) !== undefined && !holdsItself(refusal))
        .map((refusal) =>
          finding(
            "G11",
            `${process} was told that ${refusal.name} is held while cut off`,
            isolationOf(refusal),
            refusal,
          ),
        ),
      ...[...grants, ...refusals]
        .filter((answer) => answer.at - answer.askedAt > CALL_MS_MAX && !wasStopped(history, process, answer))
        .map((answer) => finding("G12", `a claim of ${answer.name} by ${process} took too long`, answer)),
    ];
  });
}

/** A process cannot be in time for what it sleeps through. */
function wasStopped(
  history: History,
  process: string,
  during: { readonly askedAt: number; readonly at: number },
): boolean {
  return history.faults.some(
    (fault) =>
      fault.kind === "stop" && fault.target === process && fault.fromAt <= during.at && fault.untilAt >= during.askedAt,
  );
}

function finding(guarantee: Violation["guarantee"], message: string, ...evidence: readonly unknown[]): Violation {
  return { guarantee, message, evidence };
}
