import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { openRegistry } from "../../src/index.js";
import type { Hold } from "../../src/registry/history.js";
import { eventually, Lab } from "./lab.js";

// What Python does leaves no record. Of it is told what the file shows afterwards, marked as observed.

const OUR_TTL = { lockTtlMs: 3000, heartbeatIntervalMs: 300 };
const THEIR_TTL = { ttlSeconds: 3, intervalSeconds: 1 };

interface Told {
  readonly kind: string;
  readonly pid: number;
  readonly token: boolean;
  readonly how?: string;
  readonly detail?: string;
  readonly observed?: boolean;
}

test("a Python hold is told of while it stands, and as released when Python has released it", async () => {
  await using lab = new Lab();
  await using registry = await openRegistry(lab.path);
  const python = await lab.python(THEIR_TTL);
  await python.resolve("arm_1");
  expect(await told(registry)).toEqual([{ kind: "standing", pid: python.pid, token: false }]);
  await registry.resolve("witness", { type: "node" });
  const lastBeat = async () => Date.parse((await lab.entry("arm_1"))?.lock?.heartbeat_at ?? "");
  const noted = await lastBeat();
  await eventually(10_000, async () => (await lastBeat()) > noted);
  const beatAt = await lastBeat();
  const releasedAt = Date.now();
  await python.release("arm_1");
  const releasedBy = Date.now();
  const released = { kind: "ended", pid: python.pid, token: false, how: "released", observed: true };
  expect(await told(registry)).toEqual([released]);
  const [hold] = await registry.history("arm_1");
  if (hold?.kind !== "ended") throw new Error("it should have ended");
  // Its last heartbeat is in the entry, though we had noted an earlier one; the release came within a TTL of it.
  expect(hold.lastHeartbeat).toBeGreaterThanOrEqual(beatAt);
  expect(hold.lastHeartbeat).toBeLessThanOrEqual(releasedBy);
  expect(hold.until - hold.lastHeartbeat).toBeLessThanOrEqual(3_000);
  expect(hold.until).toBeGreaterThanOrEqual(releasedAt);
});

test("a crashed Python holder was silent, whether we take over or another Python", async () => {
  await using lab = new Lab();
  const [first, second] = await Promise.all([lab.python(THEIR_TTL), lab.python(THEIR_TTL)]);
  await using registry = await openRegistry(lab.path);
  await Promise.all([first.resolve("arm_1"), first.resolve("arm_2")]);
  await registry.resolve("witness", { type: "node" });
  await first.kill();
  await second.resolve("arm_1", { retrySeconds: 20 });
  const claim = await registry.claim("arm_2", { type: "node", waitMs: 20_000 });
  const silent = { kind: "ended", pid: first.pid, token: false, how: "silent" };
  expect(await told(registry, "arm_1")).toEqual([
    { kind: "standing", pid: second.pid, token: false },
    { ...silent, observed: true },
  ]);
  expect(await told(registry, "arm_2")).toEqual([
    { kind: "standing", pid: process.pid, token: true },
    { ...silent, observed: false },
  ]);
  await claim.release();
});

test("a holder of ours that was killed before Python took over has crashed, and a living one has lost the name", async () => {
  await using lab = new Lab();
  const clock = lab.clock("python");
  const [python, ahead, killed, living] = await Promise.all([
    lab.python(),
    lab.python({ env: clock.env }),
    lab.namehold(OUR_TTL),
    lab.namehold(OUR_TTL),
  ]);
  await killed.claim("arm_1");
  await living.claim("arm_2");
  await killed.kill();
  await python.resolve("arm_1", { retrySeconds: 20 });
  clock.step(3_600);
  await ahead.resolve("arm_2");
  await eventually(OUR_TTL.lockTtlMs, async () => !(await living.claimState("arm_2")).held);
  await using registry = await openRegistry(lab.path);
  const detail = expect.stringMatching(new RegExp(`^taken by .* \\(PID ${ahead.pid}\\)$`)) as string;
  expect((await told(registry, "arm_1")).slice(1)).toEqual([
    { kind: "ended", pid: killed.pid, token: true, how: "crashed", observed: true },
  ]);
  expect((await told(registry, "arm_2")).slice(1)).toEqual([
    { kind: "ended", pid: living.pid, token: true, how: "lost", detail, observed: true },
  ]);
});

test("a forced rename, an import and a clean by Python end holds as what they are", async () => {
  await using lab = new Lab();
  const clock = lab.clock("python");
  const [python, ours] = await Promise.all([lab.python({ env: clock.env }), lab.namehold(OUR_TTL)]);
  await ours.claim("arm_1");
  await python.rename("arm_1", "left_arm", true);
  await ours.claim("arm_2");
  clock.step(48 * 3_600);
  await python.cleanStale(1);
  await using registry = await openRegistry(lab.path);
  const common = { kind: "ended", pid: ours.pid, token: true, observed: true };
  expect(await told(registry, "arm_1")).toEqual([{ ...common, how: "renamed", detail: "left_arm" }]);
  expect(await told(registry, "arm_2")).toEqual([{ ...common, how: "lost", detail: "its entry was removed" }]);
});

test("namehold history marks what Python did, and says what the mark means", async () => {
  await using lab = new Lab();
  const python = await lab.python();
  await using registry = await openRegistry(lab.path);
  await python.resolve("arm_1");
  await registry.resolve("witness", { type: "node" });
  await python.release("arm_1");
  const args = ["dist/cli/main.js", "-r", lab.path, "history", "arm_1"];
  const text = execFileSync(process.execPath, args, { encoding: "utf8" });
  expect(text).toMatch(new RegExp(`│ released\\* +│ .*\\(PID ${python.pid}\\) +│ none +│`));
  expect(text).toMatch(/\n\* Nobody told of this end: it is inferred from the registry file/);
});

async function told(registry: Awaited<ReturnType<typeof openRegistry>>, name?: string): Promise<readonly Told[]> {
  return (await registry.history(name)).map(summary);
}

function summary(hold: Hold): Told {
  const who = { kind: hold.kind, pid: hold.holder.pid, token: hold.token !== null };
  if (hold.kind === "standing") return who;
  const { how, detail } = hold.ending;
  return { ...who, how, ...(detail === undefined ? {} : { detail }), observed: hold.observed };
}
