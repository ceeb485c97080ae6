import { join } from "node:path";
import type { MonotonicMs } from "../core/timing.js";
import { withPresenceFile } from "./presence-file.js";
import { presenceFileName } from "./presence-path.js";
import { beatAgeMs } from "./presence-record.js";

/**
 * How long ago a holder has last shown a sign of life, be it dead by now. For the history: it proves nothing.
 *
 * @param directory the registry's holders directory
 * @param nowMs the boot clock, now
 * @returns nothing without a record, and where its clock cannot be compared with ours
 * @throws NameholdError when the directory cannot be looked into
 */
export function lastBeatAgeMs(directory: string, instance: string, nowMs: MonotonicMs): number | undefined {
  return withPresenceFile(join(directory, presenceFileName(instance)), "shared", (file) =>
    file.kind === "opened" && file.flaw?.kind !== "foreign" ? beatAgeMs(file.content, nowMs) : undefined,
  );
}
