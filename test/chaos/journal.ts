/**
 * What each process of a chaos run believed, as it believed it.
 *
 * One file a process, one JSON object a line, each written by one synchronous write(2) before the process goes on, so
 * that a SIGKILL loses at most the line that was being written. All times are milliseconds of CLOCK_BOOTTIME, which is
 * the same number in every process of one boot and does not step.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** Which of a process's claims an event is about: the process's journal name and a counter. */
interface OfClaim {
  readonly claim: string;
  readonly name: string;
}

/** `token` is null for a Python holder, which has none. */
interface OfGrant extends OfClaim {
  readonly token: number | null;
}

/** A call's window: it was made at or after `askedAt` and had returned at `at`. */
interface Answered {
  readonly askedAt: number;
  readonly at: number;
}

export type JournalEvent =
  | { readonly kind: "started"; readonly pid: number; readonly runtime: "namehold" | "python"; readonly at: number }
  /** The clock of this process beside the kernel's own word (/proc/uptime): proves that journals can be compared. */
  | { readonly kind: "clock-checked"; readonly at: number; readonly uptimeMs: number }
  | ({ readonly kind: "claim-asked"; readonly at: number } & OfClaim)
  | ({ readonly kind: "claim-granted"; readonly id: string } & OfGrant & Answered)
  | ({ readonly kind: "claim-refused"; readonly code: string } & OfClaim & Answered)
  /** `held` and `signal.aborted` were read after `beforeAt` and before `afterAt`. */
  | ({
      readonly kind: "belief";
      readonly held: boolean;
      readonly signalAborted: boolean;
      readonly beforeAt: number;
      readonly afterAt: number;
    } & OfGrant)
  | ({ readonly kind: "jeopardy"; readonly at: number } & OfGrant)
  | ({ readonly kind: "lost"; readonly reason: string; readonly at: number } & OfGrant)
  | ({ readonly kind: "release-asked"; readonly at: number } & OfGrant)
  | ({ readonly kind: "released" } & OfGrant & Answered)
  | ({ readonly kind: "release-failed"; readonly code: string } & OfGrant & Answered)
  | ({ readonly kind: "write-accepted" } & OfGrant & Answered)
  | ({ readonly kind: "write-refused" } & OfGrant & Answered)
  /** One increment of one counter. Asked and not answered (a kill) counts as unknown. */
  | { readonly kind: "increment-asked"; readonly counter: string; readonly increment: string; readonly at: number }
  | {
      readonly kind: "increment-acknowledged";
      readonly counter: string;
      readonly increment: string;
      readonly at: number;
    }
  | {
      readonly kind: "increment-refused";
      readonly counter: string;
      readonly increment: string;
      readonly code: string;
      readonly at: number;
    }
  | {
      readonly kind: "increment-unknown";
      readonly counter: string;
      readonly increment: string;
      readonly code: string;
      readonly at: number;
    }
  /** `id` is null when the registry said that there is no such name (not when it could not look). */
  | ({ readonly kind: "looked-up"; readonly name: string; readonly id: string | null } & Answered)
  /** A worker that lies on purpose, so that the rig can be tried, has just done so. */
  | { readonly kind: "misdeed"; readonly at: number }
  | {
      readonly kind: "error";
      readonly doing: string;
      readonly code: string;
      readonly message: string;
      readonly at: number;
    }
  /** The process ended by its own will; nothing follows. */
  | { readonly kind: "finished"; readonly at: number };

export interface Journal {
  /** Unique in a run, for instance `3.2`: slot 3, second life. */
  readonly process: string;
  readonly events: readonly JournalEvent[];
}

export interface JournalWriter {
  write(event: JournalEvent): void;
  close(): void;
}

/** Makes a new journal; fails if the file exists, since two processes in one journal prove nothing. */
export function createJournal(path: string): JournalWriter {
  const descriptor = openSync(path, "ax");
  return {
    write: (event) => void writeSync(descriptor, `${JSON.stringify(event)}\n`),
    close: () => closeSync(descriptor),
  };
}

/** Reads a journal. A last line without its end was being written at the kill; any other damage is an error. */
export function readJournal(path: string, process: string): Journal {
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return { process, events: lines.map((line) => JSON.parse(line) as JournalEvent) };
}
