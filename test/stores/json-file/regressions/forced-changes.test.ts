import { describe, expect, it } from "vitest";
import type { Claim, Registry } from "../../../../src/index.js";
import { LabFiles } from "../lab-files.js";
import { ShiftedClock } from "../shifted-clock.js";
import { pythonReleases, pythonRenames } from "./python-file.js";
import { NODE, registryOn, TTL_MS } from "./registry-on-clock.js";

interface Found {
  readonly lab: LabFiles;
  readonly clock: ShiftedClock;
  readonly claim: Claim;
  readonly operator: Registry;
}

const CHANGES: readonly (readonly [what: string, change: (found: Found) => Promise<unknown>])[] = [
  ["a forced rename", ({ operator }) => operator.rename("arm", "arm2", { force: true })],
  ["a forced import", ({ operator }) => operator.importEntries({ entries: {} }, { merge: false, force: true })],
  ["Python's forced rename", async ({ lab }) => pythonRenames(lab, "arm", "arm2")],
  ["Python's release", async ({ lab }) => pythonReleases(lab, "arm")],
];

describe.each(CHANGES)("a name that %s has taken from its holder", (_, change) => {
  it("is refused to others while that holder's claim is held, and free when its TTL has passed [G2, G4, G6]", async () => {
    const { claim, operator, clock } = await changed(change);
    await expectHeld(operator);
    clock.pass(TTL_MS - 2_000);
    await expectHeld(operator);
    clock.pass(2_001);
    expect(claim.held).toBe(false);
    await operator.claim("arm", NODE);
  });
});

describe("a name that a forced rename has taken from its holder", () => {
  it("is free at once when that holder gives it up [G2, G6]", async () => {
    const found = await changed(({ operator }) => operator.rename("arm", "arm2", { force: true }));
    const { claim, operator } = found;
    await expectHeld(operator);
    await claim.release();
    const next = await operator.claim("arm", NODE);
    expect(next.token).toBeGreaterThan(claim.token);
  });
});

async function changed(change: (found: Found) => Promise<unknown>): Promise<Found> {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  const claim = await registryOn(lab, clock).claim("arm", NODE);
  const found = { lab, clock, claim, operator: registryOn(lab, clock) };
  await change(found);
  expect(claim.held).toBe(true);
  return found;
}

async function expectHeld(registry: Registry): Promise<void> {
  await expect(registry.claim("arm", NODE)).rejects.toMatchObject({ code: "held" });
}
