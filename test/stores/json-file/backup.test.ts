import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { later, wallMs } from "../../../src/core/timing.js";
import { backUp, keepEvidence } from "../../../src/stores/machine/backup.js";
import { LabFiles, temporaryDirectory } from "./lab-files.js";

const NODE = { type: "node" } as const;
const NOW = wallMs(Date.UTC(2027, 0, 15, 8));

describe("a backup", () => {
  it("is a file of its own that tells when and why it was made, in the same moment too [G1]", () => {
    const directory = temporaryDirectory();
    backUp(directory, "first", "rename", NOW);
    backUp(directory, "second", "remove", NOW);
    backUp(directory, "third", "import", later(NOW, 1));
    expect(contents(join(directory, "backups"))).toEqual([
      ["2027-01-15T080000.000Z-001-rename.json", "first"],
      ["2027-01-15T080000.000Z-002-remove.json", "second"],
      ["2027-01-15T080000.001Z-003-import.json", "third"],
    ]);
  });

  it("is one of the newest hundred: older ones go, other files stay [G1, G12]", () => {
    const directory = temporaryDirectory();
    backUp(directory, "0", "rename", NOW);
    writeFileSync(join(directory, "backups", "0-notes.txt"), "an operator's");
    for (let i = 1; i <= 102; i += 1) backUp(directory, String(i), "rename", later(NOW, i));
    const [notes, ...backups] = contents(join(directory, "backups"));
    expect(notes?.[0]).toBe("0-notes.txt");
    expect(backups.map(([, text]) => text)).toEqual(Array.from({ length: 100 }, (_, i) => String(i + 3)));
  });

  it("is not one of the oldest because the clock has stepped back [G1]", () => {
    const directory = temporaryDirectory();
    for (let i = 0; i < 100; i += 1) backUp(directory, `before ${i}`, "rename", later(NOW, i));
    const after = Array.from({ length: 5 }, (_, i) => backUp(directory, `after ${i}`, "rename", later(NOW, i - 1e9)));
    expect(after.map((path) => readFileSync(path, "utf8"))).toEqual([0, 1, 2, 3, 4].map((i) => `after ${i}`));
    const texts = contents(join(directory, "backups")).map(([, text]) => text);
    expect(texts).toHaveLength(100);
    for (let i = 0; i < 5; i += 1) expect(texts).not.toContain(`before ${i}`);
  });

  it("is not one of the oldest though more than a thousand were made before it [G1]", () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "backups"));
    const kept = Array.from({ length: 100 }, (_, i) => `2027-01-15T080000.000Z-${i + 950}-rename.json`);
    for (const name of kept) writeFileSync(join(directory, "backups", name), "");
    backUp(directory, "newest", "rename", NOW);
    const names = readdirSync(join(directory, "backups"));
    expect(new Set(names)).toEqual(new Set([...kept.slice(1), "2027-01-15T080000.000Z-1050-rename.json"]));
  });

  it("is left by a rename, a removal and a replacing import, with the registry as it was before [G1]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    const texts: string[] = [];
    await registry.resolve("a", NODE);
    texts.push(lab.text);
    await registry.rename("a", "b");
    texts.push(lab.text);
    await registry.clean({ olderThanDays: 0 });
    const id = await registry.resolve("c", NODE);
    texts.push(lab.text);
    const source = JSON.parse(lab.text.replace(id, "01JPYTHQNPYTHQNPYTHQNAAAAA"));
    await registry.importEntries(source, { merge: false });
    const backups = contents(join(lab.holders, "backups"));
    expect(backups.map(([, text]) => text)).toEqual(texts);
    expect(backups.map(([name]) => name.split("-").at(-1))).toEqual(["rename.json", "remove.json", "import.json"]);
  });
});

describe("evidence of damage", () => {
  it("is kept once for the same bytes, and each for others [G8]", () => {
    const directory = temporaryDirectory();
    const first = keepEvidence(directory, Buffer.from("torn"), NOW);
    expect(keepEvidence(directory, Buffer.from("torn"), later(NOW, 1_000))).toBe(first);
    const other = keepEvidence(directory, Buffer.from([0xff, 0x00]), NOW);
    expect(readdirSync(directory).sort()).toEqual([basename(first), basename(other)].sort());
    expect(readFileSync(first, "utf8")).toBe("torn");
    expect(readFileSync(other)).toEqual(Buffer.from([0xff, 0x00]));
  });

  it("is not that of the oldest damage because the clock has stepped back [G8]", () => {
    const directory = temporaryDirectory();
    for (let i = 0; i < 20; i += 1) keepEvidence(directory, Buffer.from(`before ${i}`), later(NOW, i));
    const after = [0, 1].map((i) => keepEvidence(directory, Buffer.from(`after ${i}`), later(NOW, i - 1e9)));
    expect(after.map((path) => readFileSync(path, "utf8"))).toEqual(["after 0", "after 1"]);
    expect(readdirSync(directory)).toHaveLength(20);
  });

  it("is that of the newest twenty damages, and nothing else is deleted [G8, G12]", () => {
    const directory = temporaryDirectory();
    for (const name of ["last-good.json", "state.json"]) writeFileSync(join(directory, name), "");
    for (let i = 0; i < 25; i += 1) keepEvidence(directory, Buffer.from(String(i)), later(NOW, i));
    const kept = contents(directory).filter(([name]) => name.startsWith("damaged-"));
    expect(kept.map(([, text]) => text)).toEqual(Array.from({ length: 20 }, (_, i) => String(i + 5)));
    expect(readdirSync(directory)).toEqual(expect.arrayContaining(["last-good.json", "state.json"]));
  });
});

/** Names and texts, by name. */
function contents(directory: string): readonly (readonly [string, string])[] {
  const names = readdirSync(directory).sort();
  return names.map((name) => [name, readFileSync(join(directory, name), "utf8")]);
}
