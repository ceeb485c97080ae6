/** What commands say where there is no registry: mostly its path is mistyped. */
import { existsSync, mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { type Lab, test } from "./cli-process.js";

const NOT_FOUND = FAILURES["not-found"].exitStatus;

/** What reads, with its exit status. */
const READING: readonly (readonly [args: readonly string[], status: number])[] = [
  [["list"], 0],
  [["list", "--type", "node"], 0],
  [["history"], 0],
  [["clean", "--dry-run"], 0],
  [["recover"], 0],
  [["show", "arm"], NOT_FOUND],
  [["resolve", "arm"], NOT_FOUND],
  [["history", "arm"], NOT_FOUND],
  [["rename", "arm", "leg"], NOT_FOUND],
  [["revoke", "arm"], NOT_FOUND],
  [["release", "arm"], NOT_FOUND],
  [["export"], NOT_FOUND],
];

describe.concurrent("where there is no registry,", () => {
  test.for(READING)("%j says so, and makes none [G11]", async ([args, status], { lab }) => {
    for (const location of ["nodir/typo.json", "sqlite:nodir/typo.db"]) {
      const { stdout, stderr, ...ended } = await lab.run("-r", location, ...args);
      expect({ args, status: ended.status }).toEqual({ args, status });
      expect(stdout + stderr).toMatch(/There is no registry at (sqlite:)?\/\S*\/nodir\/typo\.\w+\b/);
      expect(stdout === "").toBe(status !== 0);
    }
    expect(existsSync(join(lab.directory, "nodir"))).toBe(false);
  });

  test("a link that leads nowhere is told with where it leads", async ({ lab }) => {
    symlinkSync("away/registry.json", join(lab.directory, "link.json"));
    const { stdout } = await lab.run("-r", "link.json", "list");
    const target = join(realpathSync(lab.directory), "away", "registry.json");
    expect(stdout).toContain(
      `There is no registry at ${lab.directory}/link.json: it is a symbolic link to ${target}, which is missing.`,
    );
  });

  test("the words that follow are other ones than of a registry without names, or without that name", async ({
    lab,
  }) => {
    mkdirSync(dirname(lab.path));
    await init(lab);
    expect((await lab.run("list")).stdout).toBe(`No name is registered in ${lab.path}.\n`);
    for (const args of [["show"], ["resolve"], ["rename", "leg"], ["revoke"], ["release"], ["history"]]) {
      const [command = "", ...rest] = args;
      const { status, stderr } = await lab.run(command, "arm", ...rest);
      expect(status).toBe(NOT_FOUND);
      expect(stderr).toContain(`There is no name ${/show|history/.test(command) ? "or ID " : ""}"arm" in ${lab.path}`);
    }
  });
});

async function init(lab: Lab): Promise<void> {
  await lab.startWith({ MADSCI_REGISTRY_PATH: "" }, "init").ended;
}
