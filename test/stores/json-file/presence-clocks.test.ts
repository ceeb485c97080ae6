import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "vitest";
import { FakeClock } from "../../interop/fake-clock.js";
import { itWithFaketime } from "../../platform/requirements.js";
import { LabFiles } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const BEATING = { lockTtlMs: 60_000, heartbeatIntervalMs: 100 };
const HOUR_S = 3_600;

describe.each([
  ["an hour ahead", HOUR_S],
  ["an hour behind", -HOUR_S],
])("a wall clock %s", (_, offsetS) => {
  itWithFaketime("of the taker robs nobody who lives, and does not protect the dead [G6, G7]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "robot");
    const taker = await NodeProcess.over(lab.path, { ...LONG, env: clockAt(lab, offsetS).env });
    expect(await taker.failure("claim", "robot")).toMatchObject({ code: "held" });
    await holder.kill();
    await taker.call("claim", "robot");
    expectWallOffset(lab, "robot", offsetS);
  });

  itWithFaketime("of the holder neither loses its name nor keeps it after its death [G3, G6, G7]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, { ...LONG, env: clockAt(lab, offsetS).env });
    const { token } = await holder.call("claim", "robot");
    expectWallOffset(lab, "robot", offsetS);
    const taker = await NodeProcess.over(lab.path, LONG);
    expect(await taker.failure("claim", "robot")).toMatchObject({ code: "held" });
    await holder.kill();
    expect((await taker.call("claim", "robot")).token).toBeGreaterThan(token);
  });

  itWithFaketime("after a step under a running holder leaves its claim and its heartbeat alone [G4, G7]", async () => {
    const lab = new LabFiles();
    const clock = clockAt(lab, 0);
    const holder = await NodeProcess.over(lab.path, { ...BEATING, env: clock.env });
    await holder.call("claim", "robot");
    clock.step(offsetS);
    const registry = await lab.open(LONG);
    // Some heartbeats by the stepped clock.
    await sleep(400);
    expectWallOffset(lab, "robot", offsetS);
    expect(await holder.call("state", "robot")).toMatchObject({ held: true });
    await expect(registry.claim("robot", { type: "node" })).rejects.toMatchObject({ code: "held" });
    await holder.call("release", "robot");
    await registry.claim("robot", { type: "node" });
  });
});

function clockAt(lab: LabFiles, offsetS: number): FakeClock {
  const clock = new FakeClock(lab.directory, "process");
  clock.step(offsetS);
  return clock;
}

/** That the false clock was at work at all. */
function expectWallOffset(lab: LabFiles, name: string, offsetS: number): void {
  const heartbeatAt = Date.parse(lab.entry(name)?.lock?.heartbeat_at ?? "");
  expect(Math.abs(heartbeatAt - Date.now() - offsetS * 1_000)).toBeLessThan(60_000);
}
