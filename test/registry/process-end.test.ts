import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { openRegistry } from "../../src/registry/open-registry.js";
import { temporaryDirectory } from "./temporary-directory.js";

const PROGRAM = fileURLToPath(new URL("processes/ending.ts", import.meta.url));
const HOOK = new URL("../platform/fixtures/resolve-ts.mjs", import.meta.url).href;

interface Ended {
  readonly path: string;
  readonly id: string;
  readonly status: number | NodeJS.Signals;
  readonly stderr: string;
}

/** Runs ending.ts to its end, which it must reach by itself. */
async function runToEnd(end: string): Promise<Ended> {
  const path = join(temporaryDirectory(), "registry.json");
  const child = spawn(process.execPath, ["--import", HOOK, PROGRAM, path, end], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code, signal] = (await exited) as [number | null, NodeJS.Signals | null];
  return { path, id: stdout.trim(), status: signal ?? code ?? Number.NaN, stderr };
}

function lockIn(path: string, name: string): unknown {
  return JSON.parse(readFileSync(path, "utf8")).entries[name].lock;
}

describe("a process that holds a name", () => {
  const ENDS = [
    ["return", 0],
    ["process.exit", 7],
    ["uncaught error", 1],
    ["unhandled rejection", 1],
    ["rejected top level", 1],
    ["process.exit in the middle of a heartbeat", 0],
    ["return with a heartbeat by name", 0],
  ] as const;

  it.each(ENDS)("ends by itself by %s, with its status, and has released the name in the file", async (end, status) => {
    const ended = await runToEnd(end);
    expect(ended).toMatchObject({ status, id: expect.stringMatching(/^[0-9A-Z]{26}$/) });
    expect(ended.stderr).not.toContain("NameholdWarning");
    expect(lockIn(ended.path, "robot")).toBeNull();
  });

  it("releases the names of all its registries", async () => {
    const { path, status } = await runToEnd("process.exit with two registries");
    expect(status).toBe(0);
    expect([lockIn(path, "robot"), lockIn(`${path}.other`, "arm")]).toEqual([null, null]);
  });

  it.each(["return after a release", "return after closing"])("ends by itself by %s", async (end) => {
    const { path, status, stderr } = await runToEnd(end);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(lockIn(path, "robot")).toBeNull();
  });

  it("leaves its lock when it is killed, which its death makes free at once [G6]", async () => {
    const { path, id, status } = await runToEnd("SIGKILL");
    expect(status).toBe("SIGKILL");
    expect(lockIn(path, "robot")).not.toBeNull();
    await using registry = await openRegistry(path);
    expect((await registry.claim("robot", { type: "node" })).id).toBe(id);
  });
});
