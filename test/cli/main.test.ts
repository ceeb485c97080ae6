import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { FAILURES } from "../../src/core/errors.js";

test.each(["12.22.12", "20.20.2", "22.13.1"])("on Node %s the command says in one line what it needs", (version) => {
  const { status, stdout, stderr } = runAsIfOnNode(version);
  expect(stderr).toBe(`namehold needs Node.js 22.14 or newer, and this is v${version}.\n`);
  expect(stdout).toBe("");
  expect(status).toBe(FAILURES.unsupported.exitStatus);
});

test.each(["22.14.0", "23.0.0", "24.1.0"])("on Node %s the command runs", (version) => {
  const { status, stdout, stderr } = runAsIfOnNode(version);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^Usage: namehold /);
  expect(status).toBe(0);
});

/** The real versions run in test/package; here this Node only calls itself another. */
function runAsIfOnNode(version: string) {
  const pretend = `Object.defineProperties(process, {
    version: { value: "v${version}" },
    versions: { value: { ...process.versions, node: "${version}" } },
  })`;
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  return spawnSync(process.execPath, ["--import", preload, "dist/cli/main.js", "help"], { encoding: "utf8" });
}
