import { eventsOf, type History, type Violation } from "./history.ts";

/** G9: what was acknowledged is there, and nothing is there that nobody asked for. */
export function checkUpdates(history: History): Violation[] {
  const asked = history.journals.flatMap((journal) => eventsOf(journal, "increment-asked"));
  const acknowledged = durablyAcknowledged(history);
  const refused = new Set(
    history.journals.flatMap((journal) => eventsOf(journal, "increment-refused").map((event) => event.increment)),
  );
  const counters = new Set([...asked.map((event) => event.counter), ...history.final.counters.keys()]);
  return [...counters].flatMap((counter) => {
    const own = asked.filter((event) => event.counter === counter);
    const least = own.filter((event) => acknowledged.has(event.increment)).length;
    const most = own.filter((event) => !refused.has(event.increment)).length;
    const actual = history.final.counters.get(counter) ?? 0;
    if (actual >= least && actual <= most) return [];
    const what = actual < least ? "acknowledged increments are missing" : "increments appeared that nobody made";
    return [{ guarantee: "G9" as const, message: `${counter}: ${what}`, evidence: [{ counter, least, most, actual }] }];
  });
}

/**
 * What Python acknowledged before a Python process was killed may be gone: it writes in place, so the kill can tear the
 * file, and what goes on then is the last copy that a namehold process made.
 */
function durablyAcknowledged(history: History): ReadonlySet<string> {
  const python = history.journals.filter((journal) =>
    eventsOf(journal, "started").some((event) => event.runtime === "python"),
  );
  const tearings = history.faults.filter(
    (fault) => fault.kind === "kill" && python.some((journal) => journal.process === fault.target),
  );
  const lastTearingAt = Math.max(...tearings.map((fault) => fault.fromAt));
  const undone = new Set(
    python
      .flatMap((journal) => eventsOf(journal, "increment-acknowledged"))
      .filter((event) => event.at < lastTearingAt),
  );
  const events = history.journals.flatMap((journal) => eventsOf(journal, "increment-acknowledged"));
  return new Set(events.filter((event) => !undone.has(event)).map((event) => event.increment));
}
