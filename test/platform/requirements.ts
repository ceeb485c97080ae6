import { spawnSync } from "node:child_process";
import { it } from "vitest";

/**
 * Tests that need what not every machine has. They are skipped with a reason that is printed, and on Linux never in CI:
 * there they run, and fail.
 */
export const onLinux = process.platform === "linux";

export const itOnLinux = itIf(onLinux, "it must be Linux (/proc, /dev/shm)");

export const itAsRoot = itIf(process.getuid?.() === 0, "it must be root (user, mount and PID namespaces)");

export const itWithFaketime = itIf(
  spawnSync("faketime", ["--version"]).status === 0,
  "the command `faketime` is missing (Debian: apt-get install faketime)",
);

function itIf(isPossible: boolean, reason: string): typeof it.skip {
  if (isPossible || (onLinux && process.env["CI"] !== undefined)) return it;
  console.warn(`SKIPPING some tests: ${reason}.${onLinux ? " Set CI=1 to make this a failure." : ""}`);
  return it.skip;
}
