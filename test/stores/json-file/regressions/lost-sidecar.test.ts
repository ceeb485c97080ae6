import { existsSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Registry } from "../../../../src/index.js";
import { LabFiles } from "../lab-files.js";
import { NodeProcess } from "../processes/node-process.js";
import { ShiftedClock } from "../shifted-clock.js";
import { NODE, registryOn, TTL_MS } from "./registry-on-clock.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };

/** `state.json` is deleted while somebody holds a name. */
describe("without the lost sidecar, a holder", () => {
  it("is not robbed, though its process was idle before and its last beat is old [G2, G7]", async () => {
    const { lab, clock, holder, other } = labOfTwo();
    await (await holder.claim("x", NODE)).release();
    clock.pass(TTL_MS + 1);
    const claim = await holder.claim("x", NODE);
    unlinkSync(lab.statePath);
    await expectHeld(other, "x");
    clock.pass(TTL_MS / 2);
    expect(claim.held).toBe(true);
    await expectHeld(other, "x");
    // Watched, unchanged, for its own TTL: it is gone, and says so itself.
    clock.pass(TTL_MS / 2 + 1);
    expect(claim.held).toBe(false);
    const taken = await other.claim("x", NODE);
    expect(taken.token).toBeGreaterThan(claim.token);
  });

  it("is not robbed as long as it beats [G7]", async () => {
    const { lab, clock, holder, other } = labOfTwo();
    const claim = await holder.claim("x", NODE);
    unlinkSync(lab.statePath);
    for (let beat = 0; beat < 5; beat += 1) {
      await expectHeld(other, "x");
      clock.pass(TTL_MS / 2);
      await holder.refresh("x");
    }
    expect(claim.held).toBe(true);
    expect((await other.entry("x"))?.token).toBe(claim.token);
  });

  it("gives its name up, which is free at once [G5, G6]", async () => {
    const { lab, holder, other } = labOfTwo();
    const claim = await holder.claim("x", NODE);
    await holder.claim("y", NODE);
    unlinkSync(lab.statePath);
    expect(await claim.release()).toBe(true);
    expect(lab.entry("x")?.lock).toBeNull();
    await other.claim("x", NODE);
    await expectHeld(other, "y");
  });

  it("releases at the end of its process, in the file as well [G6]", async () => {
    const { lab, holder, other } = labOfTwo();
    await holder.claim("x", NODE);
    unlinkSync(lab.statePath);
    holder.store.releaseNow?.(holder.lockManager.holder);
    expect(lab.entry("x")?.lock).toBeNull();
    expect(existsSync(join(lab.holders, holder.lockManager.instanceId))).toBe(false);
    await other.claim("x", NODE);
  });

  it("that was killed is proved dead all the same [G6]", async () => {
    const lab = new LabFiles();
    const killed = await NodeProcess.over(lab.path, LONG);
    await killed.call("claim", "x");
    await killed.kill();
    unlinkSync(lab.statePath);
    const registry = await lab.open(LONG);
    // A first claim of another name sweeps the presences that nothing needs: this one is needed.
    await registry.claim("other", NODE);
    expect((await registry.entry("x"))?.state).toEqual({ kind: "free", why: "dead" });
    await registry.claim("x", NODE);
  });
});

interface LabOfTwo {
  readonly lab: LabFiles;
  readonly clock: ShiftedClock;
  readonly holder: Registry;
  readonly other: Registry;
}

function labOfTwo(): LabOfTwo {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  return { lab, clock, holder: registryOn(lab, clock), other: registryOn(lab, clock) };
}

async function expectHeld(registry: Registry, name: string): Promise<void> {
  await expect(registry.claim(name, NODE)).rejects.toMatchObject({ code: "held" });
}
