import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { type Lab, MAIN, test } from "./cli-process.js";
import { runAsMereUser } from "./mere-user.js";

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const COMMANDS = ["run", "list", "show", "resolve", "rename", "revoke", "release", "recover"];

/** A registry without names, where `lab.path` is found too. */
async function makeEmpty(lab: Lab): Promise<void> {
  expect(await lab.startWith({ MADSCI_REGISTRY_PATH: "" }, "init").ended).toMatchObject({ status: 0 });
}

describe.concurrent("names", () => {
  test("resolve prints the ID alone, and in JSON what the reference prints", async ({ lab }) => {
    await lab.run("run", "arm", "--type", "module", "--", "true");
    const { stdout, status } = await lab.run("resolve", "arm");
    expect(stdout.trim()).toMatch(ULID);
    expect(status).toBe(0);
    expect(await lab.json("resolve", "arm")).toEqual({ name: "arm", id: stdout.trim(), type: "module", locked: false });
  });

  test("a name that does not exist is told on standard error, and not made [G11]", async ({ lab }) => {
    await makeEmpty(lab);
    for (const command of ["resolve", "show", "revoke", "release"]) {
      const { status, stdout, stderr } = await lab.run(command, "nobody");
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^namehold: There is no name .*"nobody".*\n$/);
      expect(status).toBe(FAILURES["not-found"].exitStatus);
    }
    expect(await lab.json("list")).toEqual([]);
  });

  test("show takes a name or an ID, and tells who holds the name [G11]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const byName = (await lab.json("show", "arm")) as { id: string; holder: { pid: number } };
    expect(byName).toMatchObject({ name: "arm", type: "node", locked: true, status: "held", holder: { pid: run.pid } });
    expect(await lab.json("show", byName.id)).toMatchObject({ name: "arm", id: byName.id });
    expect((await lab.run("show", byName.id)).stdout).toMatch(
      /^Status +held \(free in [\d.]+ s unless it is refreshed\)$/m,
    );
  });

  test("list shows who holds what, filters by type, and is empty in words", async ({ lab }) => {
    await makeEmpty(lab);
    expect((await lab.run("list")).stdout).toBe(`No name is registered in ${lab.path}.\n`);
    await lab.run("run", "arm", "--type", "node", "--", "true");
    await lab.run("run", "lab", "--type", "manager", "--", "true");
    const { stdout } = await lab.run("list");
    expect(stdout).toMatch(/│ arm +│ [0-9A-Z]{26} │ node +│ free +│/);
    expect(stdout).not.toContain("\u001b[");
    const managers = (await lab.json("list", "--type", "manager", "--include-stale")) as object[];
    expect(managers).toEqual([
      expect.objectContaining({ name: "lab", type: "manager", locked: false, status: "free" }),
    ]);
  });

  test("a name with control characters is shown harmlessly", async ({ lab }) => {
    await lab.run("run", "a\u001b[2Jb", "--", "true");
    expect((await lab.run("list")).stdout).toContain('"a\\u001b[2Jb"');
    expect((await lab.run("show", "a\u001b[2Jb")).stdout).not.toContain("\u001b");
    expect(await lab.json("resolve", "a\u001b[2Jb")).toMatchObject({ name: "a\u001b[2Jb" });
  });

  test("rename keeps the ID, and needs --force while the name is held [G1]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--ttl", "3s", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const { stdout } = await lab.run("resolve", "arm");
    const refused = await lab.run("rename", "arm", "left_arm");
    expect(refused.status).toBe(FAILURES.held.exitStatus);
    expect(refused.stderr).toMatch(/held by .* Stop it first, or use --force\.\n$/);
    expect(await lab.json("rename", "arm", "left_arm", "--force")).toEqual({
      from: "arm",
      to: "left_arm",
      id: stdout.trim(),
    });
    expect((await lab.run("resolve", "left_arm")).stdout).toBe(stdout);
    const { status, stderr } = await run.ended;
    expect(status).toBe(FAILURES.lost.exitStatus);
    expect(stderr).toContain("it was renamed (left_arm)");
  });

  test("release clears a crashed holder's lock, and refuses a live one's", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const refused = await lab.run("release", "arm");
    expect(refused.status).toBe(FAILURES.held.exitStatus);
    expect(refused.stderr).toContain("use namehold revoke");
    const guardianPid = await run.guardianPid();
    run.kill("SIGKILL");
    await run.ended;
    await lab.gone(guardianPid);
    expect(await lab.json("show", "arm")).toMatchObject({ status: "crashed", locked: false, free_because: "dead" });
    expect((await lab.run("list")).stdout).toContain("crashed");
    expect(await lab.json("release", "arm")).toEqual({ name: "arm", released: true });
    expect(await lab.json("show", "arm")).toMatchObject({ status: "free", holder: null });
  });

  test("recover shows damage, and new names are made again once it is accepted [G8]", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const { stdout: id } = await lab.run("resolve", "arm");
    expect(await lab.run("recover")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^Nothing is damaged: every entry can be read\./),
    });

    truncateSync(lab.path, 100);
    expect((await lab.run("resolve", "arm")).stdout).toBe(id);
    expect(await lab.run("run", "new", "--", "true")).toMatchObject({ status: FAILURES.damaged.exitStatus });
    const shown = await lab.run("recover");
    expect(shown.status).toBe(FAILURES.damaged.exitStatus);
    expect(shown.stdout).toContain("Names that go on: arm\n");
    expect(await lab.json("recover", "--accept")).toMatchObject({ damaged: true, accepted: true, recovered: ["arm"] });
    expect(await lab.run("run", "new", "--", "true")).toMatchObject({ status: 0 });
    expect((await lab.run("resolve", "arm")).stdout).toBe(id);
  });
});

describe.concurrent("failures", () => {
  test.for<readonly [string[], string | RegExp]>([
    [["lst"], "unknown command 'lst' (Did you mean list?). See namehold --help."],
    [[], "Say what to do. See namehold --help."],
    [["list", "--typ", "node"], "unknown option '--typ' (Did you mean --type?). See namehold list --help."],
    [
      ["list", "--type", "robot"],
      /^option '-t, --type <type>' argument 'robot' is invalid\. Allowed choices are .* See namehold list --help\.$/,
    ],
    [["resolve"], "missing required argument 'name'. See namehold resolve --help."],
    [
      ["run", "arm", "--wait", "60", "--", "true"],
      /Add a unit: 60s for seconds, 60ms for milliseconds\. See namehold run --help\.$/,
    ],
    [["run", "arm", "--ttl", "10ms", "--", "true"], /At least 1s/],
    [["run", "arm", "true"], "Put -- between the name and the command. See namehold run --help."],
    [["run", "arm", "--"], "The command is missing: NAME -- COMMAND. See namehold run --help."],
    [["run", "--", "sh", "-c", "true"], "Put -- between the name and the command. See namehold run --help."],
  ])("%j is refused in one sentence with the remedy [G11]", async ([args, message], { lab }) => {
    const { status, stdout, stderr } = await lab.run(...args);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^namehold: .*\n$/);
    expect(stderr.slice("namehold: ".length, -1)).toEqual(
      message instanceof RegExp ? expect.stringMatching(message) : message,
    );
    expect(status).toBe(FAILURES["invalid-input"].exitStatus);
  });

  test("with --json a failure is JSON on standard error, and --verbose tells the code and where it came from [G11]", async ({
    lab,
  }) => {
    const { stderr, stdout } = await lab.run("--json", "show", "nobody");
    expect(stdout).toBe("");
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "not-found", name: "nobody", message: expect.stringContaining("nobody") },
    });
    const verbose = await lab.run("show", "nobody", "--verbose");
    expect(verbose.stderr).toContain("code: 'not-found'");
    expect(verbose.stderr).toMatch(/at .*show/);
  });

  test("a directory that may not be written is told as that", async ({ lab }) => {
    mkdirSync(dirname(lab.path));
    chmodSync(dirname(lab.path), 0o555);
    const { status, stderr } = runAsMereUser(lab, "run", "arm", "--", "echo", "started");
    expect(stderr).toMatch(/^namehold: .*\n$/);
    expect(stderr).toContain(dirname(lab.path));
    expect(status).toBe(FAILURES["read-only"].exitStatus);
  });

  test("a closed pipe ends a command quietly", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const command = `"${process.execPath}" "${MAIN}" list --json | head -1; echo "\${PIPESTATUS[0]}"`;
    const shell = spawnSync("bash", ["-c", command], {
      encoding: "utf8",
      env: { ...process.env, MADSCI_REGISTRY_PATH: lab.path },
    });
    expect(shell.stdout).toBe("[\n0\n");
    expect(shell.stderr).toBe("");
  });

  test("-r comes before MADSCI_REGISTRY_PATH", async ({ lab, otherLab: other }) => {
    await lab.run("run", "arm", "-r", other.path, "--", "true");
    expect(await lab.json("list")).toEqual([]);
    expect(await other.json("list")).toHaveLength(1);
    expect(await lab.json("-r", other.path, "list")).toHaveLength(1);
  });
});

describe.concurrent("help", () => {
  test.for(COMMANDS)("%s --help has an example and the exit statuses", async (command, { lab }) => {
    const { status, stdout, stderr } = await lab.run(command, "--help");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Examples:\n  .*namehold ${command}`, "m"));
    expect(stdout).toMatch(/^Exit status:\n {2}0 +done\n/m);
    expect(stdout).toContain("--registry-path");
  });

  test("the help names every command and every exit status [G11]", async ({ lab }) => {
    const { stdout } = await lab.run("--help");
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
    for (const { exitStatus } of Object.values(FAILURES)) expect(stdout).toMatch(new RegExp(`^  ${exitStatus} `, "m"));
  });
});
