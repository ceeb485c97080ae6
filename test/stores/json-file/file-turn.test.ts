import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../../src/platform/clock.js";
import { FileLock } from "../../../src/platform/file-lock.js";
import { FileTurn } from "../../../src/stores/json-file/file-turn.js";
import { LabFiles } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

describe("a turn at the registry file", () => {
  it("excludes other turns and whoever locks the file as Python does [G9]", async () => {
    const { turn, path } = makeTurn();
    const others = new FileLock(path);
    onTestFinished(() => others.close());
    let inside = 0;
    const one = () => {
      expect(others.tryAcquire()).toBe(false);
      inside += 1;
    };
    await Promise.all([turn.take(5_000, one), makeTurn(path).turn.take(5_000, one)]);
    expect(inside).toBe(2);
    expect(others.tryAcquire()).toBe(true);
  });

  it("is given back when its work throws [G12]", async () => {
    const { turn } = makeTurn();
    const failing = () => {
      throw new Error("mine");
    };
    await expect(turn.take(1_000, failing)).rejects.toThrow("mine");
    await expect(turn.take(1_000, () => "again")).resolves.toBe("again");
  });

  it("knows when the lock file was deleted under it, as some filelock versions do [G9]", async () => {
    const { turn, path } = makeTurn();
    const answers = await turn.take(1_000, () => {
      const before = turn.isStillOurs();
      unlinkSync(`${path}.lock`);
      return [before, turn.isStillOurs()];
    });
    expect(answers).toEqual([true, false]);
  });

  it("is refused as busy when its time is up, with the file to look at [G11, G12]", async () => {
    const { turn, path } = makeTurn();
    const keeper = new FileLock(path);
    onTestFinished(() => keeper.close());
    keeper.tryAcquire();
    const from = performance.now();
    await expect(turn.take(200, () => undefined)).rejects.toMatchObject({
      code: "busy",
      message: expect.stringContaining(`${path}.lock`),
    });
    expect(turn.takeNow(100, () => "mine")).toBeUndefined();
    expect(performance.now() - from).toBeLessThan(2_000);
    keeper.release();
    expect(turn.takeNow(100, () => "mine")).toBe("mine");
  });

  it("is not kept from others by a process that is stopped with the gate shut [G12]", async () => {
    const { turn, path } = makeTurn();
    const keeper = await NodeProcess.start();
    expect(await keeper.call("keepGate", path)).toBe(true);
    keeper.signal("SIGSTOP");
    const from = performance.now();
    await turn.take(5_000, () => undefined);
    expect(performance.now() - from).toBeLessThan(2_000);
  });

  it("is refused as busy in time when a process is stopped with the file lock [G11, G12]", async () => {
    const lab = new LabFiles();
    const keeper = await NodeProcess.over(lab.path);
    await keeper.call("resolve", "robot");
    expect(await keeper.call("keepFileLock", lab.path)).toBe(true);
    keeper.signal("SIGSTOP");
    const registry = await lab.open({ fileLockTimeoutMs: 400 });
    const from = performance.now();
    await expect(registry.resolve("robot", { type: "node" })).rejects.toMatchObject({ code: "busy" });
    expect(performance.now() - from).toBeLessThan(2_000);
    // Who only reads needs no turn.
    expect(await registry.lookup("robot")).not.toBeNull();
    await keeper.kill();
    await registry.resolve("robot", { type: "node" });
  });

  it("leaves gaps: beside eight contending processes a Python-like poller never times out [G9]", async () => {
    const { path } = makeTurn();
    const processes = await Promise.all(Array.from({ length: 8 }, () => NodeProcess.start()));
    const turns = processes.map((one) => one.call("contend", path, 3_000, 3));
    const waitsMs = await pollAsPython(path, 2_500);
    expect(waitsMs.length).toBeGreaterThan(2);
    expect(Math.max(...waitsMs)).toBeLessThan(5_000);
    for (const count of await Promise.all(turns)) expect(count).toBeGreaterThan(0);
  });
});

function makeTurn(path = new LabFiles().path): { readonly turn: FileTurn; readonly path: string } {
  mkdirSync(`${path}.holders`, { recursive: true });
  writeFileSync(path, "{}");
  const turn = new FileTurn(path, `${path}.holders/gate`, systemClock);
  onTestFinished(() => turn.close());
  return { turn, path };
}

async function pollAsPython(path: string, forMs: number): Promise<readonly number[]> {
  const hook = new URL("../../platform/fixtures/resolve-ts.mjs", import.meta.url).href;
  const program = fileURLToPath(new URL("processes/python-like-poller.ts", import.meta.url));
  const poller = spawn(process.execPath, ["--import", hook, program, `${path}.lock`, String(forMs)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = await Promise.all([text(poller.stdout), once(poller, "exit")]);
  return JSON.parse(said) as readonly number[];
}
