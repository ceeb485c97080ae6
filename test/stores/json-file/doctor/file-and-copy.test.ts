import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LabFiles, temporaryDirectory } from "../lab-files.js";
import { pythonEdits, pythonEntry } from "../regressions/python-file.js";
import { examined, labWith } from "./doctor-lab.js";

const ID = "01JYFH2Q4N6Z0V5X1T8R3C7W9K";

/** As Python begins one anew, beside namehold's copy of the former. */
const PYTHONS = { version: 1, created_at: "2026-03-01T10:00:00.123456Z", entries: { z: pythonEntry(ID) } };

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
        means: expect.stringMatching(/ goes on with 2 names, all of the last good copy/),
        remedy: expect.stringContaining(`namehold recover --accept -r ${lab.path}`),
      });
    }
  });

  it.each([
    ["torn", (lab: LabFiles) => truncateSync(lab.path, 100), /^Python fails on every call\./],
    ["missing", (lab: LabFiles) => rmSync(lab.path), /^Python works on: it begins a new registry, with a new ID for/],
    [
      "another registry",
      (lab: LabFiles) => writeFileSync(lab.path, JSON.stringify(PYTHONS)),
      /^Python works on with what is in it, and makes new IDs/,
    ],
  ])("that is %s says what Python makes of it [G8]", async (_how, damage, means) => {
    const lab = await labWith(["a", "b"]);
    damage(lab);
    const finding = (await examined(lab)).finding("registry-file.damaged");
    expect(finding.means).toMatch(means);
    expect(finding.remedy.startsWith("Stop the Python components first")).toBe(!means.source.includes("fails"));
  });

  it("that is another registry tells the names of the copy from those that it has itself [G8]", async () => {
    const lab = await labWith(["a", "b"]);
    writeFileSync(lab.path, JSON.stringify(PYTHONS));
    const { means } = (await examined(lab)).finding("registry-file.damaged");
    expect(means).toContain("goes on with 3 names, 2 of the last good copy and 1 that the file alone has");
  });

  it("that is a symbolic link to nothing says so, and where it leads", async () => {
    const lab = new LabFiles();
    const target = join(temporaryDirectory(), "typo.json");
    symlinkSync(target, lab.path);
    const report = await examined(lab);
    expect(report.codes).toEqual(["registry-file.dangling-link"]);
    expect(report.finding("registry-file.dangling-link")).toMatchObject({
      severity: "warning",
      what: `There is no registry at ${lab.path}: it is a symbolic link to ${target}, which is missing.`,
    });
  });

  it("that is damaged without a copy says that nothing goes on [G8]", async () => {
    const lab = await labWith(["a", "b"]);
    rmSync(lab.copyPath);
    truncateSync(lab.path, lab.text.length - 20);
    const { means } = (await examined(lab)).finding("registry-file.damaged");
    expect(means).toMatch(/^Python fails on every call\. namehold does not go on.* 1 name can be read/);
  });

  it("of which nothing can be read, and that has no copy, does not say to accept that [G8]", async () => {
    const lab = new LabFiles();
    lab.text = "[1, 2]";
    const { means, remedy } = (await examined(lab)).finding("registry-file.damaged");
    expect(means).toMatch(/ 0 names can be read of it\.$/);
    expect(remedy).not.toContain("--accept");
    expect(remedy).toContain("-r");
  });

  it("of a version that nobody knows is left to the program that wrote it [G8]", async () => {
    const lab = new LabFiles();
    lab.text = JSON.stringify({ version: 2, entries: {} });
    const report = await examined(lab, { fix: true });
    expect(report.codes).toEqual(["registry-file.refused"]);
    expect(report.finding("registry-file.refused").what).toContain("version 2");
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
    const looked = report.looked("lock-file").split("; ");
    expect(looked.toSorted()).toEqual([`${lab.path}.lock: none yet`, `${real.path}.lock: free`].toSorted());
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

  it("that lacks a name which Python has just made is merely behind", async () => {
    const lab = await labWith(["a"]);
    const fresh = { ...pythonEntry(ID), created_at: new Date().toISOString() };
    pythonEdits(lab, (entries) => Object.assign(entries, { fresh }));
    expect((await examined(lab)).finding("last-good-copy.outdated").severity).toBe("note");
    pythonEdits(lab, (entries) => Object.assign(entries, { old: pythonEntry(ID.replace("K", "M")) }));
    expect((await examined(lab)).finding("last-good-copy.outdated").severity).toBe("warning");
  });

  it("that has another ID for a name is a problem, shows both, and --fix leaves both files as they are [G1, G8]", async () => {
    const lab = await labWith(["a", "b"]);
    const known = lab.entry("b")?.id ?? "";
    lab.text = lab.text.replace(known, ID);
    const leftover = join(lab.directory, ".namehold-tmp-old");
    writeFileSync(leftover, "");
    utimesSync(leftover, 1, 1);
    const before = [lab.text, readFileSync(lab.copyPath, "utf8")];
    for (const fix of [false, true]) {
      const report = await examined(lab, { fix });
      const finding = report.finding("last-good-copy.other-id");
      expect(finding.severity).toBe("problem");
      expect(finding.what).toMatch(new RegExp(`"b" has ${ID} in the file and ${known} in the copy\\.$`));
      expect([finding.fixed, finding.fixFailed]).toEqual([undefined, undefined]);
      expect(report.codes).not.toContain("last-good-copy.outdated");
    }
    expect([lab.text, readFileSync(lab.copyPath, "utf8")]).toEqual(before);
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
