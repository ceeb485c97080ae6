import type { Command } from "commander";
import { type Severity, worstOf } from "../../core/finding.js";
import { diagnose } from "../../registry/doctor/doctor.js";
import { defineCommand, type GlobalOptions } from "../command-definition.js";
import { reportJson, reportText } from "../doctor-report.js";
import { print, printJson } from "../output.js";

interface DoctorOptions extends GlobalOptions {
  readonly fix?: boolean;
}

/** As monitoring plugins have it. No failure of namehold's has such a small one. */
const STATUSES: Readonly<Record<Severity | "ok", number>> = { ok: 0, note: 0, warning: 1, problem: 2 };

export function addDoctorCommand(program: Command): void {
  defineCommand(program, {
    usage: "doctor",
    summary: "say whether the registry is healthy, and what to do where it is not",
    description:
      "Say whether the registry is healthy: the file, its lock, its last good copy, who may write it, the file system, the clock, the holders, the names, the Python processes beside, the settings. Each finding says what it means and what to do. Works when the registry is damaged, missing or unreadable too; changes nothing without --fix, and holds nobody up.",
    examples: ["namehold doctor", "namehold doctor --json", "namehold doctor --fix"],
    failures: [],
    otherStatuses: [
      [String(STATUSES.warning), "there are warnings: something will go wrong"],
      [String(STATUSES.problem), "there are problems: something is wrong now"],
    ],
  })
    .option("--fix", "settle what can be settled without risk: leftovers, the last good copy, too narrow modes")
    .action((_options: unknown, command: Command) => doctor(command.optsWithGlobals<DoctorOptions>()));
}

async function doctor(options: DoctorOptions): Promise<void> {
  const diagnosis = await diagnose(options.registryPath, { fix: options.fix === true });
  process.exitCode = STATUSES[worstOf(diagnosis.checkups.flatMap(({ findings }) => findings))];
  if (options.json === true) printJson(reportJson(diagnosis));
  else print(reportText(diagnosis));
}
