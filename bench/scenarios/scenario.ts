import type { Bench } from "../harness/bench.ts";
import type { ScenarioResult } from "../harness/row.ts";

/** One of the questions. */
export interface Scenario {
  readonly id: string;
  /** The rows that it can make, whether they are wanted or not. */
  readonly rowIds: readonly string[];
  run(bench: Bench): Promise<Omit<ScenarioResult, "tookS">>;
}
