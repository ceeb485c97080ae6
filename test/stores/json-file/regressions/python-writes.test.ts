import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Registry } from "../../../../src/index.js";
import { LabFiles } from "../lab-files.js";
import { pythonEdits, pythonEntry, pythonRenames } from "./python-file.js";

const NODE = { type: "node" } as const;
const THEIR_ID = "01JPYTHQNPYTHQNPYTHQNAAAAA";

describe.each([
  ["was spelled with +00:00", '{"version": 1, "created_at": "2024-05-01T12:00:00.250000+00:00", "entries": {}}'],
  ["has a fraction of zeros", '{"version": 1, "created_at": "2024-05-01T12:00:00.000000Z", "entries": {}}'],
  ["was spelled with both", '{"version": 1, "created_at": "2024-05-01T12:00:00.000000+00:00", "entries": {}}'],
  ["was not there", "{}"],
])("a registry whose creation time %s, and which Python has spelled anew,", (_, text) => {
  it("is not another registry because Python has renamed or cleaned away a name [G8, G9]", async () => {
    const lab = new LabFiles();
    lab.text = text;
    const registry = await lab.open();
    const id = await registry.resolve("arm", NODE);
    await registry.resolve("old", NODE);
    pythonRenames(lab, "arm", "arm_left");
    expect([await registry.lookup("arm_left"), await registry.lookup("arm")]).toEqual([id, null]);
    pythonEdits(lab, (entries) => {
      delete entries["old"];
    });
    expect(await registry.lookup("old")).toBeNull();
    await registry.resolve("fresh", NODE);
    expect(Object.keys(JSON.parse(lab.text).entries)).toEqual(["arm_left", "fresh"]);
    expect(await registry.recovery?.inspect()).toBeNull();
  });
});

describe("an ID that Python made", () => {
  it.each<readonly [string, (registry: Registry) => Promise<string | null | undefined>]>([
    ["lookup", (registry) => registry.lookup("fresh")],
    ["entry", async (registry) => (await registry.entry("fresh"))?.entry.id],
    ["list", async (registry) => (await Array.fromAsync(registry.list())).at(-1)?.entry.id],
  ])("and that `%s` has told survives a tear right after it [G1, G8]", async (_, tell) => {
    const lab = new LabFiles();
    const registry = await lab.open();
    await registry.resolve("arm", NODE);
    pythonEdits(lab, (entries) => {
      entries["fresh"] = pythonEntry(THEIR_ID);
    });
    expect(await tell(registry)).toBe(THEIR_ID);
    writeFileSync(lab.path, "");
    const later = await lab.open();
    expect((await later.recovery?.accept())?.recovered).toEqual(["arm", "fresh"]);
    expect(await later.resolve("fresh", NODE)).toBe(THEIR_ID);
  });
});
