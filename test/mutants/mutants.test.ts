import { afterAll, describe, expect, it } from "vitest";
import { runContractCase, type StoreHarness, storeContract } from "../../src/testing/store-contract.js";
import { memoryHarness } from "../contract/memory-harness.js";
import { historyMutants } from "./history-mutants.js";
import { lockMutants } from "./lock-mutants.js";
import { Handle, type Mutant } from "./mutant.js";
import { queueMutants } from "./queue-mutants.js";
import { recordMutants } from "./record-mutants.js";

/** A suite that passes a broken store proves nothing: each of these must be caught by the case that is meant for it. */
const MUTANTS: readonly Mutant[] = [...lockMutants, ...recordMutants, ...queueMutants, ...historyMutants];

describe("the contract suite catches a store in which", () => {
  const report: string[] = [];
  afterAll(() => console.log(report.join("\n")));

  for (const mutant of MUTANTS) {
    it(mutant.fault, async () => {
      const failed = await failingCases(memoryHarness(mutant.fault, mutant.breakStore));
      report.push(`${mutant.fault}: caught by ${failed.length}`, ...failed.map((title) => `  ${title}`));
      expect(failed).toContain(mutant.caughtBy);
    });
  }
});

it("the contract suite passes the store that mutants are made from", async () => {
  expect(await failingCases(memoryHarness("a sound store", () => (store) => new Handle(store)))).toEqual([]);
});

async function failingCases(harness: StoreHarness): Promise<readonly string[]> {
  const failed = await Promise.all(
    storeContract.map(async (one) => {
      try {
        await runContractCase(one, harness);
        return [];
      } catch {
        return [one.title];
      }
    }),
  );
  return failed.flat();
}
