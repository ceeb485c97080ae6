import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventually, Lab } from "./lab.js";
import type { NameholdNode } from "./namehold.js";

// What Python can do to us (DESIGN §3, rule 4). None of it can be prevented; all of it is told, and no id changes.

const HOUR_SECONDS = 3600;
const OUR_TTL = { lockTtlMs: 3000, heartbeatIntervalMs: 300 };

/** Loss is told by the next heartbeat, which may have to wait for the file lock behind Python. */
async function toldOfLoss(ours: NameholdNode, name: string): Promise<void> {
  await eventually(OUR_TTL.lockTtlMs, async () => !(await ours.claimState(name)).held);
  expect(await ours.claimState(name)).toMatchObject({ held: false, aborted: true, code: "lost", lostEvents: 1 });
}

test("a forced rename by Python is told to us, and the id goes with the entry [G4, G5]", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold(OUR_TTL)]);
  const { id } = await ours.claim("arm_1");
  await expect(python.rename("arm_1", "arm_2")).rejects.toMatchObject({ type: "RegistryLockError" });
  expect(await python.rename("arm_1", "arm_2", true)).toBe(id);
  await toldOfLoss(ours, "arm_1");
  await ours.release("arm_1");
  expect(await lab.entry("arm_1")).toBeUndefined();
  expect(await python.resolve("arm_2")).toBe(id);
  expect(await ours.lookup("arm_2")).toBe(id);
});

test("Python takes over while we are stopped past the TTL: we know on our first instruction [G4, G5, G3]", async () => {
  await using lab = new Lab();
  const [python, ours, other] = await Promise.all([lab.python(), lab.namehold(OUR_TTL), lab.namehold()]);
  const { id, token } = await ours.claim("arm_1");
  ours.process.signal("SIGSTOP");
  expect(await python.resolve("arm_1", { retrySeconds: 20 })).toBe(id);
  const firstAnswer = ours.claimState("arm_1");
  ours.process.signal("SIGCONT");
  expect(await firstAnswer).toMatchObject({ held: false, aborted: true, code: "lost" });
  await ours.release("arm_1");
  await sleep(2 * OUR_TTL.heartbeatIntervalMs);
  expect((await lab.entry("arm_1"))?.lock?.holder_instance).toBe(python.instance);
  await python.release("arm_1");
  const next = await other.claim("arm_1");
  expect(next.id).toBe(id);
  expect(next.token).toBeGreaterThan(token);
});

test("a Python whose clock is an hour ahead takes our live lock: told to us, and its lock is left alone [G4, G5]", async () => {
  await using lab = new Lab();
  const clock = lab.clock("python");
  const [python, ours] = await Promise.all([lab.python({ env: clock.env }), lab.namehold(OUR_TTL)]);
  const { id } = await ours.claim("arm_1");
  clock.step(HOUR_SECONDS);
  expect(await python.resolve("arm_1")).toBe(id);
  await toldOfLoss(ours, "arm_1");
  expect((await ours.claimState("arm_1")).loss).toMatchObject({ reason: "taken", by: { pid: python.pid } });
  await ours.release("arm_1");
  await sleep(2 * OUR_TTL.heartbeatIntervalMs);
  expect((await lab.entry("arm_1"))?.lock?.holder_instance).toBe(python.instance);
  expect((await python.heartbeats()).failures).toEqual([]);
});

test("Python's clean removes an entry of ours: told to us, and the other ids stand [G1, G4]", async () => {
  await using lab = new Lab();
  const clock = lab.clock("python");
  const [python, ours] = await Promise.all([lab.python({ env: clock.env }), lab.namehold(OUR_TTL)]);
  const first = await ours.claim("arm_1");
  clock.step(HOUR_SECONDS * 48);
  const kept = await python.resolve("theirs");
  expect(await python.cleanStale(1)).toEqual(["arm_1"]);
  await toldOfLoss(ours, "arm_1");
  expect(await ours.lookup("theirs")).toBe(kept);
  // Python said that the name is gone; what is made anew has a later token [G3].
  expect((await ours.claim("arm_1")).token).toBeGreaterThan(first.token);
});

test("an import by Python that replaces all by an older export: told to us, and the ids stand [G1, G4]", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold(OUR_TTL)]);
  const { id } = await ours.claim("arm_1");
  const exported = await python.export();
  const unlocked = Object.entries(exported.entries).map(([name, entry]) => [name, { ...entry, lock: null }]);
  await ours.claim("arm_2");
  await python.importEntries({ ...exported, entries: Object.fromEntries(unlocked) }, false);
  await toldOfLoss(ours, "arm_1");
  await toldOfLoss(ours, "arm_2");
  expect((await ours.claim("arm_1")).id).toBe(id);
});

test("an import by Python that replaces all by another registry: no id of ours changes, new names wait [G1, G8]", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold(OUR_TTL)]);
  const first = await ours.claim("arm_1");
  const second = await ours.claim("arm_2");
  const brought = { id: "01M847927WRRS4A9KN7ZPFG081", component_type: "node" };
  await python.importEntries({ entries: { arm_1: { ...brought, id: first.id }, brought } }, false);
  await toldOfLoss(ours, "arm_1");
  expect((await ours.claim("arm_1")).id).toBe(first.id);
  expect([await ours.lookup("arm_2"), await python.lookup("arm_2")]).toEqual([second.id, second.id]);
  expect(await ours.lookup("brought")).toBe(brought.id);
  await expect(ours.claim("unheard_of")).rejects.toMatchObject({ code: "damaged" });
});

test("fields that Python drops cost us nothing: we hold on, with the same id and a rising token [G3, G10]", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold(OUR_TTL)]);
  const { id, token } = await ours.claim("arm_1");
  lab.write(lab.text().replace('"workcell_id": null', '"workcell_id": null, "unknown": 1.0'));
  await python.resolve("other");
  expect(lab.text()).not.toContain("unknown");
  await sleep(2 * OUR_TTL.heartbeatIntervalMs);
  expect(await ours.claimState("arm_1")).toMatchObject({ held: true, aborted: false });
  await ours.release("arm_1");
  expect(await python.resolve("arm_1")).toBe(id);
  await python.release("arm_1");
  const next = await ours.claim("arm_1");
  expect(next.id).toBe(id);
  expect(next.token).toBeGreaterThan(token);
});
