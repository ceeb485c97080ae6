import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WallMs } from "../../../../src/core/timing.js";
import { LabFiles } from "../lab-files.js";
import { NodeProcess } from "../processes/node-process.js";
import { ShiftedClock } from "../shifted-clock.js";
import { pythonEdits, pythonEntry, pythonRenames } from "./python-file.js";
import { registryOn } from "./registry-on-clock.js";

const NODE = { type: "node" } as const;
const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const THEIR_ID = "01JPYTHQNPYTHQNPYTHQNAAAAA";

describe("an older registry that somebody has put back", () => {
  it("is damage: names made since keep their IDs, and new ones wait for an operator [G1, G8]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    const first = await registry.resolve("n1", NODE);
    const old = await olderThanNow(lab);
    const second = await registry.resolve("n2", NODE);
    lab.text = old;

    const later = await lab.open();
    await expect(later.resolve("n3", NODE)).rejects.toMatchObject({ code: "damaged" });
    expect([await later.lookup("n1"), await later.resolve("n2", NODE)]).toEqual([first, second]);
    const report = await later.recovery?.inspect();
    expect(report).toMatchObject({ recovered: ["n1", "n2"], conflicts: [], what: expect.stringMatching(/older/) });
    expect(readFileSync(report?.evidencePath ?? "", "utf8")).toBe(old);
    await later.recovery?.accept();
    expect(await registry.lookup("n2")).toBe(second);
    await later.resolve("n3", NODE);
  });

  it("is seen by a process that knew the file when it was that old [G1, G8]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    await registry.resolve("n1", NODE);
    const old = await olderThanNow(lab);
    const second = await (await lab.open()).resolve("n2", NODE);
    lab.text = old;
    expect(await registry.resolve("n2", NODE)).toBe(second);
  });

  it("changes no ID back [G1, G8]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    await registry.resolve("n1", NODE);
    const old = await olderThanNow(lab);
    const entries = { n1: { id: THEIR_ID, component_type: "node" } };
    await registry.importEntries({ entries }, { merge: false, force: true });
    lab.text = old;
    expect(await (await lab.open()).lookup("n1")).toBe(THEIR_ID);
    expect(await registry.recovery?.inspect()).toMatchObject({ conflicts: ["n1"] });
  });

  it("robs no living holder, and frees no name that was held since [G7, G8]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    await registry.resolve("n1", NODE);
    const old = await olderThanNow(lab);
    await registry.resolve("n2", NODE);
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "n1");
    lab.text = old;
    await expect(registry.claim("n1", NODE)).rejects.toMatchObject({ code: "held" });
    expect(await holder.call("refresh", "n1")).toBeNull();
    expect(await holder.call("state", "n1")).toMatchObject({ held: true });
    // A Python process may have taken it after the copy was made.
    await expect(registry.claim("n2", NODE)).rejects.toMatchObject({ code: "held", details: { heldBy: { pid: 0 } } });
  });

  it("is no damage when no name is missing in it [G8]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    await registry.resolve("n1", NODE);
    const old = await olderThanNow(lab);
    await registry.resolve("n1", { ...NODE, metadata: { since: true } });
    lab.text = old;
    await registry.resolve("n2", NODE);
    expect(await registry.recovery?.inspect()).toBeNull();
    expect(lab.entry("n1")?.metadata).toEqual({});
  });
});

describe("names and IDs that others have taken out of the file", () => {
  it.each([
    ["Python's clean", (lab: LabFiles) => pythonEdits(lab, (entries) => Reflect.deleteProperty(entries, "arm"))],
    ["Python's rename", (lab: LabFiles) => pythonRenames(lab, "arm", "arm_left")],
    [
      "a hand that changes an ID",
      (lab: LabFiles) => pythonEdits(lab, (entries) => Object.assign(entries, { arm: pythonEntry(THEIR_ID) })),
    ],
  ])("by %s are in a backup, from which an import brings them back [G1]", async (_, change) => {
    const lab = new LabFiles();
    const registry = await lab.open();
    const id = await registry.resolve("arm", NODE);
    await registry.resolve("other", NODE);
    change(lab);
    await registry.resolve("other", { ...NODE, metadata: { seen: true } });
    await registry.resolve("other", { ...NODE, metadata: { seen: false } });
    const backups = readdirSync(join(lab.holders, "backups"));
    expect(backups).toEqual([expect.stringMatching(/-foreign\.json$/)]);
    const backup = readFileSync(join(lab.holders, "backups", backups[0] ?? ""), "utf8");
    const there = new LabFiles();
    await (await there.open()).importEntries(backup);
    expect(there.entry("arm")?.id).toBe(id);
    expect(await registry.recovery?.inspect()).toBeNull();
  });

  it("by namehold itself leave the one backup of that change [G1]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    await registry.resolve("arm", NODE);
    await registry.rename("arm", "arm_left");
    await registry.resolve("other", NODE);
    expect(readdirSync(join(lab.holders, "backups"))).toEqual([expect.stringMatching(/-rename\.json$/)]);
  });
});

it("a registry that a turn makes was not written before it was made [G8]", async () => {
  const lab = new LabFiles();
  await registryOn(lab, new TickingClock()).importEntries({
    entries: { arm: { id: THEIR_ID, component_type: "node" } },
  });
  const { created_at, updated_at } = JSON.parse(lab.text) as { created_at: string; updated_at: string };
  expect(updated_at >= created_at).toBe(true);
});

/** Every reading is a millisecond later. */
class TickingClock extends ShiftedClock {
  override wallMs(): WallMs {
    this.pass(1);
    return super.wallMs();
  }
}

/** The file's text. What is written from now on is newer: files tell the millisecond in which they were written. */
async function olderThanNow(lab: LabFiles): Promise<string> {
  const now = Date.now();
  while (Date.now() === now) await new Promise((resolve) => setImmediate(resolve));
  return lab.text;
}
