import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bootId } from "../../../src/platform/clock.js";
import { reservedTokens, reserveTokens } from "../../../src/stores/machine/token-ceiling.js";
import { LabFiles, temporaryDirectory } from "./lab-files.js";
import { NODE, registryOn } from "./regressions/registry-on-clock.js";
import { ShiftedClock } from "./shifted-clock.js";

const HOUR_MS = 3_600_000;
const MINUTE_OF_TOKENS = 60_000_000;

describe("the reservation of tokens", () => {
  it("is a minute above the token for which it is made, and not made again below it [G3]", () => {
    const path = join(temporaryDirectory(), "token-ceiling");
    reserveTokens(path, 1_000);
    expect(reservedTokens(path)).toBe(1_000 + MINUTE_OF_TOKENS);
    reserveTokens(path, 1_000 + MINUTE_OF_TOKENS);
    expect(reservedTokens(path)).toBe(1_000 + MINUTE_OF_TOKENS);
    reserveTokens(path, 1_001 + MINUTE_OF_TOKENS);
    expect(reservedTokens(path)).toBe(1_001 + 2 * MINUTE_OF_TOKENS);
  });

  it("leaves room for one more token at the end of the safe integers [G3]", () => {
    const path = join(temporaryDirectory(), "token-ceiling");
    reserveTokens(path, Number.MAX_SAFE_INTEGER - 5);
    expect(reservedTokens(path)).toBe(Number.MAX_SAFE_INTEGER - 1);
  });

  it.each([undefined, "", "null", "x", "1e400", "-", '{"a":1}', "1.5"])("that is %j is none [G3]", (text) => {
    const path = join(temporaryDirectory(), "token-ceiling");
    if (text !== undefined) writeFileSync(path, text);
    expect(reservedTokens(path)).toBe(0);
  });
});

describe("after a restart of the machine on which the clock has gone back, tokens", () => {
  it.each<readonly [string, (lab: LabFiles) => void]>([
    ["the record of the last one is older", (lab) => writeState(lab, { bootId: "another boot", lastToken: 1 })],
    ["the record of the last one is lost", (lab) => unlinkSync(lab.statePath)],
    ["the record of the last one is torn", (lab) => writeFileSync(lab.statePath, lab.text.slice(0, 20))],
  ])("go on above all that were reserved, and rise, though %s [G3]", async (_, restart) => {
    const lab = new LabFiles();
    const clock = new ShiftedClock();
    const before = await tokenOf(lab, clock);
    restart(lab);
    clock.stepWall(-HOUR_MS);
    const tokens = [await tokenOf(lab, clock), await tokenOf(lab, clock), await tokenOf(lab, clock)];
    expect(tokens[0]).toBeGreaterThan(before + MINUTE_OF_TOKENS);
    expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b));
    expect(reservedTokens(ceilingOf(lab))).toBeGreaterThan(tokens.at(-1) ?? Number.NaN);
  });
});

describe("a token", () => {
  it("is given out only below a reservation, and does not leap to it without a restart [G3]", async () => {
    const lab = new LabFiles();
    const clock = new ShiftedClock();
    const first = await tokenOf(lab, clock);
    const ceiling = readFileSync(ceilingOf(lab), "utf8");
    expect(Number(ceiling)).toBe(first + MINUTE_OF_TOKENS);
    expect(JSON.parse(lab.state)).toMatchObject({ bootId: bootId(), lastToken: first });
    clock.stepWall(-HOUR_MS);
    expect(await tokenOf(lab, clock)).toBe(first + 1);
    expect(readFileSync(ceilingOf(lab), "utf8")).toBe(ceiling);
  });
});

/** The token of one more hold, by a process of its own. */
async function tokenOf(lab: LabFiles, clock: ShiftedClock): Promise<number> {
  const registry = registryOn(lab, clock);
  const { token } = await registry.claim("robot", NODE);
  await registry.close();
  return token;
}

function ceilingOf(lab: LabFiles): string {
  return join(lab.holders, "token-ceiling");
}

function writeState(lab: LabFiles, changes: object): void {
  const state = JSON.parse(lab.state);
  writeFileSync(lab.statePath, JSON.stringify({ ...state, ...changes }));
}
