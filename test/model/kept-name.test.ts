import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { modelHarnesses } from "./harnesses.js";
import { World } from "./world.js";

/** What the model test has found about names that are kept for former holders, step by step. */
describe.each(modelHarnesses)("over $name", (harness) => {
  let world: World;

  beforeEach(async () => {
    world = await World.open(harness);
  });

  afterEach(() => world.dispose());

  it("a name that is kept for its former holder is not given to another entry, whose stale lock would hide that [G2]", async () => {
    const [idle, living] = [world.process(0), world.process(1)];
    living.claim("arm", 0);
    idle.claim("", 0);
    await world.check();
    idle.stop();
    await world.clock.advance(30_000);
    const { registry } = world.operator;
    await registry.rename("arm", "hand", { force: true });
    await expect(registry.rename("", "arm")).rejects.toMatchObject({ code: "held" });
    idle.goOn();
    idle.claim("arm", 0);
    await expect(world.check()).resolves.toBeUndefined();
  });

  it("a grant that was decided before the name came to be kept for a former holder is refused [G7]", async () => {
    const one = world.process(0);
    const read = one.faults.pauseNext("after", "read");
    one.claim("arm", 0);
    await read.reached;
    world.process(1).claim("arm", 0);
    await world.check();
    await world.operator.registry.rename("arm", "hand", { force: true });
    read.resume();
    await expect(world.check()).resolves.toBeUndefined();
  });
});
