import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { probeLock } from "../../../../src/platform/lock-probe.js";
import { LabFiles } from "../lab-files.js";
import { examined, labWith } from "./doctor-lab.js";

describe("doctor on the lock file", () => {
  it("that a stopped process holds names it and says how to end that [G11]", async () => {
    const lab = await labWith(["a"]);
    const pid = await lockedBy(`${lab.path}.lock`);
    process.kill(pid, "SIGSTOP");
    await until(() => stateOf(pid) === "T");
    const report = await examined(lab);
    expect(report.codes).toEqual(["lock-file.held-by-stopped"]);
    expect(report.finding("lock-file.held-by-stopped")).toMatchObject({
      severity: "problem",
      what: expect.stringMatching(new RegExp(`PID ${pid} \\(sleep 60\\)`)),
      remedy: expect.stringContaining(`kill -CONT ${pid}`),
    });
  });

  it("that a process keeps names it, once it was never free for a second [G11]", async () => {
    const lab = await labWith(["a"]);
    const pid = await lockedBy(`${lab.path}.lock`);
    const report = await examined(lab);
    expect(report.codes).toEqual(["lock-file.held"]);
    expect(report.finding("lock-file.held").what).toContain(`PID ${pid}`);
  });

  it("that is held for a moment, as in any lab at work, is fine", async () => {
    const lab = await labWith(["a"]);
    const pid = await lockedBy(`${lab.path}.lock`);
    const report = examined(lab);
    await sleep(200);
    process.kill(pid, "SIGKILL");
    expect((await report).codes).toEqual([]);
  });

  it("that is a symbolic link says so, and does not follow it", async () => {
    const lab = await labWith(["a"]);
    unlinkSync(`${lab.path}.lock`);
    symlinkSync(join(lab.directory, "elsewhere"), `${lab.path}.lock`);
    expect((await examined(lab)).codes).toEqual(["lock-file.link"]);
  });

  it("looks at the one beside the link too, where the registry is a symbolic link", async () => {
    const real = await labWith(["a"]);
    const lab = new LabFiles();
    symlinkSync(real.path, lab.path);
    writeFileSync(`${lab.path}.lock`, "");
    await lockedBy(`${lab.path}.lock`);
    expect((await examined(lab)).finding("lock-file.held").what).toContain(`${lab.path}.lock`);
  });

  it("that is missing is fine", async () => {
    const lab = await labWith(["a"]);
    rmSync(`${lab.path}.lock`);
    const report = await examined(lab);
    expect([report.codes, report.looked("lock-file")]).toEqual([[], "none yet"]);
  });

  it("warns of a gate that a stopped process holds, and of none that is merely held", async () => {
    const lab = await labWith(["a"]);
    const pid = await lockedBy(join(lab.holders, "gate"));
    expect((await examined(lab)).codes).toEqual([]);
    process.kill(pid, "SIGSTOP");
    await until(() => stateOf(pid) === "T");
    expect((await examined(lab)).codes).toEqual(["lock-file.gate-held"]);
  });

  it("takes a file that is being written for nothing worse than that", async () => {
    const lab = await labWith(["a"]);
    const sound = lab.text;
    const pid = await lockedBy(`${lab.path}.lock`);
    // As Python writes: in place, with the lock.
    writeFileSync(lab.path, sound.slice(0, 50));
    expect((await examined(lab)).codes).toEqual(["registry-file.unsettled", "lock-file.held"]);
    const report = examined(lab, { fix: true });
    await sleep(200);
    writeFileSync(lab.path, sound);
    process.kill(pid, "SIGKILL");
    expect((await report).codes).toEqual([]);
  });
});

/** A process of its own that holds the lock until the test ends. @returns its pid */
async function lockedBy(path: string): Promise<number> {
  const child: ChildProcess = spawn("flock", ["--no-fork", path, "sleep", "60"], { stdio: "ignore" });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  await until(
    () => probeLock(path).kind === "held" && readFileSync(`/proc/${child.pid}/cmdline`, "utf8").startsWith("sleep"),
  );
  return child.pid as number;
}

function stateOf(pid: number): string {
  return /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";
}

async function until(isSo: () => boolean): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 10) {
    if (waitedMs > 5_000) throw new Error("waited in vain");
    await sleep(10);
  }
}
