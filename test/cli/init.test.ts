import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { type Lab, MAIN, test } from "./cli-process.js";
import { runAsMereUser } from "./mere-user.js";

/** As in a shell that knows of no registry yet: the lab's directory is the user's home. */
function startPlain(lab: Lab, ...args: readonly string[]) {
  return lab.startWith({ MADSCI_REGISTRY_PATH: "", MADSCI_SETTINGS_DIR: "", HOME: lab.directory }, ...args).ended;
}

describe.concurrent("namehold init", () => {
  test("makes an empty registry that is found from there and from below", async ({ lab }) => {
    const { status, stdout, stderr } = await startPlain(lab, "init");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^Made ${lab.path}\nNext: namehold run `));
    expect(JSON.parse(readFileSync(lab.path, "utf8"))).toMatchObject({ version: 1, entries: {} });
    expect((await startPlain(lab, "list")).stdout).toBe(`No name is registered in ${lab.path}.\n`);
    expect((await startPlain(lab, "run", "arm", "--", "true")).status).toBe(0);
    expect((await startPlain(lab, "resolve", "arm")).stdout).toMatch(/^\w{26}\n$/);
  });

  test("says a next command that works", async ({ lab }) => {
    mkdirSync(join(lab.directory, "bay 2"));
    const { stdout } = await startPlain(lab, "init", "bay 2");
    const next = /^Next: (.*)$/m.exec(stdout)?.[1] ?? "";
    expect(next).toMatch(/^cd '.*bay 2' && namehold run /);
    const shell = `namehold() { "${process.execPath}" "${MAIN}" "$@"; }; ${next}`;
    const env = { ...process.env, MADSCI_REGISTRY_PATH: "", HOME: lab.directory };
    const { stdout: said, status } = spawnSync("bash", ["-c", shell], { encoding: "utf8", cwd: lab.directory, env });
    expect({ said, status }).toEqual({ said: expect.stringMatching(/^My ID is \w{26}\n$/), status: 0 });
  });

  test("gives the registry to all who may write the directory, whatever the umask", async ({ lab }) => {
    chmodSync(lab.directory, 0o2775);
    const env = { ...process.env, MADSCI_REGISTRY_PATH: "", HOME: lab.directory };
    const { status } = spawnSync("bash", ["-c", `umask 077; exec "${process.execPath}" "${MAIN}" init`], {
      cwd: lab.directory,
      env,
    });
    expect(status).toBe(0);
    expect(statSync(join(lab.directory, ".madsci")).mode & 0o7777).toBe(0o2775);
    expect(statSync(lab.path).mode & 0o777).toBe(0o664);
    expect(statSync(`${lab.path}.lock`).mode & 0o666).toBe(0o664);
  });

  test("refuses where there is a registry, a lost one too, and changes nothing [G1, G8]", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const before = readFileSync(lab.path, "utf8");
    const { status, stdout, stderr } = await startPlain(lab, "init");
    expect({ status, stdout }).toEqual({ status: FAILURES["already-exists"].exitStatus, stdout: "" });
    expect(stderr).toContain(`There is a registry already: ${lab.path}. Look into it: namehold -r ${lab.path} list`);
    expect(readFileSync(lab.path, "utf8")).toBe(before);
    spawnSync("rm", [lab.path]);
    expect(await startPlain(lab, "init")).toMatchObject({ status: FAILURES["already-exists"].exitStatus });
    expect((await startPlain(lab, "resolve", "arm")).stdout.trim()).toBe(
      (JSON.parse(before) as { entries: Record<string, { id: string }> }).entries["arm"]?.id,
    );
  });

  test("one of two at once makes it, and a name that is made meanwhile is kept [G1, G9]", async ({ lab }) => {
    const [one, other, run] = await Promise.all([
      startPlain(lab, "init"),
      startPlain(lab, "init"),
      lab.run("run", "arm", "--", "true"),
    ]);
    expect(run.status).toBe(0);
    expect([one.status, other.status]).toContain(FAILURES["already-exists"].exitStatus);
    expect((await startPlain(lab, "resolve", "arm")).status).toBe(0);
  });

  test("tells which registry was used until now, and how to take its names along", async ({ lab }) => {
    const { stdout: id } = await lab.run("run", "arm", "--", "sh", "-c", 'echo "$NAMEHOLD_ID"');
    const bay = join(lab.directory, "bay");
    mkdirSync(bay);
    const { status, stderr } = await startPlain(lab, "init", "bay");
    expect(status).toBe(0);
    expect(stderr).toContain(`Until now ${lab.path} was used from there, and now the new one is.`);
    const copying = /To take its names along: (.*)$/m.exec(stderr)?.[1] ?? "";
    const shell = `namehold() { "${process.execPath}" "${MAIN}" "$@"; }; ${copying}`;
    expect(spawnSync("bash", ["-c", shell])).toMatchObject({ status: 0 });
    expect((await lab.run("-r", join(bay, ".madsci", "registry.json"), "resolve", "arm")).stdout).toBe(id);
  });

  test("tells when the environment names another registry, and refuses -r", async ({ lab }) => {
    mkdirSync(join(lab.directory, "bay"));
    const { status, stdout, stderr } = await lab.run("init", "bay", "--json");
    expect(status).toBe(0);
    expect(stderr).toContain(`use ${lab.path} all the same, since MADSCI_REGISTRY_PATH is set`);
    const path = join(lab.directory, "bay", ".madsci", "registry.json");
    expect(JSON.parse(stdout)).toEqual({ path, replaces: null, used: false });
    const refused = await lab.run("-r", lab.path, "init");
    expect(refused.status).toBe(FAILURES["invalid-input"].exitStatus);
  });

  test("goes through a link to a shared .madsci, as MADSci does", async ({ lab }) => {
    mkdirSync(join(lab.directory, "shared"));
    symlinkSync("shared", join(lab.directory, ".madsci"));
    const { stdout } = await startPlain(lab, "init", "--json");
    expect(JSON.parse(stdout)).toEqual({
      path: join(realpathSync(lab.directory), "shared", "registry.json"),
      replaces: null,
      used: true,
    });
  });

  test("in a directory that is missing, or may not be written, fails with the reason [G11]", async ({ lab }) => {
    const missing = await startPlain(lab, "init", "missing");
    expect(missing.status).toBe(FAILURES.unreachable.exitStatus);
    expect(missing.stderr).toContain("missing/.madsci: there is no such file or directory; create the directory first");
    const directory = join(lab.directory, "read-only");
    mkdirSync(directory);
    chmodSync(directory, 0o555);
    const refused = runAsMereUser(lab, "init", directory);
    expect(refused.status).toBe(FAILURES["read-only"].exitStatus);
    expect(refused.stderr).toContain(directory);
  });
});
