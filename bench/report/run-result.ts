import type { Machine } from "../harness/machine.ts";
import type { ScenarioResult } from "../harness/row.ts";
import type { Settings } from "../harness/settings.ts";
import type { TargetResult } from "../harness/targets.ts";

/** All of one run, as it is kept in results.json; the page is made of nothing else. */
export interface RunResult {
  readonly date: string;
  readonly tookS: number;
  readonly machine: Machine;
  readonly settings: Settings;
  readonly versions: readonly { readonly what: string; readonly version: string; readonly settings: string }[];
  readonly scenarios: readonly ScenarioResult[];
  readonly targets: readonly TargetResult[];
}
