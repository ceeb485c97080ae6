import { type Check, type Checkup, type DiagnoseOptions, runChecks } from "../../../core/finding.js";
import type { Clock } from "../../../core/timing.js";
import type { RegistryFile } from "../registry-file.js";
import { accessCheck } from "./access-check.js";
import { clockCheck } from "./clock-check.js";
import { copyCheck } from "./copy-check.js";
import { type Examination, examine } from "./examination.js";
import { historyCheck } from "./history-check.js";
import { holdersCheck } from "./holders-check.js";
import { leftoversCheck } from "./leftovers-check.js";
import { lockFileCheck } from "./lock-file-check.js";
import { namesCheck } from "./names-check.js";
import { placeCheck } from "./place-check.js";
import { pythonCheck } from "./python-check.js";
import { registryFileCheck } from "./registry-file-check.js";

/**
 * Looks at a registry file and at all that stands beside it. Safe beside a living lab: the file lock is tried for a
 * moment, shared, and without `fix` nothing is made or changed. What stands in the way of a look is a finding.
 */
export async function* diagnoseFile(
  file: RegistryFile,
  clock: Clock,
  options: DiagnoseOptions,
): AsyncIterable<Checkup> {
  yield* runChecks(CHECKS, await examine(file, clock), options);
}

const CHECKS: readonly Check<Examination>[] = [
  registryFileCheck,
  copyCheck,
  lockFileCheck,
  placeCheck,
  accessCheck,
  clockCheck,
  holdersCheck,
  leftoversCheck,
  historyCheck,
  namesCheck,
  pythonCheck,
];
