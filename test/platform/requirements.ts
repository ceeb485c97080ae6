import { spawnSync } from "node:child_process";
import { it } from "vitest";

/**
 * Tests that need what not every machine has. They are skipped with a reason that is printed, and never in CI: there
 * they run, and fail.
 */
export const itAsRoot = itIf(process.getuid?.() === 0, "it must be root (user, mount and PID namespaces)");

/** Whether another user can run this checkout's programs at all: it may lie in somebody's private directory. */
export const canRunAsNobody =
  process.getuid?.() !== 0 || spawnSync(process.execPath, ["-e", ""], { uid: 65_534, gid: 65_534 }).status === 0;

export const itWithFaketime = itIf(
  spawnSync("faketime", ["--version"]).status === 0,
  "the command `faketime` is missing (Debian: apt-get install faketime)",
);

function itIf(isPossible: boolean, reason: string): typeof it.skip {
  return mustSkip(isPossible, reason) ? it.skip : it;
}

/** Says why, when tests must be skipped. Never in CI. */
export function mustSkip(isPossible: boolean, reason: string): boolean {
  if (isPossible || process.env["CI"] !== undefined) return false;
  console.warn(`SKIPPING some tests: ${reason}. Set CI=1 to make this a failure.`);
  return true;
}
