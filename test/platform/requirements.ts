import { spawnSync } from "node:child_process";
import { it } from "vitest";

/**
 * Tests that need what not every machine has. They are skipped with a reason that is printed, and never in CI: there
 * they run, and fail.
 */
export const itAsRoot = itIf(process.getuid?.() === 0, "it must be root (user, mount and PID namespaces)");

export const itWithFaketime = itIf(
  spawnSync("faketime", ["--version"]).status === 0,
  "the command `faketime` is missing (Debian: apt-get install faketime)",
);

function itIf(isPossible: boolean, reason: string): typeof it.skip {
  if (isPossible || process.env["CI"] !== undefined) return it;
  console.warn(`SKIPPING some tests: ${reason}. Set CI=1 to make this a failure.`);
  return it.skip;
}
