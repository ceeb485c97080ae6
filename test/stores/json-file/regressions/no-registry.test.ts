import { readdirSync, writeFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../../src/platform/clock.js";
import { LabFiles } from "../lab-files.js";
import { ShiftedClock } from "../shifted-clock.js";
import { registryOn } from "./registry-on-clock.js";

const NODE = { type: "node" } as const;

describe.each([
  ["another program's object", '{"name": "pkg"}'],
  ["another program's list", "[1, 2]"],
  ["no JSON", "root:x:0:0:root:/root:/bin/bash\n"],
  ["empty", ""],
  ["of another version", '{"version": 2, "entries": {}}'],
])("a file that is %s", (_, text) => {
  it("is not read as a registry without names, and neither written nor put anything beside [G8, G11]", async () => {
    const lab = new LabFiles();
    lab.text = text;
    const registry = await lab.open();
    const attempts = [
      () => registry.lookup("a"),
      () => Array.fromAsync(registry.list()),
      () => registry.history(),
      () => registry.resolve("a", NODE),
      () => registry.claim("a", NODE),
      () => registry.importEntries({ entries: {} }),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({
        code: "damaged",
        message: expect.stringMatching(/registry\.json.*(-r|newer)/),
      });
    }
    await registry.close();
    expect(lab.text).toBe(text);
    expect(readdirSync(lab.directory)).toEqual(["registry.json"]);
  });
});

it.each(["{}", '{"entries": {}}', '{"version": 1}', '{"created_at": "2026-01-01T00:00:00Z", "version": 1.0}'])(
  "a file of %s is a registry without names [G8]",
  async (text) => {
    const lab = new LabFiles();
    lab.text = text;
    const registry = await lab.open();
    expect(await registry.lookup("a")).toBeNull();
    await registry.resolve("a", NODE);
  },
);

it("a registry of another version beside a good copy is left alone: nothing is read, nothing written [G8, G10]", async () => {
  const lab = new LabFiles();
  const registry = await lab.open();
  await registry.resolve("a", NODE);
  lab.text = lab.text.replace('"version": 1', '"version": 2');
  const newer = lab.text;
  const failure = { code: "damaged", message: expect.stringMatching(/version 2.*newer/) };
  await expect(registry.lookup("a")).rejects.toMatchObject(failure);
  await expect(registry.claim("a", NODE)).rejects.toMatchObject(failure);
  await expect(registry.recovery?.accept()).rejects.toMatchObject(failure);
  expect(lab.text).toBe(newer);
});

it("a registry that Python writes in place is not taken for another file, where namehold was never at work [G8]", async () => {
  const lab = new LabFiles();
  const registry = await lab.open();
  await registry.resolve("a", NODE);
  const whole = lab.text;
  const fresh = new LabFiles();
  writeFileSync(fresh.path, whole.slice(0, 50));
  const clock = new ShiftedClock();
  const reader = registryOn(fresh, clock);
  vi.spyOn(clock, "setTimer").mockImplementation((...timer) => {
    writeFileSync(fresh.path, whole);
    return systemClock.setTimer(...timer);
  });
  expect((await Array.fromAsync(reader.list())).map(({ name }) => name)).toEqual(["a"]);
});
