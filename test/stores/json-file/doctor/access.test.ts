import { chmodSync, chownSync, linkSync, mkdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../../../src/platform/clock.js";
import { currentUser, modeAllows, userOf } from "../../../../src/platform/user-access.js";
import { accessCheck } from "../../../../src/stores/json-file/doctor/access-check.js";
import { examine } from "../../../../src/stores/json-file/doctor/examination.js";
import { RegistryFile } from "../../../../src/stores/json-file/registry-file.js";
import { itAsRoot } from "../../../platform/requirements.js";
import { LabFiles, temporaryDirectory } from "../lab-files.js";
import { examined, labWith } from "./doctor-lab.js";

/** Users that no machine has: they have no groups but what the files say. */
const [ALICE, BOB] = [61_001, 61_002];
const GROUP = 61_009;

describe("doctor on permissions", () => {
  itAsRoot("of a lab that one user owns finds nothing", async () => {
    const lab = await labOf(ALICE, 0o755);
    expect((await examined(lab)).codes).toEqual([]);
  });

  itAsRoot("names the users who own a presence and cannot write what a holder must", async () => {
    const lab = await labOf(ALICE, 0o755);
    chownSync(join(lab.holders, "state.json"), BOB, GROUP);
    const report = await examined(lab);
    expect(report.codes).toEqual(["access.user-shut-out", "access.user-shut-out"]);
    const [alice, bob] = report.findings.filter(({ code }) => code === "access.user-shut-out");
    expect(alice?.what).toMatch(new RegExp(`^uid ${ALICE}, .*may not use ${lab.statePath} \\(owner uid ${BOB}`));
    expect(bob?.what).toContain(`uid ${BOB}`);
    expect(bob?.what).toContain(`${lab.path} (owner uid ${ALICE}, group ${GROUP}, mode 0644)`);
    expect(bob?.remedy).toContain(` && sudo chmod g+rwxs ${lab.directory} `);
    expect(bob?.remedy).toMatch(new RegExp(`sudo chmod g\\+rw ${lab.path} `));
  });

  itAsRoot("in a directory that is open to all finds nothing for any of them", async () => {
    const lab = await labOf(ALICE, 0o777);
    chownSync(join(lab.holders, "state.json"), BOB, GROUP);
    expect((await examined(lab)).codes).toEqual([]);
  });

  itAsRoot("knows that in a sticky directory nobody replaces another's file", async () => {
    const lab = await labOf(ALICE, 0o777);
    chownSync(join(lab.holders, "state.json"), BOB, GROUP);
    chmodSync(lab.directory, 0o1777);
    const report = await examined(lab);
    expect(report.codes).toEqual(["access.user-shut-out"]);
    expect(report.finding("access.user-shut-out").what).toMatch(
      new RegExp(`^uid ${BOB},.* may not use ${lab.path} \\(`),
    );
  });

  itAsRoot(
    "tells whom a lock file that Python made keeps from locking: Python alone, and --fix widens it",
    async () => {
      const lab = await labOf(ALICE, 0o777);
      chownSync(join(lab.holders, "state.json"), BOB, GROUP);
      chmodSync(`${lab.path}.lock`, 0o644);
      const report = await examined(lab);
      expect(report.codes).toEqual(["access.python-shut-out", "access.narrow"]);
      expect(report.finding("access.python-shut-out").what).toContain(`uid ${BOB}`);
      await examined(lab, { fix: true });
      expect(statSync(`${lab.path}.lock`).mode & 0o777).toBe(0o666);
      expect((await examined(lab)).codes).toEqual([]);
    },
  );

  itAsRoot("sees who cannot even enter a directory above", async () => {
    const home = temporaryDirectory();
    const lab = new LabFiles(join(home, "lab"));
    mkdirSync(lab.directory, 0o777);
    chmodSync(lab.directory, 0o777);
    await labWith(["a"], lab);
    chownSync(lab.statePath, BOB, GROUP);
    chmodSync(home, 0o700);
    expect((await examined(lab)).finding("access.user-shut-out").what).toContain(`may not use ${home} (`);
  });

  it("of what is narrower than its directory are widened by --fix, and never those that are as wide", async () => {
    const lab = await labWith(["a"]);
    const wide = [lab.path, lab.copyPath];
    const before = wide.map((path) => statSync(path).mode);
    chmodSync(lab.statePath, 0o600);
    chmodSync(lab.holders, 0o700);
    const report = await examined(lab);
    expect(report.codes).toEqual(["access.narrow"]);
    expect(report.finding("access.narrow").what).toMatch(
      /registry\.json\.holders \(.* 0700\), .*state\.json \(.* 0600\)/,
    );
    const { fixed } = (await examined(lab, { fix: true })).finding("access.narrow");
    expect(fixed).toBe("Gave registry.json.holders the mode 0755. Gave state.json the mode 0644.");
    expect((await examined(lab)).codes).toEqual([]);
    expect(wide.map((path) => statSync(path).mode)).toEqual(before);
  });

  it("widens nothing that was put in the place of what it looked at", async () => {
    const lab = await labWith(["a"]);
    chmodSync(lab.statePath, 0o600);
    const file = new RegistryFile(lab.path, systemClock, 5_000);
    onTestFinished(() => file.close());
    const { findings } = await accessCheck.examine(await examine(file, systemClock));
    const victim = join(temporaryDirectory(), "victim");
    writeFileSync(victim, "", { mode: 0o600 });
    for (const putThere of [() => symlinkSync(victim, lab.statePath), () => linkSync(victim, lab.statePath)]) {
      unlinkSync(lab.statePath);
      putThere();
      await expect(findings[0]?.fix?.()).rejects.toThrow(lab.statePath);
      expect(statSync(victim).mode & 0o777).toBe(0o600);
    }
  });
});

describe("who may do what", () => {
  const file = { uid: ALICE, gid: GROUP, mode: 0o640 };

  it.each([
    ["its owner", { uid: ALICE, name: "", groups: new Set<number>() }, [true, true]],
    ["a member of its group", { uid: BOB, name: "", groups: new Set([GROUP]) }, [true, false]],
    ["anybody else", { uid: BOB, name: "", groups: new Set([1]) }, [false, false]],
    ["root", { uid: 0, name: "root", groups: new Set<number>() }, [true, true]],
  ] as const)("is told for %s", (_who, user, expected) => {
    expect([modeAllows(file, user, 4), modeAllows(file, user, 6)]).toEqual(expected);
  });

  it("does not fall back to the group's rights for an owner who has fewer", () => {
    const user = { uid: ALICE, name: "", groups: new Set([GROUP]) };
    expect(modeAllows({ ...file, mode: 0o040 }, user, 4)).toBe(false);
  });

  it("knows root by name, and this process's user", () => {
    expect(userOf(0).name).toBe("root");
    expect(currentUser()?.uid).toBe(process.geteuid?.());
  });
});

/** A lab in a directory of `uid`, who is in no group that anybody else is in. */
async function labOf(uid: number, mode: number): Promise<LabFiles> {
  const lab = new LabFiles(temporaryDirectory(mode));
  chownSync(lab.directory, uid, GROUP);
  return labWith(["a"], lab);
}
