import { env } from "node:process";
import fc from "fast-check";
import { describe, it } from "vitest";
import { commands } from "./commands.js";
import { modelHarnesses } from "./harnesses.js";
import { World } from "./world.js";

/**
 * Repeat a failure with the seed and path that it prints: MODEL_SEED=… MODEL_PATH=… npx vitest run test/model
 * -t 'over SQLite'. Try for longer with MODEL_RUNS=….
 */
describe.each(modelHarnesses)("over $name", (harness) => {
  const runs = Number(env["MODEL_RUNS"] ?? harness.runs);

  it(
    "whatever processes, operators, clocks and networks do, names keep their ids and have one holder [G1, G2, G3, G4, G5, G6, G7, G12]",
    async () => {
      await fc.assert(
        fc.asyncProperty(commands, async (steps) => {
          const world = await World.open(harness);
          try {
            await fc.asyncModelRun(
              () => ({ model: { stopped: new Set<number>(), faulty: new Set<number>() }, real: world }),
              steps,
            );
            await world.conclude();
          } finally {
            await world.dispose();
          }
        }),
        {
          numRuns: runs,
          ...(env["MODEL_SEED"] === undefined ? {} : { seed: Number(env["MODEL_SEED"]) }),
          ...(env["MODEL_PATH"] === undefined ? {} : { path: env["MODEL_PATH"] }),
        },
      );
    },
    20_000 + runs * 1_000,
  );
});
