import { describe, expect, it } from "vitest";
import { later, type WallMs, wallMs } from "../../src/core/timing.js";
import { type EndedHold, type Hold, type StandingHold, stateAt } from "../../src/registry/history.js";
import { Lab, type LabProcess, TTL_MS } from "./lab.js";

describe("the history", () => {
  it("tells of the holds that stand first, then of those that are over, the last to end first", async () => {
    const lab = new Lab();
    const node = lab.open();
    await (await node.claim("a")).release();
    await lab.clock.advance(1_000);
    const b = await node.claim("b");
    await lab.clock.advance(1_000);
    const a = await node.claim("a");
    await lab.clock.advance(1_000);
    await (await node.claim("c")).release();
    const holds = await node.registry.history();
    expect(holds.map(({ kind, name }) => [kind, name])).toEqual([
      ["standing", "a"],
      ["standing", "b"],
      ["ended", "c"],
      ["ended", "a"],
    ]);
    expect(holds.slice(0, 2).map(({ token, id }) => [token, id])).toEqual([
      [a.token, a.id],
      [b.token, b.id],
    ]);
    expect(holds[0]).toMatchObject({ holder: { instance: node.instance }, state: { kind: "held" }, revocation: null });
  });

  it("of a name includes what its ID did under other names, and what other IDs did under it", async () => {
    const lab = new Lab();
    const node = lab.open();
    const first = await node.claim("arm");
    await first.release();
    await node.registry.rename("arm", "left_arm");
    const second = await node.claim("arm");
    await second.release();
    const tokens = async (nameOrId: string) => (await node.registry.history(nameOrId)).map(({ token }) => token);
    expect(await tokens("left_arm")).toEqual([first.token]);
    expect(await tokens(first.id)).toEqual([first.token]);
    expect(await tokens("arm")).toEqual([second.token, first.token]);
    await node.registry.rename("arm", "right_arm");
    expect(await tokens("arm")).toEqual([second.token, first.token]);
    await expect(node.registry.history("nobody")).rejects.toMatchObject({ code: "not-found" });
    expect(await node.registry.history()).toHaveLength(2);
  });

  it("tells once of a hold that ends while it is asked for", async () => {
    const lab = new Lab();
    const [holder, asker] = [lab.open(), lab.open()];
    const claim = await holder.claim("arm");
    const pause = asker.store.pauseNext("after", "read");
    const asked = asker.registry.history("arm");
    await pause.reached;
    await claim.release();
    pause.resume();
    expect(await asked).toMatchObject([{ kind: "ended", token: claim.token }]);
  });

  it("of a name that was never held is empty", async () => {
    const { registry } = new Lab().open();
    await registry.resolve("arm", { type: "node" });
    expect(await registry.history("arm")).toEqual([]);
  });

  it.each([
    ["crashed, when its process is found dead", (_: Lab, holder: LabProcess) => holder.kill(), "crashed"],
    [
      "silent, when it has shown no sign of life for its TTL",
      (lab: Lab, holder: LabProcess) => {
        holder.store.freeze();
        return lab.clock.advance(TTL_MS + 1_000);
      },
      "silent",
    ],
  ] as const)("tells how a hold ended: %s", async (_, end, how) => {
    const lab = new Lab();
    const [holder, next] = [lab.open(), lab.open()];
    const claim = await holder.claim("arm");
    await lab.clock.advance(11_000);
    await end(lab, holder);
    const [standing] = await next.registry.history("arm");
    expect(standing).toMatchObject({ kind: "standing", state: { kind: "free" } });
    await lab.clock.advance(5_000);
    await next.claim("arm");
    const [, ended, ...others] = await next.registry.history("arm");
    expect(others).toEqual([]);
    expect(ended).toMatchObject({ kind: "ended", token: claim.token, ending: { how }, observed: false });
    expect(ended?.lastHeartbeat).toBeGreaterThan(ended?.since ?? 0);
  });

  it("tells of a revoked hold by the operator's words, once its holder has given it up", async () => {
    const lab = new Lab();
    const [holder, operator] = [lab.open(), lab.open()];
    const claim = await holder.claim("arm");
    await operator.registry.revoke("arm", { reason: "maintenance" });
    expect(await operator.registry.history("arm")).toMatchObject([
      { kind: "standing", revocation: { reason: "maintenance" } },
    ]);
    await lab.clock.advance(11_000);
    expect(claim.held).toBe(false);
    await claim.release();
    const revoked = [{ kind: "ended", ending: { how: "revoked", detail: "maintenance" } }];
    expect(await operator.registry.history("arm")).toMatchObject(revoked);
  });

  it("begins the hold of a new name, to which a forced rename has brought a lock, with the rename", async () => {
    const lab = new Lab();
    const [holder, operator] = [lab.open(), lab.open()];
    const claim = await holder.claim("arm");
    await lab.clock.advance(1_000);
    await operator.registry.rename("arm", "left_arm", { force: true });
    const [standing, renamed, ...others] = await operator.registry.history(claim.id);
    expect(others).toEqual([]);
    expect(renamed).toMatchObject({ name: "arm", ending: { how: "renamed", detail: "left_arm" } });
    expect(standing).toMatchObject({ kind: "standing", name: "left_arm", token: claim.token });
    expect(standing?.since).toBe((renamed as EndedHold).until);
    await claim.release();
    const [ended, ...earlier] = await operator.registry.history(claim.id);
    expect(earlier).toEqual([renamed]);
    expect(ended).toMatchObject({ kind: "ended", name: "left_arm", since: (renamed as EndedHold).until });
    expect((ended as EndedHold).until).toBeGreaterThanOrEqual(ended?.since ?? 0);
  });
});

describe("what is known of a hold at a moment", () => {
  const since = wallMs(1_000);
  const common = { name: "arm", id: "", holder: { instance: "", pid: 1, host: "lab" }, token: 1, since };
  const ended = (how: EndedHold["ending"]["how"], observed = false): Hold => {
    return { kind: "ended", ...common, lastHeartbeat: at(2_000), until: at(3_000), ending: { how }, observed };
  };
  const standing = (state: StandingHold["state"]): Hold => {
    return { kind: "standing", ...common, lastHeartbeat: at(2_000), state, revocation: null };
  };
  const free = standing({ kind: "free", why: "dead" });
  const lock = {
    holderPid: 1,
    holderHost: "",
    holderInstance: "",
    acquiredAt: since,
    heartbeatAt: since,
    expiresAt: since,
  };
  const held = standing({ kind: "held", lock, lapsesInMs: 1, decided: true });

  it.each([
    ["released", ended("released"), ["held", "held", "held", undefined]],
    ["revoked", ended("revoked"), ["held", "held", "held", undefined]],
    ["crashed", ended("crashed"), ["held", "held", "silent", undefined]],
    ["silent", ended("silent"), ["held", "held", "silent", undefined]],
    ["observed to be silent", ended("silent", true), ["held", "held", "silent", undefined]],
    ["observed to be released", ended("released", true), ["held", "held", "unclear", undefined]],
    ["standing", held, ["held", "held", "held", "held"]],
    ["left by a crashed holder", free, ["held", "held", "silent", "silent"]],
  ] as const)("that is %s says no more than was seen", (_, hold, [first, atBeat, between, after]) => {
    expect(stateAt(hold, at(999))).toBeUndefined();
    expect(stateAt(hold, since)).toBe(first);
    expect(stateAt(hold, at(2_000))).toBe(atBeat);
    expect(stateAt(hold, at(2_999))).toBe(between);
    expect(stateAt(hold, at(3_000))).toBe(after);
  });
});

function at(ms: number): WallMs {
  return later(wallMs(0), ms);
}
