import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { type ErrorCode, FAILURES } from "../../src/core/errors.js";
import { FileLock } from "../../src/platform/file-lock.js";
import { openRegistry } from "../../src/registry/open-registry.js";
import { type Lab, MAIN, test } from "./cli-process.js";
import { runAsMereUser } from "./mere-user.js";

/** Longer than a pipe holds. */
const NAMES = 500;

async function furnish(lab: Lab): Promise<void> {
  const entries = Array.from({ length: NAMES }, (_, index) => [
    `arm_${index}`,
    { id: `01JQ00000000000000000${10_000 + index}`, component_type: "node", metadata: { volume: 1 } },
  ]);
  writeFileSync(join(lab.directory, "names.json"), JSON.stringify({ entries: Object.fromEntries(entries) }));
  await lab.run("import", "--force", "names.json");
}

function tear(lab: Lab): void {
  truncateSync(lab.path, 200);
}

describe.concurrent("namehold export", () => {
  test("writes the registry without locks, and import gives the same elsewhere [G1, G10]", async ({
    lab,
    otherLab,
  }) => {
    await furnish(lab);
    const run = lab.start("run", "arm_1", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const { stdout, status } = await lab.run("export");
    expect(status).toBe(0);
    expect(stdout).not.toContain("holder_pid");
    expect(await lab.json("export", "--output", "out.json")).toEqual({ output: "out.json", names: NAMES });
    const text = readFileSync(join(lab.directory, "out.json"), "utf8");
    expect(JSON.parse(text)).toMatchObject({ entries: (JSON.parse(stdout) as { readonly entries: object }).entries });
    expect(await otherLab.run("import", "--force", join(lab.directory, "out.json"))).toMatchObject({ status: 0 });
    expect(JSON.parse((await otherLab.run("export")).stdout)).toMatchObject({ entries: JSON.parse(text).entries });
  });

  test("of a damaged registry fails, and leaves the output as it was [G8, G11]", async ({ lab }) => {
    await furnish(lab);
    writeFileSync(join(lab.directory, "out.json"), "before");
    tear(lab);
    for (const output of ["-", "out.json", "new.json"]) {
      const { status, stdout, stderr } = await lab.run("export", "--output", output);
      expect({ status, stdout }).toEqual({ status: FAILURES.damaged.exitStatus, stdout: "" });
      expect(stderr).toContain("nothing was exported. See 'namehold recover'.");
    }
    expect(readFileSync(join(lab.directory, "out.json"), "utf8")).toBe("before");
    expect(existsSync(join(lab.directory, "new.json"))).toBe(false);
    await lab.run("recover", "--accept");
    expect(await lab.json("export", "-o", "out.json")).toMatchObject({ names: NAMES });
  });

  test("of a registry that is damaged and busy fails [G8, G11]", async ({ lab }) => {
    await furnish(lab);
    tear(lab);
    const lock = new FileLock(lab.path);
    expect(lock.tryAcquire()).toBe(true);
    try {
      await using registry = await openRegistry(lab.path, { fileLockTimeoutMs: 50 });
      await expect(registry.exportText()).rejects.toMatchObject({ code: "damaged" });
    } finally {
      lock.release();
      lock.close();
    }
  });

  test("of no registry fails, and of an empty one does not [G11]", async ({ lab }) => {
    const { status, stdout, stderr } = await lab.run("export", "-o", "out.json");
    expect({ status, stdout }).toEqual({ status: FAILURES["not-found"].exitStatus, stdout: "" });
    expect(stderr).toContain(`There is no registry ${lab.path}, so there is nothing to export.`);
    expect(existsSync(join(lab.directory, "out.json"))).toBe(false);
    await lab.startWith({ MADSCI_REGISTRY_PATH: "" }, "init").ended;
    expect(await lab.json("export", "-o", "out.json")).toMatchObject({ names: 0 });
  });

  test.for<readonly [output: string, code: ErrorCode, message: string]>([
    ["", "invalid-input", "is empty"],
    [".", "invalid-input", ". is a directory"],
    [".madsci/registry.json", "invalid-input", "is the registry itself"],
    ["missing/out.json", "unreachable", "there is no such file or directory"],
    ["names.json/out.json", "unreachable", "a part of the path is not a directory"],
  ])("to %j fails with the reason [G11]", async ([output, code, message], { lab }) => {
    await furnish(lab);
    const before = readFileSync(lab.path, "utf8");
    const { status, stdout, stderr } = await lab.run("export", "--output", output);
    expect({ status, stdout }).toEqual({ status: FAILURES[code].exitStatus, stdout: "" });
    expect(stderr).toContain(message);
    expect(readFileSync(lab.path, "utf8")).toBe(before);
  });

  test("to a directory that may not be written fails with the reason, and leaves nothing there [G11]", async ({
    lab,
  }) => {
    await furnish(lab);
    const directory = join(lab.directory, "read-only");
    mkdirSync(directory);
    chmodSync(directory, 0o555);
    const { status, stdout, stderr } = runAsMereUser(lab, "export", "-o", join(directory, "out.json"));
    expect({ status, stdout }).toEqual({ status: FAILURES["read-only"].exitStatus, stdout: "" });
    expect(stderr).toContain(directory);
    expect(existsSync(join(directory, "out.json"))).toBe(false);
  });

  test("replaces a file with its mode, and writes into a pipe that stays one", async ({ lab }) => {
    await furnish(lab);
    const [file, pipe] = [join(lab.directory, "out.json"), join(lab.directory, "pipe")];
    writeFileSync(file, "before");
    chmodSync(file, 0o640);
    await lab.run("export", "-o", file);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    spawnSync("mkfifo", [pipe]);
    const shell = `"${process.execPath}" "${MAIN}" export -o "${pipe}" & timeout 10 cat "${pipe}" | wc -c; wait`;
    const env = { ...process.env, MADSCI_REGISTRY_PATH: lab.path };
    const { stdout } = spawnSync("bash", ["-c", shell], { encoding: "utf8", env });
    expect(Number(stdout.split("\n").find((line) => /^\s*\d+$/.test(line)))).toBe(statSync(file).size);
    expect(lstatSync(pipe).isFIFO()).toBe(true);
  });

  test("ends quietly when its reader has seen enough, and fails on a full disk [G11]", async ({ lab }) => {
    await furnish(lab);
    const env = { ...process.env, MADSCI_REGISTRY_PATH: lab.path };
    const command = `"${process.execPath}" "${MAIN}" export`;
    const head = spawnSync("bash", ["-c", `set -o pipefail; ${command} | head -1`], { encoding: "utf8", env });
    expect(head).toMatchObject({ status: 0, stdout: "{\n", stderr: "" });
    const full = spawnSync("bash", ["-c", `${command} > /dev/full`], { encoding: "utf8", env });
    expect(full.status).toBe(FAILURES["storage-failed"].exitStatus);
  });

  test("keeps the registry's directory as it is", async ({ lab }) => {
    expect(await lab.run("export")).toMatchObject({ status: FAILURES["not-found"].exitStatus });
    expect(existsSync(dirname(lab.path))).toBe(false);
  });
});
