import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { shellWord } from "../../src/core/shell-word.js";
import { type Lab, MAIN, test } from "./cli-process.js";
import { CTRL_C, CTRL_D, startOnTerminal, startShellOnTerminal } from "./terminal.js";

interface Listed {
  readonly name: string;
  readonly id: string;
}

async function makeNames(lab: Lab, ...names: readonly string[]): Promise<Readonly<Record<string, string>>> {
  for (const name of names) await lab.run("run", name, "--", "true");
  return idsIn(lab);
}

async function idsIn(lab: Lab): Promise<Readonly<Record<string, string>>> {
  const listed = (await lab.json("list")) as readonly Listed[];
  return Object.fromEntries(listed.map(({ name, id }) => [name, id]));
}

describe.concurrent("namehold clean", () => {
  test("removes what it has shown after a yes, and import brings the same IDs back from the backup [G1]", async ({
    lab,
  }) => {
    const ids = await makeNames(lab, "arm", "robot");
    const clean = startOnTerminal(lab, 80, "clean", "--older-than", "0");
    await clean.answer("y\n");
    expect(await clean.ended).toMatchObject({ status: 0 });
    for (const [name, id] of Object.entries(ids)) expect(clean.shown).toMatch(new RegExp(`│ ${name} +│ ${id} │`));
    expect(clean.shown).toContain("Remove 2 names, and their IDs? [y/N] y\nRemoved 2 names.\n");
    const backup = /^The registry as it was before is kept in (.*)$/m.exec(clean.shown)?.[1] ?? "";
    expect(clean.shown).toContain(`namehold import ${backup}`);
    expect(await idsIn(lab)).toEqual({});
    expect(await lab.run("import", "--force", backup)).toMatchObject({ status: 0 });
    expect(await idsIn(lab)).toEqual(ids);
  });

  test.for([
    ["n", "n\n"],
    ["an empty answer", "\n"],
    ["what is neither yes nor no", "yep\n"],
    ["Ctrl-C", CTRL_C],
    ["Ctrl-D", CTRL_D],
  ] as const)("removes nothing after %s, and says so [G1]", async ([, keys], { lab }) => {
    const ids = await makeNames(lab, "arm");
    const clean = startOnTerminal(lab, 80, "clean", "--older-than", "0");
    await clean.answer(keys);
    expect(await clean.ended).toMatchObject({ status: FAILURES.aborted.exitStatus });
    expect(clean.shown).toMatch(/\[y\/N\] .*\nnamehold: Nothing was removed\.\n$/);
    expect(await idsIn(lab)).toEqual(ids);
  });

  test("removes nothing that has come alive since, and nothing that was not shown [G1, G7]", async ({ lab }) => {
    await makeNames(lab, "gone", "used");
    const clean = startOnTerminal(lab, 80, "clean", "--older-than", "0");
    await clean.line(/\[y\/N\] /);
    const run = lab.start("run", "used", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    await makeNames(lab, "new");
    clean.type("y\n");
    expect(await clean.ended).toMatchObject({ status: 0 });
    expect(clean.shown).toContain("Removed 1 name.\nIn use again, and not removed: used\n");
    expect(Object.keys(await idsIn(lab))).toEqual(["used", "new"]);
  });

  test("without a terminal to ask on says which option answers, and removes nothing", async ({ lab }) => {
    const ids = await makeNames(lab, "arm");
    const { status, stdout, stderr } = await lab.run("clean", "--older-than", "0");
    expect({ status, stdout }).toEqual({ status: FAILURES["invalid-input"].exitStatus, stdout: "" });
    expect(stderr).toMatch(/^namehold: There is no terminal to ask on\. Say --force .* or --dry-run .*\.\n$/);
    // Where the question would go unseen, it is not asked either.
    const errors = shellWord(join(lab.directory, "errors"));
    const command = [process.execPath, MAIN].map(shellWord).join(" ");
    const unseen = startShellOnTerminal(lab, 80, `${command} clean --older-than 0 2> ${errors}`);
    expect(await unseen.ended).toMatchObject({ status: FAILURES["invalid-input"].exitStatus });
    expect(readFileSync(join(lab.directory, "errors"), "utf8")).toBe(stderr);
    expect(await idsIn(lab)).toEqual(ids);
  });

  test("shows without removing, or removes without asking, what was not seen for so many days", async ({ lab }) => {
    const ids = await makeNames(lab, "arm");
    const arm = expect.objectContaining({ name: "arm", id: ids["arm"], type: "node" }) as unknown;
    expect(await lab.json("clean", "--dry-run")).toEqual({ dry_run: true, removed: [], spared: [], backup: null });
    expect(await lab.json("clean", "--dry-run", "--older-than", "0")).toMatchObject({ dry_run: true, removed: [arm] });
    expect((await lab.run("clean", "--dry-run", "--older-than", "0")).stdout).toMatch(/│ arm .*\n1 name would be/s);
    expect((await lab.run("clean", "--force")).stdout).toMatch(/^There is nothing to remove: .* more than 7 days ago/);
    expect(await idsIn(lab)).toEqual(ids);
    const removed = (await lab.json("clean", "--force", "--older-than", "0")) as { readonly backup: string };
    expect(removed).toMatchObject({ dry_run: false, removed: [arm] });
    expect(readFileSync(removed.backup, "utf8")).toContain(ids["arm"]);
    expect(await idsIn(lab)).toEqual({});
  });

  test.for(["/dev/full", "a pipe that nobody reads"])(
    "tells of the backup on standard error where standard output is lost: %s [G1, G11]",
    async (output, { lab }) => {
      const ids = await makeNames(lab, "arm", "robot");
      const [to, status] =
        output === "/dev/full" ? ["> /dev/full", FAILURES["storage-failed"].exitStatus] : ["| true", 0];
      const namehold = [process.execPath, MAIN].map(shellWord).join(" ");
      const command = `set -o pipefail; (sleep 0.3; exec ${namehold} clean -f --older-than 0) ${to}`;
      const env = { ...process.env, MADSCI_REGISTRY_PATH: lab.path };
      const clean = spawnSync("bash", ["-c", command], { encoding: "utf8", env });
      expect(clean.status).toBe(status);
      const backup = /^namehold: Removed 2 names\. The registry as it was before is kept in (.*)$/m.exec(
        clean.stderr,
      )?.[1];
      expect(await idsIn(lab)).toEqual({});
      expect(await lab.run("import", "--force", backup ?? "")).toMatchObject({ status: 0 });
      expect(await idsIn(lab)).toEqual(ids);
    },
  );

  test.for(["-1", "x", "1d", ""])("refuses %j days", async (days, { lab }) => {
    const { status, stderr } = await lab.run("clean", "--older-than", days, "--force");
    expect(status).toBe(FAILURES["invalid-input"].exitStatus);
    expect(stderr).toContain("Write a number of days");
  });
});
