import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LabFiles, temporaryDirectory } from "../lab-files.js";
import { pythonEdits, pythonEntry } from "../regressions/python-file.js";
import { examined, labWith } from "./doctor-lab.js";

const ID = "01JYFH2Q4N6Z0V5X1T8R3C7W9K";

describe("doctor on a registry file", () => {
  it("that is well finds nothing, and says what it looked at", async () => {
    const report = await examined(await labWith(["a", "b"]));
    expect(report.codes).toEqual([]);
    expect(report.looked("registry-file")).toMatch(/^2 names, /);
    expect(report.looked("lock-file")).toBe("free");
    expect(report.checkups.every(({ looked }) => looked !== "")).toBe(true);
  });

  it("that is not there yet makes nothing, and notes it", async () => {
    const report = await examined(new LabFiles(temporaryDirectory()));
    expect(report.codes).toEqual(["registry-file.none"]);
    expect(report.finding("registry-file.none").severity).toBe("note");
  });

  it.each([
    ["torn", (lab: LabFiles) => truncateSync(lab.path, 100)],
    ["empty", (lab: LabFiles) => truncateSync(lab.path, 0)],
    ["missing", (lab: LabFiles) => rmSync(lab.path)],
    ["null", (lab: LabFiles) => writeFileSync(lab.path, "null")],
    ["marked by a byte-order mark", (lab: LabFiles) => writeFileSync(lab.path, `\ufeff${lab.text}`)],
  ])("that is %s is a problem, and --fix leaves it to the operator [G8]", async (_how, damage) => {
    const lab = await labWith(["a", "b"]);
    damage(lab);
    for (const fix of [false, true]) {
      const report = await examined(lab, { fix });
      expect(report.codes).toEqual(["registry-file.damaged"]);
      expect(report.finding("registry-file.damaged")).toMatchObject({
        severity: "problem",
        means: expect.stringContaining("2 names of the last good copy"),
        remedy: expect.stringContaining(`namehold recover --accept -r ${lab.path}`),
      });
    }
  });

  it("that is damaged without a copy says that nothing goes on [G8]", async () => {
    const lab = await labWith(["a", "b"]);
    rmSync(lab.copyPath);
    truncateSync(lab.path, lab.text.length - 20);
    const { means } = (await examined(lab)).finding("registry-file.damaged");
    expect(means).toMatch(/^Nothing goes on.* 1 names can be read/);
  });

  it("whose recovery waits for an operator says so until it is accepted [G8]", async () => {
    const lab = await labWith(["a"]);
    truncateSync(lab.path, 30);
    const registry = await lab.open();
    await registry.lookup("a");
    expect((await examined(lab)).codes).toContain("registry-file.recovery-waiting");
    await registry.store.recovery?.accept();
    expect((await examined(lab)).codes).not.toContain("registry-file.recovery-waiting");
  });

  it("that is no file, or whose lock or directory is none, says what stands there instead", async () => {
    const lab = new LabFiles();
    mkdirSync(lab.path);
    mkdirSync(`${lab.path}.lock`);
    writeFileSync(lab.holders, "");
    expect((await examined(lab)).codes).toEqual([
      "registry-file.unreadable",
      "last-good-copy.unreadable",
      "lock-file.not-a-file",
      "place.holders-not-a-directory",
    ]);
  });

  it("that is a symbolic link looks at the lock files of both", async () => {
    const real = await labWith(["a"]);
    const lab = new LabFiles();
    symlinkSync(real.path, lab.path);
    const report = await examined(lab);
    expect(report.codes).toEqual([]);
    expect(report.looked("lock-file")).toBe("none yet; free (the registry is a symbolic link)");
  });

  it("that has become large is noted", async () => {
    const lab = await labWith(["a"]);
    pythonEdits(lab, (entries) => {
      entries["a"] = { ...pythonEntry(entries["a"]?.id ?? ""), metadata: { notes: "x".repeat(2 ** 20) } };
    });
    expect((await examined(lab)).codes).toEqual(["registry-file.large"]);
  });
});

describe("doctor on the last good copy", () => {
  it.each([
    ["missing", (lab: LabFiles) => rmSync(lab.copyPath)],
    ["damaged", (lab: LabFiles) => writeFileSync(lab.copyPath, "{")],
    ["outdated", (lab: LabFiles) => pythonEdits(lab, (entries) => Object.assign(entries, { b: pythonEntry(ID) }))],
  ])("that is %s says so, and --fix writes it anew [G8]", async (how, spoil) => {
    const lab = await labWith(["a"]);
    spoil(lab);
    const code = `last-good-copy.${how}`;
    expect((await examined(lab)).codes).toEqual([code]);
    const fixed = await examined(lab, { fix: true });
    expect(fixed.finding(code).fixed).toContain(lab.copyPath);
    expect(readFileSync(lab.copyPath, "utf8")).toBe(lab.text);
    expect((await examined(lab)).codes).toEqual([]);
  });

  it("that only Python has used so far, and has none yet, is noted, and --fix makes one [G8]", async () => {
    const lab = new LabFiles();
    lab.text = JSON.stringify({ version: 1, entries: { a: pythonEntry(ID) } });
    const report = await examined(lab);
    expect(report.codes).toEqual(["last-good-copy.none-yet"]);
    expect(report.finding("last-good-copy.none-yet").severity).toBe("note");
    expect((await examined(lab, { fix: true })).codes).toEqual([]);
    expect(readFileSync(lab.copyPath, "utf8")).toBe(lab.text);
  });

  it("that is damaged beside a damaged file is left to the operator, as that is [G8]", async () => {
    const lab = await labWith(["a"]);
    writeFileSync(lab.copyPath, "{");
    truncateSync(lab.path, 60);
    const finding = (await examined(lab, { fix: true })).finding("last-good-copy.damaged");
    expect([finding.fixed, finding.fixFailed]).toEqual([undefined, undefined]);
    expect([lab.text.length, readFileSync(lab.copyPath, "utf8")]).toEqual([60, "{"]);
  });

  it("names what it lacks, and nothing else", async () => {
    const lab = await labWith(["a"]);
    pythonEdits(lab, (entries) => Object.assign(entries, { b: pythonEntry(ID) }));
    expect((await examined(lab)).finding("last-good-copy.outdated").what).toMatch(/has: "b"\.$/);
  });

  it("that lacks only times is fine", async () => {
    const lab = await labWith(["a"]);
    pythonEdits(lab, (entries) => {
      entries["a"] = { ...pythonEntry(entries["a"]?.id ?? ""), last_seen: "2026-04-01T00:00:00Z" };
    });
    expect((await examined(lab)).codes).toEqual([]);
  });

  it("that cannot be fixed says why", async () => {
    const lab = await labWith(["a"]);
    rmSync(lab.copyPath);
    rmSync(`${lab.path}.lock`);
    symlinkSync("/nowhere", `${lab.path}.lock`);
    const finding = (await examined(lab, { fix: true })).finding("last-good-copy.missing");
    expect(finding.fixed).toBeUndefined();
    expect(finding.fixFailed).toContain("link");
  });
});
