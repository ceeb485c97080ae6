/**
 * The contract of stores (src/stores/store.ts) as a suite that any store can be run through:
 *
 * ```ts
 * import { describe, it } from "vitest";
 * import { defineStoreContract } from "namehold/testing";
 *
 * defineStoreContract({ describe, it }, { name: "my store", open: async () => ({ … }) });
 * ```
 *
 * Cases are plain functions that throw, so that any runner will do: see `storeContract` and `runContractCase`.
 */
import assert from "node:assert/strict";
import { Bench } from "./contract/bench.js";
import { endingCases } from "./contract/ending-cases.js";
import { entryCases } from "./contract/entry-cases.js";
import { formerCases } from "./contract/former-cases.js";
import type { ContractCase, StoreHarness } from "./contract/harness.js";
import { heartbeatCases } from "./contract/heartbeat-cases.js";
import { historyCases } from "./contract/history-cases.js";
import { lockCases } from "./contract/lock-cases.js";
import { movingCases } from "./contract/moving-cases.js";
import { queueCases } from "./contract/queue-cases.js";
import { removalCases } from "./contract/removal-cases.js";
import { textCases } from "./contract/text-cases.js";
import { viewCases } from "./contract/view-cases.js";

export type { Bench } from "./contract/bench.js";
export type { ContractCase, MortalProcess, StoreFixture, StoreHarness } from "./contract/harness.js";

/** What the suite needs of a test runner: vitest, node:test and others have it. */
export interface TestApi {
  describe(title: string, define: () => void): unknown;
  it(title: string, run: () => Promise<void>): unknown;
}

/** Every case of the contract. */
export const storeContract: readonly ContractCase[] = [
  ...entryCases,
  ...lockCases,
  ...heartbeatCases,
  ...formerCases,
  ...textCases,
  ...queueCases,
  ...viewCases,
  ...historyCases,
  ...removalCases,
  ...movingCases,
  ...endingCases,
];

/** Defines one test a case over the store that `harness` opens. */
export function defineStoreContract(api: TestApi, harness: StoreHarness): void {
  const unsupported = new Map(Object.entries(harness.unsupported ?? {}));
  api.describe(`the contract of stores, kept by ${harness.name}`, () => {
    for (const one of storeContract) {
      const reason = unsupported.get(one.title);
      if (reason === undefined) api.it(one.title, () => runContractCase(one, harness));
      else api.it(`not here, since ${reason}: ${one.title}`, () => assertUnsupported(one, harness));
    }
    api.it("names only cases that exist as unsupported", async () => {
      const titles = storeContract.map(({ title }) => title);
      for (const title of unsupported.keys()) assert.ok(titles.includes(title), `there is no case ${title}`);
    });
  });
}

/** Runs one case over a store of its own. Rejects when the store breaks the contract. */
export async function runContractCase(one: ContractCase, harness: StoreHarness): Promise<void> {
  const fixture = await harness.open();
  try {
    await one.run(new Bench(fixture, harness));
  } finally {
    await fixture.dispose();
  }
}

async function assertUnsupported(one: ContractCase, harness: StoreHarness): Promise<void> {
  await assert.rejects(
    runContractCase(one, harness),
    () => true,
    "it holds here, so take it off the list of the unsupported",
  );
}
