import { join } from "node:path";
import type { Check } from "../../../core/finding.js";
import { shellWord } from "../../../core/shell-word.js";
import { statsAt } from "../../../platform/file-stats.js";
import { historyFault } from "../history-file.js";
import type { Examination } from "./examination.js";

/** Whether it can be told who held a name. Nothing else depends on it. */
export const historyCheck: Check<Examination> = {
  check: "history",
  title: "History",
  examine: ({ files: { holdersDirectory } }) => {
    // What stands in its place is a finding of another check.
    if (statsAt(holdersDirectory)?.isDirectory() !== true) return { looked: "none yet", findings: [] };
    const fault = historyFault(holdersDirectory);
    if (fault === null) return { looked: "can be read and written", findings: [] };
    const place = join(holdersDirectory, "history");
    return {
      looked: "not all of it",
      findings: [
        {
          code: "history.faulty",
          severity: "warning",
          what: `${fault}.`,
          means: "Names and locks are not affected. But past holds may be missing from what namehold history tells.",
          remedy: `See what it is: ls -l ${shellWord(place)}*. Give the lab's users access to it, or move it away: a new one is begun.`,
        },
      ],
    };
  },
};
