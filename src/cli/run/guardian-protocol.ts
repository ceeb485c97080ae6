import type { MonotonicMs } from "../../core/timing.js";
import type { ProcessRef } from "./command-members.js";

/** What `run` tells its guardian, a line of JSON each. The end of the pipe without `done` means that `run` is dead. */
export type ToGuardian =
  /** The first. It is answered by `ready`. */
  | {
      readonly kind: "guard";
      readonly name: string;
      readonly mark: string;
      readonly ttlMs: number;
      readonly deadline: MonotonicMs;
      readonly run: ProcessRef;
    }
  /** The command runs. Bystanders are children of `run` that it has not started. */
  | { readonly kind: "command"; readonly leader: ProcessRef; readonly bystanders: readonly ProcessRef[] }
  /** A sign of life: the name is held until `deadline`. */
  | { readonly kind: "alive"; readonly deadline: MonotonicMs }
  /** `run` has told the command to end, and will kill it at `killAt`. */
  | { readonly kind: "ending"; readonly killAt: MonotonicMs }
  /** The command and all that it started are gone. */
  | { readonly kind: "done" };

/** What the guardian answers, a word a line. `ending`: it had no sign of life in time and ends the command itself. */
export type FromGuardian = "ready" | "ending";

/** The descriptor at which command and guardian find the presence. */
export const PRESENCE_FD = 3;

/** Calls `onLine` for each whole line. A last line without its end is dropped: its writer died in it. */
export function eachLine(onLine: (line: string) => void): (chunk: string) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  };
}
