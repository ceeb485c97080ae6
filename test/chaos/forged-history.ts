/** Journals made up for the checker's own tests: lives of grants in a few words, exact to the millisecond. */
import type { Fault, History, ResourceDecision } from "./history.ts";
import type { Journal, JournalEvent } from "./journal.ts";

export const TTL_MS = 1_500;

export interface ForgedLife {
  readonly claim: string;
  readonly name?: string;
  readonly id?: string;
  readonly token: number | null;
  readonly askedAt?: number;
  readonly grantedAt: number;
  /** Samples that say `held`, every 50 ms from the grant to here. */
  readonly heldUntil?: number;
  readonly releaseAt?: number;
  /** Further events of this claim. */
  readonly more?: readonly JournalEvent[];
}

const SAMPLE_MS = 50;

/** A grant, its samples and its release (1 ms long), in order. */
export function life(forged: ForgedLife): JournalEvent[] {
  const of = claimOf(forged);
  const grantedAt = forged.grantedAt;
  const askedAt = forged.askedAt ?? grantedAt - 5;
  const samples: JournalEvent[] = [];
  for (let at = grantedAt; at <= (forged.heldUntil ?? grantedAt - 1); at += SAMPLE_MS) samples.push(held(forged, at));
  const release: JournalEvent[] =
    forged.releaseAt === undefined
      ? []
      : [
          { kind: "release-asked", ...of, at: forged.releaseAt },
          { kind: "released", ...of, askedAt: forged.releaseAt, at: forged.releaseAt + 1 },
        ];
  const events: JournalEvent[] = [
    { kind: "claim-asked", claim: of.claim, name: of.name, at: askedAt },
    { kind: "claim-granted", ...of, id: forged.id ?? `id of ${of.name}`, askedAt, at: grantedAt },
    ...samples,
    ...release,
    ...(forged.more ?? []),
  ];
  return events.sort((a, b) => timeOf(a) - timeOf(b));
}

export function held(of: ForgedLife, at: number): JournalEvent {
  return { kind: "belief", ...claimOf(of), held: true, signalAborted: false, beforeAt: at, afterAt: at };
}

export function notHeld(of: ForgedLife, at: number): JournalEvent {
  return { kind: "belief", ...claimOf(of), held: false, signalAborted: true, beforeAt: at, afterAt: at };
}

export function lost(of: ForgedLife, at: number): JournalEvent {
  return { kind: "lost", ...claimOf(of), reason: "expired", at };
}

export function write(kind: "write-accepted" | "write-refused", of: ForgedLife, at: number): JournalEvent {
  return { kind, ...claimOf(of), askedAt: at, at };
}

export function claimOf(forged: ForgedLife): { claim: string; name: string; token: number | null } {
  return { claim: forged.claim, name: forged.name ?? "arm", token: forged.token };
}

/** The events of one namehold process, put into the order of time. */
export function journal(process: string, ...events: readonly (JournalEvent | readonly JournalEvent[])[]): Journal {
  const started: JournalEvent = { kind: "started", pid: 1, runtime: "namehold", at: 0 };
  return { process, events: [started, ...events.flat().sort((a, b) => timeOf(a) - timeOf(b))] };
}

export interface ForgedRest {
  readonly faults?: readonly Fault[];
  readonly resource?: readonly ResourceDecision[];
  readonly ids?: Record<string, string>;
  readonly counters?: Record<string, number>;
  readonly names?: readonly string[];
  readonly faultsEndedAt?: number;
}

/** A history in which only what is said is wrong: the final registry knows `arm` by its id, and liveness asks nothing. */
export function history(journals: readonly Journal[], rest: ForgedRest = {}): History {
  return {
    journals,
    faults: rest.faults ?? [],
    resource: rest.resource ?? [],
    final: {
      ids: new Map(Object.entries(rest.ids ?? { arm: "id of arm" })),
      counters: new Map(Object.entries(rest.counters ?? {})),
    },
    names: rest.names ?? [],
    ttlMs: TTL_MS,
    faultsEndedAt: rest.faultsEndedAt ?? 0,
    livenessBoundMs: 1_000,
  };
}

function timeOf(event: JournalEvent): number {
  return event.kind === "belief" ? event.afterAt : event.at;
}
