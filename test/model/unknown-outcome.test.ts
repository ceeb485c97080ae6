import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Version } from "../../src/core/record.js";
import { modelHarnesses } from "./harnesses.js";
import { World } from "./world.js";

/** What the model test has found about commits of unknown outcome, step by step. */
describe.each(modelHarnesses)("over $name", (harness) => {
  let world: World;

  beforeEach(async () => {
    world = await World.open(harness);
  });

  afterEach(() => world.dispose());

  it("a claim whose request got lost is not taken for given because of an older lock of the same process [G4]", async () => {
    const one = world.process(0);
    one.claim("arm", 0);
    await world.check();
    await world.operator.registry.rename("arm", "hand", { force: true });
    await world.clock.advance(30_000);
    await world.check();
    one.faults.failNext("commit", { kind: "drop-request" });
    one.claim("hand", 0);
    await expect(world.check()).resolves.toBeUndefined();
  });

  it("a claim whose request got lost is not given the lock of another claim of the same process [G2]", async () => {
    const one = world.process(0);
    one.claim("arm", 0);
    await world.check();
    one.release((one.given[0] ?? expect.fail("the claim should be given")).claim);
    await world.check();
    // Of two claims, one's request gets lost on its way there, and the other's reply is late.
    const lost = one.faults.pauseNext("before", "commit");
    const late = one.faults.pauseNext("after", "commit");
    one.faults.failNext("commit", { kind: "drop-request" });
    one.claim("arm", 0);
    one.claim("arm", 0);
    await world.check();
    lost.resume();
    await world.check();
    late.resume();
    await world.check();
    expect(one.given.filter(({ claim }) => claim.held)).toHaveLength(1);
  });

  it("a claim whose reply got lost is given all the same, with its token [G3]", async () => {
    const one = world.process(0);
    one.faults.failNext("commit", { kind: "drop-reply" });
    one.claim("arm", 0);
    await world.check();
    expect(one.given[0]?.claim.held).toBe(true);
    expect(one.given[0]?.claim.token).toBe((await one.registry.entry("arm"))?.token);
  });

  it("a claim whose request got lost is not given an older grant whose reply is still on its way [G4]", async () => {
    const one = world.process(0);
    one.hang("after", "commit");
    one.claim("arm", 0);
    await world.check();
    one.faults.failNext("commit", { kind: "drop-request" });
    await world.clock.advance(30_000);
    one.claim("arm", 0);
    await world.check();
    one.hangNoMore();
    await expect(world.check()).resolves.toBeUndefined();
  });

  it("a claim whose request got lost is not given an older lock that was renamed in between [G4]", async () => {
    const one = world.process(0);
    one.claim("arm", 0);
    await world.check();
    one.stop();
    await world.clock.advance(30_000);
    one.goOn();
    await world.check();
    const commit = one.faults.pauseNext("before", "commit");
    one.faults.failNext("commit", { kind: "drop-request" });
    one.claim("hand", 0);
    await commit.reached;
    await world.operator.registry.rename("arm", "hand", { force: true });
    commit.resume();
    await expect(world.check()).resolves.toBeUndefined();
  });

  it("a lock of which no claim has come is its own process's to take anew, and no other lock is [G3, G7]", async () => {
    const one = world.process(0);
    one.faults.failNext("commit", { kind: "drop-reply" });
    const look = one.faults.pauseNext("before", "read");
    one.claim("arm", 0);
    await look.reached;
    one.faults.failNext("read", { kind: "refuse", code: "unreachable" });
    look.resume();
    await world.check();
    expect(one.given).toHaveLength(0);
    const { token: untold } = world.model.lockOn("arm") ?? expect.fail("the lost grant should stand");
    one.claim("arm", 0);
    await world.check();
    const claim = one.given[0]?.claim ?? expect.fail("the claim should be given");
    expect(claim.token).toBeGreaterThan(untold);
    const part = { kind: "put", name: "arm", expect: "1" as Version, write: { lock: { kind: "grant" } } } as const;
    const change = { parts: [part], holder: one.registry.lockManager.holder, now: world.clock.monotonicMs() };
    const grantAgain = () => world.model.done({ ...change, role: "process", tokenOf: () => claim.token + 1 });
    expect(grantAgain).toThrow("G7: arm is taken");
  });
});
