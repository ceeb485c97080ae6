import { unlinkSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Claim, Registry } from "../../../../src/index.js";
import { LabFiles } from "../lab-files.js";
import { ShiftedClock } from "../shifted-clock.js";
import { pythonReleases, pythonRenames } from "./python-file.js";
import { NODE, registryOn, TTL_MS } from "./registry-on-clock.js";

interface Found {
  readonly lab: LabFiles;
  readonly operator: Registry;
}

const CHANGES: readonly (readonly [what: string, change: (found: Found) => Promise<unknown>])[] = [
  ["a forced import", ({ operator }) => operator.importEntries({ entries: {} }, { merge: false, force: true })],
  ["Python's forced rename", async ({ lab }) => pythonRenames(lab, "arm", "arm2")],
  ["Python's release", async ({ lab }) => pythonReleases(lab, "arm")],
];

describe.each(CHANGES)("a name that %s has taken from its holder", (_, change) => {
  it("is free at once when that holder gives it up [G2, G6]", async () => {
    const { claim, operator } = await changed(change);
    await claim.release();
    expect((await operator.claim("arm", NODE)).held).toBe(true);
  });

  it("is that holder's again when it claims anew, as it is told to [G2, G6]", async () => {
    const { claim, holder } = await changed(change);
    await expect(holder.refresh("arm")).rejects.toMatchObject({ code: "lost" });
    expect((await holder.claim("arm", NODE)).token).toBeGreaterThan(claim.token);
  });
});

describe("without the lost sidecar, a holder", () => {
  it("loses what it does not refresh any more, and that alone [G6, G7]", async () => {
    const { lab, clock, holder, other } = labOfTwo();
    const [x, y] = [await holder.claim("x", NODE), await holder.claim("y", NODE)];
    unlinkSync(lab.statePath);
    for (let beat = 0; beat < 3; beat += 1) {
      await expectHeld(other, "x");
      clock.pass(TTL_MS / 3);
      await holder.refresh("y");
    }
    clock.pass(1);
    expect([x.held, y.held]).toEqual([false, true]);
    await other.claim("x", NODE);
    await expectHeld(other, "y");
  });
});

async function changed(
  change: (found: Found) => Promise<unknown>,
): Promise<Found & { claim: Claim; holder: Registry }> {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  const holder = registryOn(lab, clock);
  const claim = await holder.claim("arm", NODE);
  const found = { lab, operator: registryOn(lab, clock) };
  await change(found);
  return { ...found, claim, holder };
}

function labOfTwo() {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  return { lab, clock, holder: registryOn(lab, clock), other: registryOn(lab, clock) };
}

async function expectHeld(registry: Registry, name: string): Promise<void> {
  await expect(registry.claim(name, NODE)).rejects.toMatchObject({ code: "held" });
}
