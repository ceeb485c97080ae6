import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type ErrorCode, FAILURES } from "../../src/core/errors.js";
import { type Lab, MAIN, test } from "./cli-process.js";
import { CTRL_C, startOnTerminal } from "./terminal.js";

const [ID_A, ID_B, ID_C] = [
  "01JQ000000000000000000000A",
  "01JQ000000000000000000000B",
  "01JQ000000000000000000000C",
] as const;

function write(lab: Lab, file: string, ids: Readonly<Record<string, string>>, members: object = {}): void {
  const entries = Object.entries(ids).map(([name, id]) => [name, { id, component_type: "node", ...members }]);
  writeFileSync(join(lab.directory, file), JSON.stringify({ entries: Object.fromEntries(entries) }));
}

async function furnish(lab: Lab, ids: Readonly<Record<string, string>>): Promise<void> {
  write(lab, "before.json", ids);
  await lab.run("import", "--force", "before.json");
}

async function idsIn(lab: Lab): Promise<Readonly<Record<string, string>>> {
  const listed = (await lab.json("list")) as readonly { readonly name: string; readonly id: string }[];
  return Object.fromEntries(listed.map(({ name, id }) => [name, id]));
}

describe.concurrent("namehold import", () => {
  test("shows what it would do, asks, and does it [G1]", async ({ lab }) => {
    await furnish(lab, { arm: ID_A, gone: ID_B });
    write(lab, "new.json", { arm: ID_C, robot: ID_B }, { metadata: { volume: 1 } });
    const replace = startOnTerminal(lab, 80, "import", "--replace", "new.json");
    await replace.answer("y\n");
    expect(await replace.ended).toMatchObject({ status: 0 });
    expect(replace.shown).toContain(
      [
        "From new.json:",
        `  replace  arm  ${ID_A} becomes ${ID_C}, other metadata`,
        `  remove   gone  ${ID_B}`,
        `  add      robot  ${ID_B}`,
        "1 added, 1 replaced, 1 removed, 0 kept",
        "namehold: Import this? [y/N] y",
        "Imported: 1 added, 1 replaced, 1 removed, 0 kept",
        "The registry as it was before is kept in ",
      ].join("\n"),
    );
    expect(await idsIn(lab)).toEqual({ arm: ID_C, robot: ID_B });
    const backup = /kept in (.*)$/m.exec(replace.shown)?.[1] ?? "";
    expect(await lab.run("import", "--replace", "--force", backup)).toMatchObject({ status: 0 });
    expect(await idsIn(lab)).toEqual({ arm: ID_A, gone: ID_B });
  });

  test("keeps names that exist unless --replace is given, and tells of other IDs [G1]", async ({ lab }) => {
    await furnish(lab, { arm: ID_A });
    write(lab, "new.json", { arm: ID_C, robot: ID_B });
    const { stdout, stderr, status } = await lab.run("import", "--dry-run", "new.json");
    expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
    expect(stdout).toBe(
      [
        "From new.json:",
        `  keep     arm  ${ID_A} (its ID is ${ID_C} in the file)`,
        `  add      robot  ${ID_B}`,
        "It would be 1 added, 0 replaced, 0 removed, 1 kept (1 of them not as in the file)",
        "",
      ].join("\n"),
    );
    expect(await idsIn(lab)).toEqual({ arm: ID_A });
    expect(await lab.json("import", "--force", "new.json")).toMatchObject({
      dry_run: false,
      added: ["robot"],
      kept: ["arm"],
      changes: [
        { name: "arm", change: "kept", id_before: ID_A, id_in_file: ID_C },
        { name: "robot", change: "added", id_before: null, id_in_file: ID_B },
      ],
      backup: null,
      refused: null,
    });
    expect(await idsIn(lab)).toEqual({ arm: ID_A, robot: ID_B });
  });

  test.for([
    ["a no", "n\n"],
    ["Ctrl-C", CTRL_C],
  ] as const)("imports nothing after %s [G1]", async ([, keys], { lab }) => {
    write(lab, "new.json", { arm: ID_A });
    const refused = startOnTerminal(lab, 80, "import", "new.json");
    await refused.answer(keys);
    expect(await refused.ended).toMatchObject({ status: FAILURES.aborted.exitStatus });
    expect(refused.shown).toMatch(/\nnamehold: Nothing was imported\.\n$/);
    expect(await idsIn(lab)).toEqual({});
  });

  test("does not do what was not shown: a registry that has changed since is left alone [G1, G9]", async ({ lab }) => {
    write(lab, "new.json", { arm: ID_A });
    const refused = startOnTerminal(lab, 80, "import", "--replace", "new.json");
    await refused.line(/\[y\/N\] /);
    await lab.run("run", "robot", "--", "true");
    const before = await idsIn(lab);
    refused.type("y\n");
    expect(await refused.ended).toMatchObject({ status: FAILURES.aborted.exitStatus });
    expect(refused.shown).toContain("The registry has changed since the preview");
    expect(await idsIn(lab)).toEqual(before);
  });

  test("without a question does not take held names away; --revoke-held does, and tells the holder [G2, G4]", async ({
    lab,
  }) => {
    const run = lab.start("run", "arm", "--ttl", "3s", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const before = await idsIn(lab);
    write(lab, "new.json", { robot: ID_A });
    for (const option of ["--force", "--dry-run"]) {
      const { status, stderr } = await lab.run("import", "--replace", option, "new.json");
      expect(status).toBe(FAILURES.held.exitStatus);
      expect(stderr).toMatch(
        /^namehold: Nothing was imported: "arm" is held by .* force the import \(namehold import --revoke-held\).*\n$/,
      );
    }
    expect(await idsIn(lab)).toEqual(before);
    const { stdout, status } = await lab.run("import", "--replace", "--force", "--revoke-held", "new.json");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}remove {3}arm {2}\w{26}, held by .* \(PID \d+\)$/m);
    expect(await run.ended).toMatchObject({ status: FAILURES.lost.exitStatus });
    expect(await idsIn(lab)).toEqual({ robot: ID_A });
  });

  test("takes standard input, which cannot answer then", async ({ lab, otherLab }) => {
    await furnish(lab, { arm: ID_A });
    const namehold = `"${process.execPath}" "${MAIN}"`;
    const pipe = (options: string) =>
      spawnSync("bash", ["-c", `${namehold} -r "${lab.path}" export | ${namehold} import ${options} -`], {
        encoding: "utf8",
        cwd: otherLab.directory,
        env: { ...process.env, MADSCI_REGISTRY_PATH: otherLab.path },
      });
    const asking = pipe("");
    expect(asking.status).toBe(FAILURES["invalid-input"].exitStatus);
    expect(asking.stderr).toMatch(/Standard input is what is imported, and cannot answer\. Say --force .* --dry-run/);
    expect(pipe("--force")).toMatchObject({ status: 0, stderr: "" });
    expect(await idsIn(otherLab)).toEqual({ arm: ID_A });
  });

  test("says what is wrong with the file before it misses a terminal to ask on [G11]", async ({ lab }) => {
    const { status, stderr } = await lab.run("import", "missing.json");
    expect(status).toBe(FAILURES["not-found"].exitStatus);
    expect(stderr).toBe("namehold: There is no file missing.json.\n");
  });

  test("counts the other held names of which it is refused", async ({ lab }) => {
    await furnish(lab, { arm: ID_A, leg: ID_B });
    const runs = ["arm", "leg"].map((name) => lab.start("run", name, "--", "sh", "-c", "echo up; exec sleep 60"));
    for (const run of runs) await run.line(/up/);
    write(lab, "new.json", { robot: ID_C });
    const { stderr } = await lab.run("import", "--replace", "--force", "new.json");
    expect(stderr).toContain(" So is 1 other of its names. ");
  });

  test("tells of the backup on standard error where standard output is lost [G1, G11]", async ({ lab }) => {
    await furnish(lab, { arm: ID_A });
    write(lab, "new.json", { arm: ID_B });
    const shell = `"${process.execPath}" "${MAIN}" import --replace --force new.json > /dev/full`;
    const env = { ...process.env, MADSCI_REGISTRY_PATH: lab.path };
    const lost = spawnSync("bash", ["-c", shell], { encoding: "utf8", cwd: lab.directory, env });
    expect(lost.status).toBe(FAILURES["storage-failed"].exitStatus);
    const backup = /^namehold: Imported: .* The registry as it was before is kept in (.*)$/m.exec(lost.stderr)?.[1];
    expect(readFileSync(backup ?? "", "utf8")).toContain(ID_A);
  });

  test("without a terminal to ask on says which option answers, and imports nothing", async ({ lab }) => {
    write(lab, "new.json", { arm: ID_A });
    const { status, stdout, stderr } = await lab.run("import", "new.json");
    expect({ status, stdout }).toEqual({ status: FAILURES["invalid-input"].exitStatus, stdout: "" });
    expect(stderr).toMatch(/There is no terminal to ask on\. Say --force .* or --dry-run/);
    expect(await idsIn(lab)).toEqual({});
  });

  test.for<readonly [what: string, data: string | Buffer, code: ErrorCode, message: RegExp]>([
    ["nothing", "", "invalid-input", /Cannot import from new\.json\. .* is empty/],
    ["torn JSON", '{"entries": {"arm": {"id"', "invalid-input", /is not valid JSON/],
    ["another program's file", '{"name": "namehold", "version": "1"}', "invalid-input", /belongs to another program/],
    ["a list", "[]", "invalid-input", /is not an object/],
    ["a wrong entry", '{"entries": {"x": {"id": "y", "component_type": "z"}}}', "invalid-input", /in "x", .*type/],
    ["no text", Buffer.from([0xff, 0xfe, 0x00]), "invalid-input", /new\.json is no text in UTF-8/],
    [
      "two names with one ID",
      `{"entries": {"x": {"id": "${ID_B}", "component_type": "node"}, "y": {"id": "${ID_B}", "component_type": "node"}}}`,
      "invalid-input",
      /Cannot import from new\.json\. In the data, "x" and "y" have one ID, \w{26}\. .* Nothing was imported\./,
    ],
    [
      "the ID of another name",
      `{"entries": {"y": {"id": "${ID_A}", "component_type": "node"}}}`,
      "already-exists",
      /"y" would have the ID .*, which belongs to "arm"/,
    ],
  ])("refuses %s in one sentence, and imports nothing [G8, G11]", async ([, data, code, message], { lab }) => {
    await furnish(lab, { arm: ID_A });
    const before = readFileSync(lab.path, "utf8");
    writeFileSync(join(lab.directory, "new.json"), data);
    const { status, stdout, stderr } = await lab.run("import", "--force", "new.json");
    expect({ status, stdout }).toEqual({ status: FAILURES[code].exitStatus, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^namehold: .*\n$/);
    expect(readFileSync(lab.path, "utf8")).toBe(before);
  });

  test.for<readonly [args: readonly string[], code: ErrorCode, message: string]>([
    [["missing.json"], "not-found", "There is no file missing.json."],
    [["names/"], "invalid-input", "names/ is a directory."],
    [["a.json", "--merge", "--replace"], "invalid-input", "option '--replace' cannot be used with option '--merge'"],
    [["a.json", "--revoke-held"], "invalid-input", "--revoke-held goes with --replace."],
    [[], "invalid-input", "missing required argument 'file'"],
  ])("%j is refused with the reason [G11]", async ([args, code, message], { lab }) => {
    mkdirSync(join(lab.directory, "names"));
    const { status, stdout, stderr } = await lab.run("import", "--force", ...args);
    expect({ status, stdout }).toEqual({ status: FAILURES[code].exitStatus, stdout: "" });
    expect(stderr).toContain(message);
  });
});
