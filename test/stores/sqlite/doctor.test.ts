import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { SmallDisk } from "../../chaos/small-disk.js";
import { itAsRoot } from "../../platform/requirements.js";
import { temporaryDirectory } from "../json-file/lab-files.js";
import { NODE, SqliteLab } from "./sqlite-lab.js";

describe("doctor on an SQLite registry", () => {
  it("that is not there yet, or sound, finds nothing, and makes nothing", async () => {
    const lab = new SqliteLab();
    expect(await examined(lab)).toEqual({ looked: "none yet", findings: [] });
    await (await lab.open()).resolve("robot", NODE);
    expect(await examined(lab)).toEqual({ looked: "1 name, layout 1", findings: [] });
  });

  it("finds a damaged page that no look at a name has met yet, and says how to go on [G8]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    for (let i = 0; i < 50; i += 1) await registry.resolve(`robot ${i}`, NODE);
    await registry.close();
    const bytes = readFileSync(lab.path);
    bytes.fill(0x55, bytes.length - 4 * 1024);
    writeFileSync(lab.path, bytes);
    const { findings } = await examined(lab);
    expect(findings).toMatchObject([
      { code: "database.damaged", severity: "problem", remedy: expect.stringContaining(".recover") },
    ]);
  });

  it("finds a database that cannot be used, and why [G8, G11]", async () => {
    const lab = new SqliteLab();
    writeFileSync(lab.path, "a letter\n".repeat(500));
    const { looked, findings } = await examined(lab);
    expect(looked).toBe("cannot be used");
    expect(findings).toMatchObject([
      { code: "database.invalid-input", what: expect.stringContaining("not an SQLite database") },
    ]);
  });

  itAsRoot("finds a disk that is nearly full", async () => {
    const directory = join(temporaryDirectory(), "disk");
    const disk = SmallDisk.mount(directory);
    onTestFinished(() => disk[Symbol.dispose]());
    const lab = new SqliteLab(directory);
    await (await lab.open()).resolve("robot", NODE);
    expect((await examined(lab)).findings).toMatchObject([{ code: "database.little-space", severity: "warning" }]);
  });
});

describe("recovery of an SQLite registry", () => {
  it("finds what a first look meets, and has nothing to accept [G8]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    await registry.resolve("robot", NODE);
    expect(await registry.recovery?.inspect()).toBeNull();
    await expect(registry.recovery?.accept()).rejects.toMatchObject({ code: "invalid-input" });
    await registry.close();
    const bytes = readFileSync(lab.path);
    bytes.fill(0x55, 2 * 1024);
    writeFileSync(lab.path, bytes);
    await expect((await lab.open()).recovery?.inspect()).rejects.toMatchObject({ code: "damaged" });
  });
});

async function examined(lab: SqliteLab) {
  const [checkup, ...others] = await Array.fromAsync(lab.store().diagnose({ fix: false }));
  expect(others).toEqual([]);
  return { looked: checkup?.looked, findings: checkup?.findings };
}
