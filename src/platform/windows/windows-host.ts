import { hostname } from "node:os";
import type { Host } from "../host.js";
import { byteLocks } from "./byte-locks.js";
import { windowsFiles } from "./files.js";
import { windowsJobs } from "./jobs.js";
import { patientStandardError } from "./standard-error.js";
import { win32 } from "./win32.js";

/** Run under Wine only: see docs/platforms.md. */
export const windowsHost: Host = {
  name: "Windows",
  locks: byteLocks,
  clock: { bootMs: () => win32().interruptTimeMs(), bootId },
  files: windowsFiles,
  standardError: patientStandardError(),
  processes: { kind: "jobs", jobs: windowsJobs },
  // A pipe tells only the write that fails.
  hasLostReader: () => false,
  namespaceOf: () => "",
};

/**
 * Windows has no name for a boot, but tells when it was. All machines of a lab may start within one second, after a
 * power failure, and a clock chip counts seconds: hence the machine's names too.
 */
function bootId(): string {
  const c = win32();
  const time = c.bootTime();
  const guid = c.machineGuid();
  return time === undefined || guid === undefined ? "" : `${guid} ${hostname()} ${time}`;
}
