/** Processes of the command that left everything behind by which they were known, but for whose children they are. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect } from "vitest";
import { CliProcess, isAlive, type Lab, MAIN, sendSignal, test, until } from "./cli-process.js";
import { testAsRoot } from "./requirements.js";

/** In a session of its own, without the presence descriptor, without the environment, and without a parent. */
const HIDE = `(env -i PATH="$PATH" setsid sh -c 'echo hidden=$$; exec sleep 60' 3>&- &)`;
const TTL_MS = 3_000;
const RUN = ["run", "arm", "--ttl", `${TTL_MS}ms`, "--", "sh", "-c"];

describe.concurrent("a process of the command that hides", () => {
  test("ends with the command, before the name is free [G2]", async ({ lab }) => {
    const run = lab.start(...RUN, `${HIDE}; sleep 0.5`);
    const hidden = await run.printedPid("hidden");
    expect(isAlive(hidden)).toBe(true);
    expect(await run.ended).toMatchObject({ status: 0, stderr: "" });
    expect(isAlive(hidden)).toBe(false);
    expect(await lab.json("show", "arm")).toMatchObject({ status: "free" });
  });

  test("before the last sign of life of a `run` that is killed ends too [G2]", async ({ lab }) => {
    const run = lab.start(...RUN, `${HIDE}; echo near=$$; exec sleep 60`);
    const hidden = await run.printedPid("hidden");
    const guardian = await run.guardianPid();
    await heartbeats(lab, 2);
    run.kill("SIGKILL");
    await lab.gone(guardian);
    expect(isAlive(hidden)).toBe(false);
  });
});

test("a process that was there before `run` is none of the command's, nor is what it leaves behind", async ({
  lab,
}) => {
  const job = `sh -c 'sleep 1; (setsid sleep 60 & echo stranger=$!)' &`;
  const run = startInShell(lab, `${job} exec "${process.execPath}" "${MAIN}" run arm -- sleep 2`);
  const stranger = await run.printedPid("stranger");
  expect(await run.ended).toMatchObject({ status: 0, stderr: "" });
  expect(isAlive(stranger)).toBe(true);
});

test("orphans of the command that have ended do not stay in the table of processes", async ({ lab }) => {
  const run = lab.start("run", "arm", "--", "sh", "-c", "for i in 1 2 3; do (setsid sleep 0.3 &); done; exec sleep 60");
  await until("the orphans", () => childrenOf(run.pid).length === 5);
  // Command and guardian.
  await until("the orphans to be gone", () => childrenOf(run.pid).length === 2);
  run.kill("SIGTERM");
  expect(await run.ended).toMatchObject({ status: 143, stderr: "" });
});

describe.concurrent("as the first process of a container", () => {
  testAsRoot("run ends the command on SIGTERM, and lets go of all that has ended there", async ({ lab }) => {
    const script = "(setsid sleep 0.2 &); sleep 1; echo zombies=$(ps -eo stat= | grep -c Z); exec sleep 60";
    const run = startInContainer(lab, {}, script);
    expect(await run.line(/^zombies=\d+$/m)).toBe("zombies=0");
    for (const pid of childrenOf(run.pid)) sendSignal(pid, "SIGTERM");
    expect(await run.ended).toMatchObject({ status: 143, stderr: "" });
    expect(await lab.json("show", "arm")).toMatchObject({ status: "free" });
  });

  testAsRoot("run takes all with it when it fails by a fault of its own [G2]", async ({ lab }) => {
    const fault = "setTimeout(() => { throw new Error('a fault') }, 2000)";
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}` };
    const run = startInContainer(lab, env, "trap '' TERM; echo up; while :; do sleep 0.05; done");
    await run.line(/up/);
    const inside = childrenOf(run.pid);
    expect(await run.ended).toMatchObject({ stderr: expect.stringContaining("a fault") });
    expect(inside.filter(isAlive)).toEqual([]);
    expect(await lab.json("show", "arm")).toMatchObject({ status: "crashed" });
  });
});

function startInContainer(lab: Lab, env: NodeJS.ProcessEnv, script: string): CliProcess {
  const run = [process.execPath, MAIN, "run", "arm", "--", "sh", "-c", script];
  return start(lab, env, ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", ...run]);
}

function startInShell(lab: Lab, commandLine: string): CliProcess {
  return start(lab, {}, ["sh", "-c", commandLine]);
}

function start(lab: Lab, env: NodeJS.ProcessEnv, [program = "", ...args]: readonly string[]): CliProcess {
  return new CliProcess(
    spawn(program, args, {
      cwd: lab.directory,
      env: { ...process.env, MADSCI_REGISTRY_PATH: lab.path, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
}

async function heartbeats(lab: Lab, count: number): Promise<void> {
  const heldUntil = async () => ((await lab.json("show", "arm")) as { holder: { until: string } }).holder.until;
  for (let seen = 0, last = await heldUntil(); seen < count; ) {
    await delay(50);
    const now = await heldUntil();
    if (now !== last) seen++;
    last = now;
  }
}
