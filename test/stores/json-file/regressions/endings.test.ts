import { readdirSync, readlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FileLock } from "../../../../src/platform/file-lock.js";
import { LabFiles } from "../lab-files.js";
import { NodeProcess } from "../processes/node-process.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const NODE = { type: "node" } as const;

describe("a process with a fixed instance", () => {
  it("that was killed and starts anew takes its names at once, with greater tokens [G3, G6]", async () => {
    const lab = new LabFiles();
    const fixed = { ...LONG, instanceId: "gateway-1" };
    const killed = await NodeProcess.over(lab.path, fixed);
    const before = [await killed.call("claim", "a"), await killed.call("claim", "b")];
    await killed.kill();
    const restarted = await lab.open(fixed);
    for (const [i, name] of ["a", "b"].entries()) {
      const claim = await restarted.claim(name, NODE);
      expect(claim.id).toBe(before[i]?.id);
      expect(claim.token).toBeGreaterThan(before[i]?.token ?? Number.NaN);
    }
    const another = await lab.open(LONG);
    await expect(another.claim("a", NODE)).rejects.toMatchObject({ code: "held" });
  });
});

describe("closing a registry", () => {
  it("while a claim waits for its turn at the file leaves no lock and no open file [G2, G6]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    await registry.resolve("a", NODE);
    const busy = new FileLock(lab.path);
    expect(busy.tryAcquire()).toBe(true);
    const claim = registry.claim("a", NODE).then(
      () => "claimed",
      (error: { readonly code: string }) => error.code,
    );
    // Until the claim stands in the queue for a turn.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const closing = registry.close();
    busy.close();
    await closing;
    expect(["closed", "aborted"]).toContain(await claim);
    expect(lab.entry("a")?.lock).toBeNull();
    expect(openFilesBeneath(lab.directory)).toEqual([]);
    await (await lab.open(LONG)).claim("a", NODE);
  });
});

function openFilesBeneath(directory: string): readonly string[] {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The descriptor of the listing itself is closed by now.
      return "";
    }
  });
  return targets.filter((target) => target.startsWith(directory));
}
