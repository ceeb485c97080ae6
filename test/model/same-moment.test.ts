import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { modelHarnesses } from "./harnesses.js";
import { World } from "./world.js";

/** What the model test has found about things that happen in one moment of the clock, step by step. */
describe.each(modelHarnesses)("over $name", (harness) => {
  let world: World;

  beforeEach(async () => {
    world = await World.open(harness);
  });

  afterEach(() => world.dispose());

  it("a former claim's release leaves the next claim alone that was given in the same moment to the same process [G5]", async () => {
    const one = world.process(0);
    one.claim("arm", 0);
    await world.check();
    await world.operator.registry.revoke("arm", { reason: "test", now: true });
    one.claim("arm", 0);
    await world.check();
    const [former, next] = one.given;
    one.release((former ?? expect.fail("the first claim should be given")).claim);
    await expect(world.check()).resolves.toBeUndefined();
    expect(next?.claim.held).toBe(true);
  });
});
