import { describe, expect, it, vi } from "vitest";
import type { Claim } from "../../src/registry/claim.js";
import type { NamedEntry } from "../../src/registry/registry.js";
import { HEARTBEAT_MS, HOLD_MS, Lab, type LabProcess, storyOf, TTL_MS } from "./lab.js";

const NODE = { type: "node" } as const;

async function all(entries: AsyncIterable<NamedEntry>): Promise<readonly NamedEntry[]> {
  const found: NamedEntry[] = [];
  for await (const entry of entries) found.push(entry);
  return found;
}

describe("resolve", () => {
  it("makes an ID for a new name and gives it for ever after, without a lock [G1]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const first = await a.registry.resolveWithInfo("robot", { type: "workcell", metadata: { a: 1 } });
    expect(first.isNew).toBe(true);
    await lab.clock.advance(1_000);
    expect(await b.registry.resolveWithInfo("robot", { type: "workcell", metadata: { b: 2 } })).toEqual({
      id: first.id,
      isNew: false,
    });
    const { entry } = await lab.record("robot");
    expect(entry).toMatchObject({ componentType: "workcell", metadata: { a: 1, b: 2 }, lock: null });
    expect(entry.lastSeen - entry.createdAt).toBe(1_000);
  });

  it("by many at once makes one ID, and tells one of them that it is new [G1, G2, G9]", async () => {
    const lab = new Lab();
    const [a, b, c] = [lab.open(), lab.open(), lab.open()];
    const asked = [a, a, b, b, c, c].map(({ registry }) => registry.resolveWithInfo("robot", NODE));
    const answers = await Promise.all(asked);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ isNew }) => isNew)).toHaveLength(1);
  });

  it("of a held name leaves its lock alone [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    expect(await b.registry.resolve("robot", NODE)).toBe(claim.id);
    expect((await lab.record("robot")).token).toBe(claim.token);
    await lab.clock.advance(TTL_MS);
    expect(claim.held).toBe(true);
  });

  it("of another type is refused, unless the mismatch is allowed; the type stays", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    const id = await registry.resolve("robot", NODE);
    await expect(registry.resolve("robot", { type: "manager" })).rejects.toMatchObject({ code: "type-mismatch" });
    expect(await registry.resolve("robot", { type: "manager", allowTypeMismatch: true })).toBe(id);
    expect((await lab.record("robot")).entry.componentType).toBe("node");
  });

  it("whose reply is lost says that its outcome is unknown; asked again, it gives the one ID [G1, G11]", async () => {
    const lab = new Lab();
    const a = lab.open();
    a.store.failNext("commit", { kind: "drop-reply" });
    await expect(a.registry.resolve("robot", NODE)).rejects.toMatchObject({ code: "outcome-unknown" });
    const { id } = (await lab.record("robot")).entry;
    expect(await a.registry.resolve("robot", NODE)).toBe(id);
  });

  it("refuses what is invalid as `claim` does, and writes nothing [G12]", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    const invalid = { code: "invalid-input" };
    await expect(registry.resolve("x".repeat(1025), NODE)).rejects.toMatchObject(invalid);
    await expect(registry.resolve("robot", { type: "robot" as "node" })).rejects.toMatchObject(invalid);
    await expect(registry.resolve("robot", { ...NODE, metadata: { a: Number.NaN } })).rejects.toMatchObject(invalid);
    expect(await lab.everything()).toEqual([]);
  });
});

describe("looking", () => {
  it("tells 'no such name' from 'could not look' [G11]", async () => {
    const lab = new Lab();
    const { registry, store } = lab.open();
    expect(await registry.lookup("robot")).toBeNull();
    expect(await registry.entry("robot")).toBeNull();
    expect(await registry.find("robot")).toBeNull();
    await registry.resolve("robot", NODE);
    for (const code of ["busy", "unreachable", "storage-failed"] as const) {
      for (const look of ["lookup", "entry", "find"] as const) {
        store.failNext("read", { kind: "refuse", code });
        await expect(registry[look]("robot")).rejects.toMatchObject({ code });
      }
    }
  });

  it("changes nothing, and makes no name", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await lab.open().claim("robot");
    const before = await lab.everything();
    await registry.lookup("robot");
    await registry.lookup("unknown");
    await registry.find("unknown");
    await registry.exportText();
    expect(await lab.everything()).toEqual(before);
  });

  it("finds an entry by its name or its ID, the name first", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    const id = await registry.resolve("robot", NODE);
    expect((await registry.find("robot"))?.name).toBe("robot");
    expect((await registry.find(id))?.name).toBe("robot");
    await registry.resolve(id, NODE);
    expect((await registry.find(id))?.name).toBe(id);
  });

  it("shows lock, holder, token, revocation and waiters", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const { token } = await a.claim("robot");
    await b.queueUp("robot");
    await b.registry.revoke("robot", { reason: "for repair" });
    expect(await b.registry.entry("robot")).toMatchObject({
      name: "robot",
      entry: { lock: { holderInstance: a.instance } },
      state: { kind: "held", lapsesInMs: TTL_MS, decided: true },
      token,
      revocation: { reason: "for repair" },
      waiters: [{ instance: b.instance }],
    });
    a.kill();
    await lab.clock.settle();
    expect((await b.registry.entry("robot"))?.entry.lock?.holderInstance).toBe(b.instance);
  });

  it("lists everything, or one type", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.resolve("robot", NODE);
    await registry.resolve("lab", { type: "manager" });
    await registry.claim("arm", NODE);
    expect((await all(registry.list())).map(({ name }) => name)).toEqual(["robot", "lab", "arm"]);
    const nodes = await all(registry.list({ componentType: "node" }));
    expect(nodes.map(({ name, state }) => [name, state.kind])).toEqual([
      ["robot", "free"],
      ["arm", "held"],
    ]);
  });

  it("is refused when the registry is closed [G11]", async () => {
    const { registry } = new Lab().open();
    await registry.close();
    await expect(registry.lookup("robot")).rejects.toMatchObject({ code: "closed" });
    await expect(registry.resolve("robot", NODE)).rejects.toMatchObject({ code: "closed" });
  });
});

describe("rename", () => {
  it("gives a free entry another name; ID, metadata and type stay [G1]", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    const id = await registry.resolve("robot", { type: "module", metadata: { a: 1 } });
    expect(await registry.rename("robot", "arm")).toBe(id);
    expect(await registry.lookup("robot")).toBeNull();
    expect((await lab.record("arm")).entry).toMatchObject({ id, componentType: "module", metadata: { a: 1 } });
    expect((await registry.claim("arm", { type: "module" })).id).toBe(id);
  });

  it("is refused for an unknown name, onto a known one, onto itself, and onto what is no name [G11]", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.resolve("robot", NODE);
    await registry.resolve("arm", NODE);
    const before = await lab.everything();
    await expect(registry.rename("unknown", "new")).rejects.toMatchObject({
      code: "not-found",
      details: { name: "unknown" },
    });
    for (const to of ["arm", "robot"]) {
      for (const force of [false, true]) {
        const refused = registry.rename("robot", to, { force });
        await expect(refused).rejects.toMatchObject({ code: "already-exists", details: { name: to } });
      }
    }
    await expect(registry.rename("robot", "x".repeat(1025))).rejects.toMatchObject({ code: "invalid-input" });
    expect(await lab.everything()).toEqual(before);
  });

  it("of a held name is refused without force, and changes nothing [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.claim("robot");
    const before = await lab.everything();
    const refused = b.registry.rename("robot", "arm");
    await expect(refused).rejects.toMatchObject({ code: "held", details: { heldBy: { instance: a.instance } } });
    expect(await lab.everything()).toEqual(before);
  });

  it("of a dead holder's name needs no force [G6]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const { id } = await a.claim("robot");
    a.kill();
    expect(await b.registry.rename("robot", "arm")).toBe(id);
    expect((await b.claim("arm")).id).toBe(id);
  });

  it("by force tells the holder the new name at its next beat, which it refreshes no longer [G4]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    const story = storyOf(claim);
    expect(await b.registry.rename("robot", "arm", { force: true })).toBe(claim.id);
    expect(claim.held).toBe(true);
    await lab.clock.advance(HEARTBEAT_MS);
    expect(claim.loss).toEqual({ reason: "renamed", renamedTo: "arm" });
    expect(String(claim.signal.reason)).toContain("it was renamed (arm)");
    await lab.clock.advance(TTL_MS);
    expect(story).toEqual(["lost: renamed"]);
  });

  it("by force leaves one holder of the ID: the new name is not given before the TTL [G1, G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    await b.registry.rename("robot", "arm", { force: true });
    await lab.clock.advance(TTL_MS - 1);
    expect(claim.held).toBe(false);
    await expect(b.claim("arm")).rejects.toMatchObject({ code: "held" });
    await lab.clock.advance(1);
    const next = await b.claim("arm");
    expect(next.id).toBe(claim.id);
    expect(next.token).toBeGreaterThan(claim.token);
  });

  it("by force frees the new name when the former holder, told or not, releases its claim", async () => {
    for (const beats of [0, 1]) {
      const lab = new Lab();
      const [a, b] = [lab.open(), lab.open()];
      const claim = await a.claim("robot");
      await b.registry.rename("robot", "arm", { force: true });
      await lab.clock.advance(beats * HEARTBEAT_MS);
      expect(await claim.release()).toBe(true);
      expect((await b.claim("arm")).id).toBe(claim.id);
    }
  });

  it("twice by force frees the last name when the former holder releases its claim", async () => {
    for (const beats of [0, 1]) {
      const lab = new Lab();
      const [a, b] = [lab.open(), lab.open()];
      const claim = await a.claim("robot");
      await b.registry.rename("robot", "arm", { force: true });
      await lab.clock.advance(beats * HEARTBEAT_MS);
      await b.registry.rename("arm", "hand", { force: true });
      expect(await claim.release()).toBe(true);
      expect((await b.claim("hand")).id).toBe(claim.id);
    }
  });

  const ENDS: readonly (readonly [
    until: string,
    end: (lab: Lab, holder: LabProcess, claim: Claim) => Promise<unknown>,
  ])[] = [
    ["releases its claim", (_, __, claim) => claim.release()],
    ["dies", async (_, holder) => holder.kill()],
    [
      "has been silent for its TTL",
      async (lab, { store }) => {
        store.freeze();
        await lab.clock.advance(TTL_MS - 1);
        await expect(lab.open().claim("robot")).rejects.toMatchObject({ code: "held" });
        await lab.clock.advance(1);
      },
    ],
  ];

  it.each(ENDS)("by force keeps the old name from others until its former holder %s [G2, G6]", async (_, end) => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const former = await a.claim("robot");
    await b.registry.rename("robot", "arm", { force: true });
    expect(former.held).toBe(true);
    const refused = b.claim("robot");
    await expect(refused).rejects.toMatchObject({ code: "held", details: { heldBy: { instance: a.instance } } });
    await end(lab, a, former);
    expect(former.held && a.isAlive).toBe(false);
    const next = await b.claim("robot");
    expect(next).toMatchObject({ isNew: true });
    expect(next.id).not.toBe(former.id);
    expect(next.token).toBeGreaterThan(former.token);
  });

  it("does not let the former holder's release touch a new entry of the old name [G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const former = await a.claim("robot");
    await b.registry.rename("robot", "arm", { force: true });
    a.store.freeze();
    await lab.clock.advance(TTL_MS);
    const holder = await b.claim("robot");
    a.store.thaw();
    await former.release();
    expect((await lab.record("robot")).token).toBe(holder.token);
    expect(holder.held).toBe(true);
  });

  it("starts again from what is there when somebody changed an entry in between [G9]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const id = await a.registry.resolve("robot", NODE);
    const pause = a.store.pauseNext("before", "commit");
    const renaming = a.registry.rename("robot", "arm");
    await pause.reached;
    await b.registry.resolve("robot", { ...NODE, metadata: { b: 2 } });
    pause.resume();
    expect(await renaming).toBe(id);
    expect((await lab.record("arm")).entry.metadata).toEqual({ b: 2 });
  });

  it("does not rename what was claimed in between [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.registry.resolve("robot", NODE);
    const pause = a.store.pauseNext("before", "commit");
    const renaming = a.registry.rename("robot", "arm");
    renaming.catch(() => undefined);
    await pause.reached;
    const claim = await b.claim("robot");
    pause.resume();
    await expect(renaming).rejects.toMatchObject({ code: "held" });
    expect((await lab.record("robot")).token).toBe(claim.token);
  });
});

describe("revoke", () => {
  it("marks the lock; the holder is told at its next beat and is refreshed no longer [G4]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    const shown = await b.registry.revoke("robot", { reason: "for repair" });
    expect(shown).toMatchObject({ name: "robot", revocation: { reason: "for repair" }, state: { kind: "held" } });
    expect(claim.held).toBe(true);
    await lab.clock.advance(HEARTBEAT_MS);
    expect(claim.loss).toEqual({ reason: "revoked", detail: "for repair" });
    expect((await lab.record("robot")).token).toBe(claim.token);
  });

  it("frees the name when the TTL has passed since the last refresh, not before [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    await b.registry.revoke("robot", { reason: "for repair" });
    await lab.clock.advance(TTL_MS - 1);
    expect(claim.held).toBe(false);
    await expect(b.claim("robot")).rejects.toMatchObject({ code: "held" });
    await lab.clock.advance(1);
    await b.claim("robot");
  });

  it("frees the name when the holder releases it or dies [G6]", async () => {
    const lab = new Lab();
    const [a, b, c] = [lab.open(), lab.open(), lab.open()];
    const claim = await a.claim("robot");
    await c.registry.revoke("robot", { reason: "for repair" });
    await lab.clock.advance(HEARTBEAT_MS);
    expect(await claim.release()).toBe(true);
    await b.claim("robot");
    await c.registry.revoke("robot", { reason: "for repair" });
    b.kill();
    await c.claim("robot");
  });

  it("now frees the name at once, and the holder is told at its next beat [G4, G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const former = await a.claim("robot");
    expect(await b.registry.revoke("robot", { reason: "it hangs", now: true })).toMatchObject({
      state: { kind: "free" },
      token: null,
    });
    const holder = await b.claim("robot");
    await lab.clock.advance(HEARTBEAT_MS);
    expect(former.loss).toEqual({ reason: "revoked", detail: "it hangs" });
    expect(await former.release()).toBe(false);
    expect(holder.held).toBe(true);
  });

  it("now tells who held the name, and for how long that one may act", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const revokeNow = () => b.registry.revoke("robot", { reason: "it hangs", now: true });
    await a.claim("robot");
    await lab.clock.advance(4_000);
    const held = await revokeNow();
    expect(held.former).toMatchObject({ lock: { holderInstance: a.instance }, state: { lapsesInMs: TTL_MS - 4_000 } });
    expect(held.former?.isTold).toBe(true);
    await a.claim("robot");
    a.kill();
    expect((await revokeNow()).former?.state).toEqual({ kind: "free", why: "dead" });
    expect((await revokeNow()).former).toBeNull();
  });

  it("of an unlocked name changes nothing, and of an unknown one is refused [G11]", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.resolve("robot", NODE);
    const before = await lab.everything();
    for (const now of [false, true]) {
      expect(await registry.revoke("robot", { reason: "none", now })).toMatchObject({ revocation: null, former: null });
      const unknown = registry.revoke("unknown", { reason: "none", now });
      await expect(unknown).rejects.toMatchObject({ code: "not-found" });
    }
    expect(await lab.everything()).toEqual(before);
  });

  it("of a holder that cannot be told is refused, unless it is now", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.claim("robot");
    const read = vi.spyOn(b.store, "read").mockImplementation(async (name) => {
      const snapshot = await lab.memory.read(name);
      return snapshot.record === null ? snapshot : { ...snapshot, record: { ...snapshot.record, token: null } };
    });
    const refused = b.registry.revoke("robot", { reason: "for repair" });
    await expect(refused).rejects.toMatchObject({ code: "unsupported", details: { heldBy: { instance: a.instance } } });
    await b.registry.revoke("robot", { reason: "for repair", now: true });
    read.mockRestore();
    expect((await lab.record("robot")).token).toBeNull();
  });

  it("of a name whose holder has just changed ends the lock that is there", async () => {
    const lab = new Lab();
    const [a, b, operator] = [lab.open(), lab.open(), lab.open()];
    const first = await a.claim("robot");
    const pause = operator.store.pauseNext("before", "commit");
    const revoking = operator.registry.revoke("robot", { reason: "for repair" });
    await pause.reached;
    await first.release();
    const second = await b.claim("robot");
    pause.resume();
    await revoking;
    await lab.clock.advance(HEARTBEAT_MS);
    expect(second.loss).toEqual({ reason: "revoked", detail: "for repair" });
  });
});

describe("release on behalf of another", () => {
  it("takes the lock of a dead or silent holder away, and leaves a living one's [G6, G7]", async () => {
    const lab = new Lab();
    const [a, b, c] = [lab.open(), lab.open(), lab.open()];
    await a.claim("dead");
    await b.claim("silent");
    const alive = await c.claim("alive");
    a.kill();
    b.store.freeze();
    await lab.clock.advance(TTL_MS);
    const { registry } = c;
    expect(await registry.release("dead")).toBe(true);
    expect(await registry.release("silent")).toBe(true);
    await expect(registry.release("alive")).rejects.toMatchObject({ code: "held" });
    for (const name of ["dead", "silent"]) expect((await lab.record(name)).entry.lock).toBeNull();
    expect(alive.held).toBe(true);
  });

  it("does not take the lock of one who shows a sign of life in between [G7]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    a.store.freeze();
    await lab.clock.advance(TTL_MS);
    const pause = b.store.pauseNext("before", "commit");
    const releasing = b.registry.release("robot");
    releasing.catch(() => undefined);
    await pause.reached;
    a.store.thaw();
    await lab.clock.settle();
    pause.resume();
    await expect(releasing).rejects.toMatchObject({ code: "held" });
    expect((await lab.record("robot")).token).toBe(claim.token);
  });

  it("of an unlocked name changes nothing, and of an unknown one is refused [G11]", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.resolve("robot", NODE);
    const before = await lab.everything();
    expect(await registry.release("robot")).toBe(false);
    await expect(registry.release("unknown")).rejects.toMatchObject({ code: "not-found" });
    expect(await lab.everything()).toEqual(before);
  });
});

describe("refresh on demand", () => {
  it("prolongs the claim from when it was sent, and tells a loss as an error and to the claim [G4, G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    const pause = a.store.pauseNext("after", "heartbeat");
    const refreshing = a.registry.refresh("robot");
    await pause.reached;
    lab.clock.stall(400);
    pause.resume();
    await refreshing;
    expect(claim.deadlineInMs).toBe(HOLD_MS - 400);
    await b.registry.revoke("robot", { reason: "for repair" });
    await expect(a.registry.refresh("robot")).rejects.toMatchObject({ code: "lost" });
    expect(claim.loss?.reason).toBe("revoked");
  });

  it("of what this process does not hold is refused [G5]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await b.claim("robot");
    for (const name of ["robot", "unknown"]) {
      await expect(a.registry.refresh(name)).rejects.toMatchObject({ code: "lost", details: { name } });
    }
  });

  it("that fails leaves the claim as it was [G11]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const claim = await a.claim("robot");
    await lab.clock.advance(4_000);
    a.store.failNext("heartbeat", { kind: "refuse", code: "unreachable" });
    await expect(a.registry.refresh("robot")).rejects.toMatchObject({ code: "unreachable" });
    expect(claim.deadlineInMs).toBe(HOLD_MS - 4_000);
  });
});

describe("a change whose reply is lost", () => {
  it("is never repeated blindly: the caller is told that its outcome is unknown [G11]", async () => {
    const lab = new Lab();
    const { registry, store } = lab.open();
    const claim = await registry.claim("held", NODE);
    await registry.resolve("robot", NODE);
    await lab.clock.advance(TTL_MS);
    const changes: Readonly<Record<string, () => Promise<unknown>>> = {
      rename: () => registry.rename("robot", "arm"),
      revoke: () => registry.revoke("held", { reason: "for repair" }),
      clean: () => registry.clean({ olderThanDays: 0 }),
      import: () =>
        registry.importEntries({ entries: { new: { id: "01JQ0000000000000000000000", component_type: "node" } } }),
    };
    for (const [what, change] of Object.entries(changes)) {
      store.failNext("commit", { kind: "drop-reply" });
      await expect(change(), what).rejects.toMatchObject({ code: "outcome-unknown" });
    }
    expect(await registry.lookup("new")).toBe("01JQ0000000000000000000000");
    expect((await lab.record("held")).revocation).not.toBeNull();
    expect(claim.held).toBe(true);
  });

  it.each(["drop-reply", "drop-request"] as const)(
    "is looked for when it is a release's (%s), which leaves no lock behind [G6, G11]",
    async (kind) => {
      const lab = new Lab();
      const { registry, store } = lab.open();
      const claim = await registry.claim("robot", NODE);
      store.failNext("commit", { kind });
      expect(await claim.release()).toBe(true);
      expect((await lab.record("robot")).token).toBeNull();
      expect(await registry.history("robot")).toMatchObject([{ ending: { how: "released" } }]);
    },
  );
});
