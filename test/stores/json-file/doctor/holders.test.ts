import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LabFiles } from "../lab-files.js";
import { NodeProcess } from "../processes/node-process.js";
import { pythonEdits, pythonTakes } from "../regressions/python-file.js";
import { ShiftedClock } from "../shifted-clock.js";
import { examined, labWith, NODE } from "./doctor-lab.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };

describe("doctor on holders", () => {
  it("that live and beat finds nothing", async () => {
    const lab = await labWith([]);
    const registry = await lab.open(LONG);
    await registry.claim("a", NODE);
    const report = await examined(lab);
    expect([report.codes, report.looked("holders")]).toEqual([[], "1 name locked; 1 live namehold process"]);
  });

  it("whose process is stopped names it, and the names that it holds [G4]", async () => {
    const lab = await labWith([]);
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "a");
    await holder.stopOutsideTurns(lab.path);
    const { severity, what, remedy } = (await examined(lab)).finding("holders.stopped");
    expect(severity).toBe("problem");
    expect(what).toContain(`PID ${holder.pid} (`);
    expect(what).toContain('"a"');
    expect(remedy).toContain(`kill -CONT ${holder.pid}`);
    holder.signal("SIGCONT");
  });

  it("that live but are silent past their TTL warns; who holds nothing need not beat", async () => {
    const lab = await labWith([]);
    const registry = await lab.open(LONG);
    const claim = await registry.claim("a", NODE);
    const clock = new ShiftedClock();
    clock.pass(61_000);
    const report = await examined(lab, { clock });
    expect(report.codes).toEqual(["holders.silent"]);
    expect(report.finding("holders.silent").what).toContain(`PID ${process.pid} (`);
    await claim.release();
    expect((await examined(lab, { clock })).codes).toEqual([]);
  });

  it("that crashed notes their names, and leaves the proof of their death in place [G6]", async () => {
    const lab = await labWith([]);
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "a");
    await holder.kill();
    for (const fix of [false, true]) {
      const report = await examined(lab, { fix });
      expect(report.codes).toEqual(["holders.crashed"]);
      expect(report.finding("holders.crashed")).toMatchObject({
        severity: "note",
        what: expect.stringContaining('"a"'),
      });
    }
    expect(lab.entry("a")?.lock).not.toBeNull();
  });

  it("that crashed keep their presence through a sweep, though what is noted of them was lost [G6]", async () => {
    const lab = await labWith([]);
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "a");
    await holder.kill();
    rmSync(lab.statePath);
    expect((await examined(lab)).codes).toEqual(["holders.crashed"]);
    const leftover = join(lab.directory, ".namehold-tmp-old");
    writeFileSync(leftover, "");
    utimesSync(leftover, 1, 1);
    expect((await examined(lab, { fix: true })).codes).toEqual(["holders.crashed"]);
    expect([existsSync(leftover), presencesIn(lab).length]).toEqual([false, 1]);
  });

  it("of which a presence is a copy says that it proves nothing", async () => {
    const lab = await labWith([]);
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "a");
    const presence = join(lab.holders, presencesIn(lab)[0] ?? "");
    copyFileSync(presence, `${presence}.copy`);
    renameSync(`${presence}.copy`, presence);
    const report = await examined(lab);
    expect(report.codes).toEqual(["holders.doubtful"]);
    expect(report.finding("holders.doubtful")).toMatchObject({
      severity: "warning",
      what: expect.stringContaining("copy"),
    });
  });

  it("of Python notes those whose lock has expired, and no others", async () => {
    const lab = await labWith(["a", "b"]);
    pythonTakes(lab, "a");
    expect((await examined(lab)).codes).toEqual([]);
    pythonTakes(lab, "b", -5_000);
    const report = await examined(lab);
    expect(report.codes).toEqual(["holders.expired"]);
    expect(report.finding("holders.expired").what).toMatch(/^The lock on "b" has expired 5\.\d s ago/);
  });
});

describe("doctor on names that are held back after damage", () => {
  it("says until when, and takes nobody for their holder", async () => {
    const lab = await labWith(["a"]);
    truncateSync(lab.path, 30);
    await (await lab.open()).lookup("a");
    const report = await examined(lab);
    expect(report.looked("holders")).toMatch(/^0 names locked;/);
    expect(report.finding("holders.held-back").what).toMatch(/^"a" is held back until 2\d{3}-\S+Z: /);
    const clock = new ShiftedClock();
    clock.pass(31_000);
    const later = await examined(lab, { clock });
    expect(later.findings.filter(({ code }) => code.startsWith("holders."))).toEqual([]);
  });
});

describe("doctor on the history", () => {
  it("says what is wrong with it, and that it is well when nothing is", async () => {
    const lab = await labWith(["a"]);
    expect((await examined(lab)).looked("history")).toBe("can be read and written");
    const path = join(lab.holders, "history.jsonl");
    appendFileSync(path, "{torn\n");
    const report = await examined(lab);
    expect(report.codes).toEqual(["history.faulty"]);
    expect(report.finding("history.faulty")).toMatchObject({
      severity: "warning",
      what: `${path} has 1 line that is no ended hold.`,
    });
  });
});

describe("doctor on leftovers", () => {
  it("of processes that are gone notes them, and --fix deletes them and nothing else [G6]", async () => {
    const lab = await labWith(["mine"]);
    const registry = await lab.open(LONG);
    await registry.claim("mine", NODE);
    const doomed = await NodeProcess.over(lab.path, LONG);
    await doomed.call("claim", "a");
    await doomed.call("release", "a");
    const waiter = await NodeProcess.over(lab.path, LONG);
    await waiter.call("beginWait", "mine", 60_000);
    await doomed.kill();
    await waiter.kill();
    const [old, young] = [join(lab.directory, ".namehold-tmp-old"), join(lab.holders, ".namehold-tmp-young")];
    for (const path of [old, young]) writeFileSync(path, "");
    utimesSync(old, 1, 1);
    const codes = ["leftovers.temporary", "leftovers.presence", "leftovers.waiter"];
    const report = await examined(lab);
    expect(report.codes).toEqual(codes);
    expect(report.finding("leftovers.temporary").what).toContain(old);
    expect(report.finding("leftovers.temporary").what).not.toContain(young);
    const fixed = await examined(lab, { fix: true });
    expect(fixed.codes).toEqual([]);
    expect(existsSync(old)).toBe(false);
    expect(presencesIn(lab)).toEqual([registry.lockManager.instanceId]);
    expect((await examined(lab)).codes).toEqual([]);
    expect(registry.claimed("mine")?.held).toBe(true);
  });

  it("of much former damage notes them", async () => {
    const lab = await labWith(["a"]);
    for (const hour of [1, 2, 3, 4, 5])
      writeFileSync(join(lab.holders, `damaged-2026-01-05T0${hour}0000Z-0.json`), "{");
    expect((await examined(lab)).codes).toEqual(["leftovers.kept"]);
    rmSync(join(lab.holders, "damaged-2026-01-05T010000Z-0.json"));
    expect((await examined(lab)).codes).toEqual([]);
  });
});

describe("doctor on the clock", () => {
  it.each([
    ["forward", 60_000, "forward by 60.0 s"],
    ["back", -3_600_000, "back by 60 min"],
  ])("that was set %s since the last change warns of it [G7]", async (_way, stepMs, words) => {
    const lab = await labWith(["a"]);
    const clock = new ShiftedClock();
    clock.pass(60_000);
    expect((await examined(lab, { clock })).looked("clock")).toMatch(/^steady for (?:1 min|6\d\.\d s)$/);
    clock.stepWall(stepMs);
    const report = await examined(lab, { clock });
    expect(report.finding("clock.stepped").what).toContain(words);
  });

  it("beside signs of life from the future warns, and says of which names", async () => {
    const lab = await labWith(["a", "b"]);
    pythonEdits(lab, (entries) => {
      const { b } = entries;
      if (b !== undefined) entries["b"] = { ...b, last_seen: new Date(Date.now() + 3_600_000).toISOString() };
    });
    const report = await examined(lab);
    expect(report.codes).toEqual(["clock.future"]);
    expect(report.finding("clock.future").what).toBe('Last signs of life lie in the future: "b" by 60 min.');
  });

  it("that is not noted yet since the machine started says so", async () => {
    const lab = await labWith(["a"]);
    rmSync(lab.statePath);
    const report = await examined(lab);
    expect([report.codes, report.looked("clock")]).toEqual([[], "not noted yet since the machine started"]);
  });
});

function presencesIn(lab: LabFiles): readonly string[] {
  return readdirSync(lab.holders).filter((name) => name.length === 26);
}
