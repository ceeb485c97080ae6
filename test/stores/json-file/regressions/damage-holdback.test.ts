import { unlinkSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LabFiles } from "../lab-files.js";
import { ShiftedClock } from "../shifted-clock.js";
import { pythonEntry, pythonTakes } from "./python-file.js";
import { NODE, registryOn, TTL_MS } from "./registry-on-clock.js";

const NEW_ID = "01JPYTHQNPYTHQNPYTHQNAAAAA";

describe("a name that Python took after the last good copy was made, in a file that is torn then,", () => {
  it("is held back for everybody, by a lock in the file that Python respects too [G7, G8]", async () => {
    const { lab, clock, registry } = await damagedLab((files) => pythonTakes(files, "a"));
    const { lock } = (await registry.entry("a"))?.entry ?? {};
    expect(lock).toMatchObject({ holderPid: 0, holderInstance: "namehold-recovery" });
    expect((lock?.expiresAt ?? 0) - clock.wallMs()).toBeGreaterThan(TTL_MS - 2_000);
    expect(lab.entry("a")?.lock).toMatchObject({ holder_pid: 0 });
    for (const one of [registry, registryOn(lab, clock)]) {
      expect((await one.entry("a"))?.state).toMatchObject({ kind: "held" });
      await expect(one.claim("a", NODE)).rejects.toMatchObject({ code: "held" });
    }
  });
});

describe("while damage waits for an operator", () => {
  it("clean removes nothing of what is held back, and all that is stale when it is not any more [G1, G8]", async () => {
    const { lab, clock, registry } = await damagedLab();
    expect((await registry.clean({ olderThanDays: 0 })).removed).toEqual([]);
    expect(namesIn(lab)).toEqual(["a", "b"]);
    clock.pass(TTL_MS + 1);
    expect((await registry.clean({ olderThanDays: 0 })).removed).toMatchObject([{ name: "a" }, { name: "b" }]);
    expect(namesIn(lab)).toEqual([]);
  });

  it("an import that would replace all and make a name changes nothing [G1, G8]", async () => {
    const { lab, clock, registry } = await damagedLab();
    const data = JSON.stringify({ entries: { new: pythonEntry(NEW_ID) } });
    await expect(registry.importEntries(data, { merge: false })).rejects.toMatchObject({ code: "held" });
    await registry.lookup("a");
    clock.pass(TTL_MS + 1);
    const before = lab.text;
    for (const force of [false, true]) {
      const refused = registry.importEntries(data, { merge: false, force });
      await expect(refused).rejects.toMatchObject({ code: "damaged" });
      expect(lab.text).toBe(before);
    }
    await registry.recovery?.accept();
    await registry.importEntries(data, { merge: false });
    expect(namesIn(lab)).toEqual(["new"]);
  });
});

describe("a missing registry file beside a copy that cannot be read", () => {
  it("is damage, and no new registry [G1, G8]", async () => {
    const lab = new LabFiles();
    const id = await (await lab.open()).resolve("a", NODE);
    const { text } = lab;
    unlinkSync(lab.path);
    writeFileSync(lab.copyPath, "");
    const registry = await lab.open();
    await expect(registry.resolve("a", NODE)).rejects.toMatchObject({ code: "damaged" });
    await expect(registry.lookup("a")).rejects.toMatchObject({ code: "damaged" });
    // The backup that the message asks for is restored.
    lab.text = text;
    expect(await registry.resolve("a", NODE)).toBe(id);
  });
});

async function damagedLab(before: (lab: LabFiles) => void = () => undefined) {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  const registry = registryOn(lab, clock);
  for (const name of ["a", "b"]) await registry.resolve(name, NODE);
  before(lab);
  writeFileSync(lab.path, "");
  return { lab, clock, registry };
}

function namesIn(lab: LabFiles): readonly string[] {
  return Object.keys(JSON.parse(lab.text).entries);
}
