import { describe, expect, it } from "vitest";
import type { EndedHold } from "../../../src/registry/history.js";
import { LabFiles } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

// What really ends here are processes, and the time of the second test is real.

const NODE = { type: "node" } as const;
const SHORT = { lockTtlMs: 1_500, heartbeatIntervalMs: 300 };

describe("the history of a holder", () => {
  it("that was killed says that it crashed, and when its name was taken over [G6]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 });
    const held = await holder.call("claim", "arm");
    await holder.kill();
    const registry = await lab.open();
    const next = await registry.claim("arm", NODE);
    const [standing, ended, ...others] = await registry.history("arm");
    expect(others).toEqual([]);
    expect(standing).toMatchObject({ kind: "standing", token: next.token });
    expect(ended).toMatchObject({
      token: held.token,
      holder: { pid: holder.pid },
      ending: { how: "crashed" },
      until: standing?.since,
      observed: false,
    });
  });

  it("that was stopped past its TTL says that it was silent, since its last heartbeat [G5, G6]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, SHORT);
    const held = await holder.call("claim", "arm");
    await holder.stopOutsideTurns(lab.path);
    const registry = await lab.open(SHORT);
    const next = await registry.claim("arm", { ...NODE, waitMs: 15_000 });
    holder.signal("SIGCONT");
    await holder.call("release", "arm");
    await next.release();
    const ended = (await registry.history("arm")) as readonly EndedHold[];
    expect(ended.map(({ token, ending: { how } }) => [token, how])).toEqual([
      [next.token, "released"],
      [held.token, "silent"],
    ]);
    const silent = ended[1] as EndedHold;
    expect(silent.until - silent.lastHeartbeat).toBeGreaterThanOrEqual(SHORT.lockTtlMs - 1);
  });

  it("with a fixed instance that was killed and came back says that its earlier life crashed [G3, G6]", async () => {
    const lab = new LabFiles();
    const fixed = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000, instanceId: "gateway-1" };
    const killed = await NodeProcess.over(lab.path, fixed);
    const before = await killed.call("claim", "arm");
    await killed.kill();
    const registry = await lab.open(fixed);
    await (await registry.claim("arm", NODE)).release();
    const ended = (await registry.history("arm")) as readonly EndedHold[];
    expect(ended.map(({ ending: { how } }) => how)).toEqual(["released", "crashed"]);
    expect(ended[1]).toMatchObject({ token: before.token, holder: { pid: killed.pid } });
  });

  it("that ends with a name in its hands says that it released it, and a revoked one that it was revoked", async () => {
    const lab = new LabFiles();
    const holder = await lab.open();
    await holder.claim("arm", NODE);
    await holder.claim("leg", NODE);
    const operator = await lab.open();
    await operator.revoke("leg", { reason: "maintenance" });
    await holder.close();
    const endings = async (name: string) =>
      ((await operator.history(name)) as readonly EndedHold[]).map((hold) => hold.ending);
    expect(await endings("arm")).toEqual([{ how: "released" }]);
    expect(await endings("leg")).toEqual([{ how: "revoked", detail: "maintenance" }]);
  });
});
