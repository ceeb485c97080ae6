import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { type Lab, MAIN } from "./cli-process.js";

/** Root may write everywhere: as root the command runs without that right. */
export function runAsMereUser(lab: Lab, ...args: readonly string[]): SpawnSyncReturns<string> {
  chmodSync(lab.directory, 0o755);
  const isRoot = process.getuid?.() === 0;
  const [program, first] = isRoot ? ["setpriv", [...WITHOUT_RIGHTS, process.execPath]] : [process.execPath, []];
  const env = { ...process.env, MADSCI_REGISTRY_PATH: lab.path };
  return spawnSync(program, [...first, MAIN, ...args], { encoding: "utf8", env });
}

const RIGHTS = "-dac_override,-dac_read_search";
const WITHOUT_RIGHTS = [`--inh-caps=${RIGHTS}`, `--bounding-set=${RIGHTS}`];
