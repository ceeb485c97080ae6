import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Bench } from "../harness/bench.ts";
import { QUICK } from "../harness/settings.ts";
import { peerById } from "../peers/index.ts";
import { judgeChain } from "../scenarios/hand-off.ts";
import { Servers } from "../servers/servers.ts";

const workspace = mkdtempSync(join(tmpdir(), "namehold-bench-test-"));
const bench = new Bench({
  settings: QUICK,
  workspace,
  servers: new Servers(workspace),
  wants: () => true,
  profileDirectory: undefined,
  say: () => undefined,
});
afterAll(async () => {
  await bench.endWorkers();
  rmSync(workspace, { recursive: true });
});

test("a lock that excludes nobody is found out", async () => {
  await expect(bench.prove(peerById("none"))).rejects.toThrow(/does not exclude: \d+ increments .* were lost/);
});

test("a lock that excludes passes", async () => {
  await expect(bench.prove(peerById("flock"))).resolves.toBeUndefined();
});

test("two that have the name at once are found out in a chain of hand-offs", () => {
  const link = { participant: 0, askedNs: "0" };
  const first = { ...link, waiter: "a", grantedNs: "1000", sentNs: "5000" };
  const orderly = { ...link, waiter: "b", grantedNs: "6000", sentNs: "7000" };
  const overlapping = { ...link, waiter: "b", grantedNs: "4000", sentNs: "7000" };
  expect(judgeChain([orderly, first])["count"]).toBe(1);
  expect(() => judgeChain([overlapping, first])).toThrow(/two had the name at once/);
});
