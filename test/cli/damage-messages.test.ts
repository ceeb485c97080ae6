import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { test } from "./cli-process.js";

describe.concurrent("of damage it is said", () => {
  test("once, with the remedy, where there is no copy from which anything could go on [G8, G11]", async ({ lab }) => {
    mkdirSync(dirname(lab.path));
    writeFileSync(lab.path, '{"version": 1, "entries": {"arm": {"id": "01J');
    for (const args of [["list"], ["show", "arm"], ["history"], ["rename", "arm", "leg"]]) {
      const { status, stderr } = await lab.run(...args);
      expect({ args, status }).toEqual({ args, status: FAILURES.damaged.exitStatus });
      expect(stderr).toMatch(/^namehold: .* is no registry: .* restore a backup, or run 'namehold recover' .*\n$/);
    }
  });

  test("that known names go on where they do [G8]", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    truncateSync(lab.path, 40);
    const { status, stderr } = await lab.run("list");
    expect(status).toBe(0);
    expect(stderr).toMatch(/^namehold: The registry was damaged \(.*\)\. Known names go on; see namehold recover\.\n$/);
  });

  test("that a name is held back for a while, and no way around that which there is not [G7]", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    truncateSync(lab.path, 40);
    await lab.run("recover", "--accept");
    const { status, stderr } = await lab.run("rename", "arm", "leg");
    expect(status).toBe(FAILURES.held.exitStatus);
    expect(stderr).toMatch(/^namehold: "arm" is held back until .* Wait for it\.\n$/);
  });
});
