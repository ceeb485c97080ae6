import { eventsOf, type History, type Violation } from "./history.ts";
import type { Journal, JournalEvent } from "./journal.ts";

/** /proc/uptime counts hundredths of a second, and the reader may be interrupted between its two readings. */
const CLOCK_TOLERANCE_MS = 250;

/** Journals that cannot be compared, or that contradict themselves, prove nothing. */
export function checkJournals(history: History): Violation[] {
  return history.journals.flatMap((journal) => [
    ...clockFaults(journal),
    ...orderFaults(journal),
    ...claimFaults(journal),
  ]);
}

function clockFaults(journal: Journal): Violation[] {
  return eventsOf(journal, "clock-checked")
    .filter((event) => Math.abs(event.at - event.uptimeMs) > CLOCK_TOLERANCE_MS)
    .map((event) => fault(`${journal.process} does not journal in CLOCK_BOOTTIME`, event));
}

function orderFaults(journal: Journal): Violation[] {
  return journal.events.flatMap((event, index) => {
    const previous = journal.events[index - 1];
    return previous !== undefined && writtenAt(event) < writtenAt(previous)
      ? [fault(`the clock of ${journal.process} went back`, previous, event)]
      : [];
  });
}

function claimFaults(journal: Journal): Violation[] {
  const asked = new Set<string>();
  const granted = new Set<string>();
  const faults: Violation[] = [];
  for (const event of journal.events) {
    if (event.kind === "claim-asked") {
      if (asked.has(event.claim)) faults.push(fault(`${event.claim} was asked twice`, event));
      asked.add(event.claim);
    } else if (event.kind === "claim-granted") {
      if (!asked.has(event.claim) || granted.has(event.claim)) {
        faults.push(fault(`${event.claim} was granted without one asking`, event));
      }
      granted.add(event.claim);
    } else if ("token" in event && !granted.has(event.claim)) {
      faults.push(fault(`${event.claim} was never granted`, event));
    }
  }
  return faults;
}

function writtenAt(event: JournalEvent): number {
  return event.kind === "belief" ? event.afterAt : event.at;
}

function fault(message: string, ...evidence: readonly unknown[]): Violation {
  return { guarantee: "journal", message, evidence };
}
