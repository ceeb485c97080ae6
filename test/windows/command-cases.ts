import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { delay, type Lab, type Started, until } from "./lab.ts";
import { FileLock } from "./product.ts";
import { childrenOf, resume, suspend } from "./system.ts";

const LOST = 76;

export const commandCases: Readonly<Record<string, (lab: Lab) => Promise<void>>> = {
  "run passes the command's exit status on, and gives the name back": async (lab) => {
    const script = "process.stdout.write(process.env.NAMEHOLD_NAME); process.exitCode = 42";
    const { status, stdout } = await lab.cli("run", "arm", "--", process.execPath, "-e", script).ended;
    assert.deepEqual([status, stdout], [42, "arm"]);
    assert.equal(await isFree(lab), true);
  },

  "run tells a command that does not exist by 127": async (lab) => {
    const { status, stderr } = await lab.cli("run", "arm", "--", "no-such-command").ended;
    assert.equal(status, 127, stderr);
    assert.equal(await isFree(lab), true);
  },

  "what the command left behind is ended before the name is free": async (lab) => {
    const script = `require("child_process").spawn(process.execPath, ${JSON.stringify(lab.puppetCommand("tick", tickPath(lab)).slice(1))}, { detached: true, stdio: "ignore" }).unref(); setTimeout(() => process.exit(0), 1500)`;
    const { status, stderr } = await lab.cli("run", "arm", "--", process.execPath, "-e", script).ended;
    assert.equal(status, 0, stderr);
    assert.equal(await isTicking(lab), false);
  },

  "the whole command ends with a killed run, and the name is free at once": async (lab) => {
    const run = await holding(lab);
    run.kill();
    await run.ended;
    assert.equal(await isFree(lab, 10_000), true);
    assert.equal(await isTicking(lab), false);
  },

  "when run and its guardian are killed at once, the kernel ends the command": async (lab) => {
    const run = await holding(lab);
    process.kill(await guardianOf(run), "SIGKILL");
    run.kill();
    await run.ended;
    assert.equal(await isFree(lab, 10_000), true);
    assert.equal(await isTicking(lab), false);
  },

  "a guardian that is stopped keeps the killed run's name until it goes on": async (lab) => {
    const run = await holding(lab);
    const guardian = await guardianOf(run);
    suspend(guardian);
    run.kill();
    await run.exited;
    assert.equal(await isTicking(lab), false);
    assert.equal(await isFree(lab), false);
    resume(guardian);
    assert.equal(await isFree(lab, 10_000), true);
  },

  "run ends the command when its guardian is killed": async (lab) => {
    const run = await holding(lab);
    process.kill(await guardianOf(run), "SIGKILL");
    const { status, stderr } = await run.ended;
    assert.equal(status, LOST, stderr);
    assert.match(stderr, /guardian/);
    assert.equal(await isTicking(lab), false);
    assert.equal(await isFree(lab), true);
  },

  "run ends the command when the name is revoked": async (lab) => {
    const run = await holding(lab);
    const revoked = await lab.cli("revoke", "arm", "--reason", "a test", "--now").ended;
    assert.equal(revoked.status, 0, revoked.stderr);
    const { status, stderr } = await run.ended;
    assert.equal(status, LOST, stderr);
    assert.equal(await isTicking(lab), false);
  },

  "the guardian ends the command of a run that is stopped, before the name can be taken": async (lab) => {
    const run = await holding(lab, "--ttl", "6s");
    suspendBetweenWrites(run.pid, lab.registryPath);
    const claim = await lab.claim("arm", 30_000);
    assert.equal(await isTicking(lab), false);
    await claim.release();
    resume(run.pid);
    assert.equal((await run.ended).status, LOST);
  },
};

/** A `run` whose command has started a process that outlives it, and writes as long as it lives. */
async function holding(lab: Lab, ...options: readonly string[]): Promise<Started> {
  const run = lab.cli("run", "arm", ...options, "--", ...lab.puppetCommand("tree", tickPath(lab)));
  await run.said(/^tree \d+ \d+ arm \d+$/m);
  await until(
    () => sizeOf(tickPath(lab)) > 0,
    () => "a first sign of the command",
  );
  assert.equal(await isTicking(lab), true);
  return run;
}

/** A process that is stopped while it has the registry's file lock would keep everybody out, which is another matter. */
function suspendBetweenWrites(pid: number, registryPath: string): void {
  const lock = new FileLock(registryPath);
  try {
    for (;;) {
      suspend(pid);
      if (lock.tryAcquire()) return;
      resume(pid);
    }
  } finally {
    lock.close();
  }
}

/** The child of `run` that is not the command. */
async function guardianOf(run: Started): Promise<number> {
  const [, command] = await run.said(/^tree (\d+)/m);
  const guardian = childrenOf(run.pid).find((pid) => pid !== Number(command));
  assert.ok(guardian);
  return guardian;
}

async function isFree(lab: Lab, waitMs = 0): Promise<boolean> {
  try {
    await (await lab.claim("arm", waitMs)).release();
    return true;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === "held" || code === "wait-timeout") return false;
    throw error;
  }
}

async function isTicking(lab: Lab): Promise<boolean> {
  const before = sizeOf(tickPath(lab));
  await delay(400);
  return sizeOf(tickPath(lab)) > before;
}

function tickPath({ directory }: Lab): string {
  return join(directory, "ticks");
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
