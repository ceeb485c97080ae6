import { spawnSync } from "node:child_process";
import { onLinux } from "../platform/requirements.js";
import { test } from "./cli-process.js";

/**
 * For tests in a lab that need what not every machine has. They are skipped with a reason that is printed, and on Linux
 * never in CI: there they run, and fail.
 */
export function testWith(...programs: readonly string[]): typeof test {
  const missing = programs.filter((program) => spawnSync(program, ["--version"]).error !== undefined);
  return testIf(missing.length === 0, `${missing.join(", ")} missing`);
}

export const testAsRoot = testIf(process.getuid?.() === 0, "it must be root (PID namespaces)");

function testIf(isPossible: boolean, reason: string): typeof test {
  if (isPossible || (onLinux && process.env["CI"] !== undefined)) return test;
  console.warn(`SKIPPING some tests: ${reason}.${onLinux ? " Set CI=1 to make this a failure." : ""}`);
  return test.skip as typeof test;
}
