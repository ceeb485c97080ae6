import { isNameholdError } from "../../core/errors.js";
import type { Check, FixableFinding } from "../../core/finding.js";
import { systemClock } from "../../platform/clock.js";
import { host } from "../../platform/host.js";

/** Whether this machine and this Node.js can do what namehold needs. */
export const platformCheck: Check<unknown> = {
  check: "platform",
  title: "Machine",
  examine: () => ({
    looked: `${host().name} (${process.arch}), Node.js ${process.version}`,
    findings: unsupported(),
  }),
};

function unsupported(): readonly FixableFinding[] {
  try {
    systemClock.monotonicMs();
    return [];
  } catch (error) {
    if (!isNameholdError(error)) throw error;
    return [
      {
        code: "platform.unsupported",
        severity: "problem",
        what: error.message,
        means: "namehold cannot hold names on this machine.",
        remedy: "Install it anew, with its optional dependencies: npm install --include=optional namehold",
      },
    ];
  }
}
