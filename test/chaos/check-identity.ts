import { eventsOf, type History, type Violation } from "./history.ts";

interface Answer {
  readonly name: string;
  readonly id: string;
  readonly source: unknown;
}

/** G1: one id a name, one name an id, and no name forgotten. */
export function checkIdentity(history: History): Violation[] {
  const answers = answersOf(history);
  return [
    ...split(answers, "name", "id", "was given two ids"),
    ...split(answers, "id", "name", "was given to two names"),
    ...forgotten(history),
  ];
}

function answersOf(history: History): Answer[] {
  const answered = history.journals.flatMap((journal) => [
    ...eventsOf(journal, "claim-granted").map((event) => ({ name: event.name, id: event.id, source: event })),
    ...eventsOf(journal, "looked-up").flatMap((event) =>
      event.id === null ? [] : [{ name: event.name, id: event.id, source: event }],
    ),
  ]);
  const final = [...history.final.ids].map(([name, id]) => ({ name, id, source: { kind: "final", name, id } }));
  return [...answered, ...final];
}

function split(answers: readonly Answer[], key: "name" | "id", value: "name" | "id", what: string): Violation[] {
  return [...Map.groupBy(answers, (answer) => answer[key])].flatMap(([subject, group]) => {
    const first = group[0];
    const other = group.find((answer) => answer[value] !== first?.[value]);
    return other === undefined
      ? []
      : [{ guarantee: "G1" as const, message: `${subject} ${what}`, evidence: [first?.source, other.source] }];
  });
}

function forgotten(history: History): Violation[] {
  const grants = history.journals.flatMap((journal) => eventsOf(journal, "claim-granted")).sort((a, b) => a.at - b.at);
  const firstGrants = new Map([...Map.groupBy(grants, (grant) => grant.name)].map(([name, group]) => [name, group[0]]));
  const lookUps = history.journals
    .flatMap((journal) => eventsOf(journal, "looked-up"))
    .filter((event) => event.id === null && event.askedAt > (firstGrants.get(event.name)?.at ?? Infinity));
  return [
    ...lookUps.map((event) => ({
      guarantee: "G1" as const,
      message: `${event.name} was reported absent after it had been granted`,
      evidence: [firstGrants.get(event.name), event],
    })),
    ...[...firstGrants].flatMap(([name, grant]) =>
      history.final.ids.has(name)
        ? []
        : [{ guarantee: "G1" as const, message: `${name} is not in the final registry`, evidence: [grant] }],
    ),
  ];
}
