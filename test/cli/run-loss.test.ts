/** What becomes of the command when `namehold run` loses the name, or dies. Real time is the subject: TTLs are short. */
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { type CliProcess, isAlive, isStopped, type Lab, MAIN, sendSignal, test } from "./cli-process.js";
import { commandPids, expectNoneBesideNextHolder, RUN, STUBBORN } from "./stubborn-command.js";

/** Ignores SIGTERM, and so does its child in another session. */

describe.concurrent("a lost name", () => {
  test("that was revoked ends the command, with SIGKILL if it must, before the TTL does [G4]", async ({ lab }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    const pids = await commandPids(run);
    const revoked = (await lab.json("revoke", "arm", "--reason", "maintenance")) as {
      lapses_in_ms: number;
      status: string;
    };
    expect(revoked.status).toBe("revoked");
    const { status, stderr } = await run.ended;
    expect(status).toBe(FAILURES.lost.exitStatus);
    expect(stderr).toMatch(
      /^namehold: "arm" is not held any more: it was revoked \(maintenance\)\..* Ending the command \(SIGTERM now, SIGKILL in [\d.]+ s\)\.\n$/,
    );
    expect(pids.some(isAlive)).toBe(false);
  });

  test("that was revoked is given back as soon as the command has ended", async ({ lab }) => {
    const run = lab.start("run", "arm", "--ttl", "6s", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    await run.printedPid("near");
    const next = lab.start("run", "arm", "--wait", "20s", "--", "echo", "next");
    await next.message(/Waiting/);
    await lab.run("revoke", "arm");
    expect(await next.ended).toMatchObject({ status: 0, stdout: "next\n" });
    expect(await run.ended).toMatchObject({ status: FAILURES.lost.exitStatus });
  });

  test("that can be refreshed no more ends the command in time [G4]", async ({ lab }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    const pids = await commandPids(run);
    // Neither root nor anybody else can refresh a lock in a directory that is away.
    renameSync(dirname(lab.path), `${dirname(lab.path)}.away`);
    const { status, stderr } = await run.ended;
    expect(status).toBe(FAILURES.lost.exitStatus);
    expect(stderr).toMatch(/The lock on "arm" could not be refreshed in time\. Ending the command/);
    expect(pids.some(isAlive)).toBe(false);
  });
});

describe.concurrent("namehold run, killed", () => {
  test("leaves no process of the command beside a new holder [G2, G6]", async ({ lab }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    await expectNoneBesideNextHolder(lab, run, () => run.kill("SIGKILL"));
    expect(run.stderr).toMatch(
      /^namehold: namehold run \(PID \d+\) was killed: ending the command that holds "arm"\.\n$/,
    );
  });

  test("frees the name at once when the command heeds SIGTERM [G6]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--ttl", "60s", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    await run.printedPid("near");
    run.kill("SIGKILL");
    expect(await lab.run("run", "arm", "--wait", "20s", "--", "echo", "next")).toMatchObject({
      status: 0,
      stdout: "next\n",
    });
  });

  test("together with its guardian: the name is not free while the command lives and the TTL lasts [G2]", async ({
    lab,
  }) => {
    const run = lab.start("run", "arm", "--ttl", "60s", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    const command = await run.printedPid("near");
    const guardian = await run.guardianPid();
    // Stopped first, or it might see its guardian's end and begin to end the command.
    run.kill("SIGSTOP");
    sendSignal(guardian, "SIGKILL");
    run.kill("SIGKILL");
    await lab.gone(guardian);
    await run.ended;
    expect(isAlive(command)).toBe(true);
    expect(await lab.run("run", "arm", "--wait", "300ms", "--", "echo", "next")).toMatchObject({ stdout: "" });
    sendSignal(command, "SIGKILL");
    expect(await lab.run("run", "arm", "--wait", "20s", "--", "echo", "next")).toMatchObject({
      status: 0,
      stdout: "next\n",
    });
  });
});

describe.concurrent("namehold run, failing", () => {
  test("by a fault of its own does not free the name before the command is gone [G2]", async ({ lab }) => {
    // At the test's word: after a time of its own it could come before there is a command, or a next holder waiting.
    const word = join(lab.directory, "word");
    const fault = `import { existsSync } from "node:fs";
      setInterval(() => { if (existsSync(${JSON.stringify(word)})) throw new Error("a fault"); }, 20);`;
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}` };
    const run = lab.startWith(env, ...RUN, "sh", "-c", STUBBORN);
    await expectNoneBesideNextHolder(lab, run, () => writeFileSync(word, ""));
    expect(await run.ended).toMatchObject({ signal: "SIGKILL", stderr: expect.stringContaining("a fault") });
  });

  test("inside another: SIGKILL of the outer one ends the command of the inner one too [G2]", async ({ lab }) => {
    const inner = [process.execPath, MAIN, "run", "inner", "--", "sh", "-c", STUBBORN];
    const run = lab.start(...RUN, ...inner);
    await expectNoneBesideNextHolder(lab, run, () => run.kill("SIGKILL"));
  });
});

describe.concurrent("namehold run, stopped", () => {
  test("past its TTL: the command is gone before another holds the name, and the loss is told [G2, G4]", async ({
    lab,
  }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    await expectNoneBesideNextHolder(lab, run, () => run.kill("SIGSTOP"));
    const { status, stderr } = await run.ended;
    expect(status).toBe(FAILURES.lost.exitStatus);
    expect(stderr).toMatch(/gave no sign of life in time: ending the command that holds "arm"/);
    expect(stderr).toMatch(/Ending the command \(SIGTERM now/);
  });

  test("in the middle of a write does not keep the registry's file lock for longer than its TTL [G2, G12]", async ({
    lab,
  }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    await expectNoneBesideNextHolder(lab, run, () => stopWithFileLock(lab, run));
    expect((await run.ended).status).toBe(FAILURES.lost.exitStatus);
  });
});

/** It has the file lock for a moment at each heartbeat: tries until it is stopped in such a one. */
function stopWithFileLock(lab: Lab, run: CliProcess): void {
  const { ino } = statSync(`${lab.path}.lock`);
  const hasLock = (): boolean => new RegExp(` ${run.pid} \\S+:${ino} `).test(readFileSync("/proc/locks", "latin1"));
  for (const end = performance.now() + 10_000; performance.now() < end; ) {
    if (!hasLock()) continue;
    run.kill("SIGSTOP");
    // It stops when it runs next.
    while (!isStopped(run.pid));
    if (hasLock()) return;
    run.kill("SIGCONT");
  }
  throw new Error("It was not stopped while it had the file lock.");
}

describe.concurrent("the guardian", () => {
  test("is replaced when it dies, and the new one guards [G2]", async ({ lab }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    await commandPids(run);
    const first = await run.guardianPid();
    // One that dies young is not replaced.
    await delay(1_500);
    sendSignal(first, "SIGKILL");
    await lab.gone(first);
    expect(await run.guardianPid()).not.toBe(first);
    expect(run.stderr).toBe("");
    await expectNoneBesideNextHolder(lab, run, () => run.kill("SIGKILL"));
  });

  test("that does not stay alive ends the command, and the name is given up", async ({ lab }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    const pids = await commandPids(run);
    sendSignal(await run.guardianPid(), "SIGKILL");
    const { status, stderr } = await run.ended;
    expect(status).toBe(FAILURES.lost.exitStatus);
    expect(stderr).toMatch(/guardian .* is missing: it does not stay alive\. Ending the command/);
    expect(pids.some(isAlive)).toBe(false);
    expect(await lab.json("show", "arm")).toMatchObject({ status: "free" });
  });

  test("survives the signals that a terminal or a service manager sends to all", async ({ lab }) => {
    const run = lab.start(
      "run",
      "arm",
      "--",
      "sh",
      "-c",
      "trap '' HUP INT TERM; echo near=$$; while :; do sleep 0.05; done",
    );
    const command = await run.printedPid("near");
    const guardian = await run.guardianPid();
    for (const name of ["SIGHUP", "SIGINT", "SIGTERM"] as const) sendSignal(guardian, name);
    run.kill("SIGKILL");
    await lab.gone(command);
    await lab.gone(guardian);
  });
});
