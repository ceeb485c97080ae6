import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { itAsRoot } from "../platform/requirements.js";
import { Lab, MAIN, test } from "./cli-process.js";

interface Report {
  readonly location: string | null;
  readonly status: string;
  readonly problems: number;
  readonly warnings: number;
  readonly fixed: number;
  readonly checks: readonly {
    readonly check: string;
    readonly findings: readonly { readonly code: string; readonly what: string; readonly remedy: string }[];
  }[];
}

const HEALTHY = 0;
const WARNINGS = 1;
const PROBLEMS = 2;

describe.concurrent("doctor", () => {
  test("says in a line each what it looked at, and that all is well", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const { status, stdout, stderr } = await lab.run("doctor");
    expect(stderr).toBe("");
    expect(stdout).toContain(`Registry: ${lab.path}\n`);
    expect(stdout).toMatch(/^ok {7}Registry file +1 name, 0\.\d KiB$/m);
    expect(stdout).toMatch(/^ok {7}Lock file +free$/m);
    expect(stdout).toMatch(/\nHealthy(?:: \d+ notes?)?\.\n$/);
    expect(status).toBe(HEALTHY);
  });

  test("has an exit status for warnings and one for problems, and the worst is printed last [G11]", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    rmSync(join(`${lab.path}.holders`, "last-good.json"));
    expect((await lab.run("doctor")).status).toBe(WARNINGS);
    const entry = { id: "01JYFH2Q4N6Z0V5X1T8R3C7W9K", component_type: "node", lock: null };
    writeFileSync(lab.path, JSON.stringify({ version: 1, entries: { arm: entry, "pump\u001b[2J": entry } }));
    const { status, stdout } = await lab.run("doctor");
    expect(status).toBe(PROBLEMS);
    expect(stdout.lastIndexOf("[names.shared-id]")).toBeGreaterThan(stdout.indexOf("[last-good-copy.missing]"));
    expect(stdout).toMatch(
      /^PROBLEM {2}"arm" and .* have one ID.*\n {9}means: .*\n {9}do: {4}.*\n\nNot healthy: 1 problem, 1 warning/m,
    );
    // Neither colour in a pipe, nor what a name smuggles in.
    expect(stdout).not.toContain("\u001b");
  });

  test("tells all of it in JSON, with stable codes", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    truncateSync(lab.path, 60);
    const { status, stdout } = await lab.run("doctor", "--json");
    const report = JSON.parse(stdout) as Report;
    expect(status).toBe(PROBLEMS);
    expect(report).toMatchObject({ location: lab.path, status: "problem", problems: 1 });
    expect(codesIn(report)).toContain("registry-file.damaged");
    expect(report.checks.map(({ check }) => check)).toEqual([
      "registry-file",
      "last-good-copy",
      "lock-file",
      "place",
      "access",
      "clock",
      "holders",
      "leftovers",
      "history",
      "names",
      "python",
      "settings",
      "registries",
      "platform",
    ]);
    // To look is not to mend.
    expect(readFileSync(lab.path, "utf8")).toHaveLength(60);
  });

  test("fixes what is safe, says so, and then nothing is left", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    rmSync(join(`${lab.path}.holders`, "last-good.json"));
    const { status, stdout } = await lab.run("doctor", "--fix");
    expect(status).toBe(HEALTHY);
    expect(stdout).toMatch(/^fixed {4}There is no last good copy .*\n.*\n {9}done: {2}Wrote /m);
    expect(stdout).toMatch(/\nHealthy: (?:\d+ notes?, )?1 fixed\.\n$/);
    expect(existsSync(join(`${lab.path}.holders`, "last-good.json"))).toBe(true);
    expect(JSON.parse((await lab.run("doctor", "--fix", "--json")).stdout)).toMatchObject({ fixed: 0 });
  });

  test("makes nothing where there is no registry", async ({ lab }) => {
    const { status, stdout } = await lab.run("doctor");
    expect(stdout).toContain("[registry-file.none]");
    expect(status).toBe(HEALTHY);
    expect(existsSync(dirname(lab.path))).toBe(false);
  });

  test("beside a living holder changes nothing for it, fixing or not [G7]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const before = await holderOfArm(lab);
    for (const args of [[], ["--fix"]]) {
      const { status, stdout } = await lab.run("doctor", ...args);
      expect(stdout).toMatch(/^ok {7}Holders +1 name locked; 1 live namehold process$/m);
      expect(status).toBe(HEALTHY);
    }
    expect(await holderOfArm(lab)).toEqual(before);
  });

  test("of a registry that cannot be opened is a finding too", async ({ lab }) => {
    const { status, stdout } = await lab.run("doctor", "-r", "nosuchstore:lab");
    expect(stdout).toContain("Registry: not opened");
    expect(stdout).toMatch(/^PROBLEM {2}.*nosuchstore.*\[registry\.not-opened\]$/m);
    expect(status).toBe(PROBLEMS);
  });

  test("says that a database is not there, and makes nothing", async ({ lab }) => {
    const path = join(lab.directory, "typo.db");
    const { status, stdout } = await lab.run("doctor", "-r", `sqlite:${path}`);
    expect(stdout).toContain(`There is no registry at sqlite:${path}.`);
    expect(stdout).toMatch(/\[names\.no-registry\]\n/);
    expect(status).toBe(HEALTHY);
    expect(readdirSync(lab.directory)).toEqual([]);
  });

  test("of a file that is no database is a problem [G8, G11]", async ({ lab }) => {
    writeFileSync(join(lab.directory, "bad.db"), "a letter\n".repeat(500));
    const { status, stdout } = await lab.run("doctor", "-r", "sqlite:bad.db");
    expect(stdout).toMatch(/^PROBLEM {2}.*bad\.db is no registry of namehold/m);
    expect(status).toBe(PROBLEMS);
  });

  test("looks at the names of a database, and says what it does not look at", async ({ lab }) => {
    for (const name of ["arm", "Arm"]) await lab.run("run", name, "-r", "sqlite:lab.db", "--", "true");
    const { status, stdout } = await lab.run("doctor", "-r", "sqlite:lab.db");
    expect(stdout).toMatch(/^WARNING {2}"arm" and "Arm" differ by case only\..*\[names\.lookalike\]$/m);
    expect(stdout).toMatch(/ Names and IDs +2 names; not looked at in this store: permissions, .*holders/);
    expect(status).toBe(WARNINGS);
  });

  test("wants no argument", async ({ lab }) => {
    const { status, stderr } = await lab.run("doctor", "arm");
    expect(stderr).toContain("namehold doctor --help");
    expect(status).toBe(FAILURES["invalid-input"].exitStatus);
  });

  test.for<readonly [string, (lab: Lab) => void, readonly string[]]>([
    ["the file", ({ path }) => chmodSync(path, 0), ["registry-file.unreadable", "access.this-user"]],
    ["the directory", ({ path }) => chmodSync(dirname(path), 0), ["registry.not-opened"]],
    ["the lock file", ({ path }) => chmodSync(`${path}.lock`, 0), ["lock-file.forbidden", "access.this-user"]],
    ["the copy", ({ path }) => chmodSync(join(`${path}.holders`, "last-good.json"), 0), ["last-good-copy.unreadable"]],
    ["the directory for writing", ({ path }) => chmodSync(dirname(path), 0o555), ["access.this-user"]],
  ])("of a user who may not use %s is a finding too [G11]", async ([, forbid, codes], { lab }) => {
    await lab.run("run", "arm", "--", "true");
    forbid(lab);
    const report = doctorAsMereUser(lab);
    expect(codesIn(report)).toEqual(expect.arrayContaining([...codes]));
    chmodSync(dirname(lab.path), 0o755);
  });
});

describe.concurrent("doctor among mounts", () => {
  itAsRoot.each([
    ["the file alone is one", "registry.json", 'mount --bind "$0" "$0"', "place.file-mount"],
    ["the directory is read-only", "", 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"', "place.read-only"],
    ["the presences are elsewhere", "registry.json.holders", 'mount -t tmpfs none "$0"', "place.split-mount"],
  ])("says so when %s [G2]", async (_what, mounted, mount, code) => {
    const lab = new Lab();
    try {
      await lab.run("run", "arm", "--", "true");
      const inside = ["--mount", "sh", "-c", `${mount} && exec "$@"`, join(dirname(lab.path), mounted)];
      expect(codesIn(parse(lab, "unshare", [...inside, process.execPath]))).toContain(code);
    } finally {
      await lab.cleanUp();
    }
  });
});

/** Whose the name is and since when; how long, every heartbeat changes. */
async function holderOfArm(lab: Lab): Promise<object> {
  const { status, holder } = (await lab.json("show", "arm")) as {
    readonly status: string;
    readonly holder: Readonly<Record<string, unknown>>;
  };
  expect(status).toBe("held");
  const { until: _until, ...rest } = holder;
  expect(rest).toMatchObject({ pid: expect.any(Number), since: expect.any(String) });
  return rest;
}

function codesIn({ checks }: Report): readonly string[] {
  return checks.flatMap(({ findings }) => findings.map(({ code }) => code));
}

/** Root may use everything: as root the command runs without that right. */
function doctorAsMereUser(lab: Lab): Report {
  const rights = "-dac_override,-dac_read_search";
  const [program, first] =
    process.getuid?.() === 0
      ? ["setpriv", [`--inh-caps=${rights}`, `--bounding-set=${rights}`, process.execPath]]
      : [process.execPath, []];
  return parse(lab, program, first);
}

function parse(lab: Lab, program: string, first: readonly string[]): Report {
  const env = { ...process.env, MADSCI_REGISTRY_PATH: lab.path };
  const { stdout, stderr } = spawnSync(program, [...first, MAIN, "doctor", "--json"], { encoding: "utf8", env });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as Report;
}
