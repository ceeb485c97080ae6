import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
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
    expect(stderr).toContain(`There is no registry at ${lab.path}. Nothing was exported.`);
    expect(existsSync(join(lab.directory, "out.json"))).toBe(false);
    await lab.startWith({ MADSCI_REGISTRY_PATH: "" }, "init").ended;
    expect(await lab.json("export", "-o", "out.json")).toMatchObject({ names: 0 });
  });

  test.for<readonly [output: string, code: ErrorCode, message: string]>([
    ["", "invalid-input", "is empty"],
    [".", "invalid-input", ". is a directory"],
    [".madsci/registry.json", "invalid-input", "is the registry itself"],
    [".madsci/registry.json.lock", "invalid-input", "belongs to the registry"],
    [".madsci/registry.json.holders/last-good.json", "invalid-input", "belongs to the registry"],
    [".madsci/registry.json.holders/backups/out.json", "invalid-input", "belongs to the registry"],
    ["holders-link/out.json", "invalid-input", "belongs to the registry"],
    ["missing/out.json", "unreachable", "there is no such file or directory"],
    ["names.json/out.json", "unreachable", "a part of the path is not a directory"],
  ])("to %j fails with the reason [G11]", async ([output, code, message], { lab }) => {
    await furnish(lab);
    symlinkSync(`${lab.path}.holders`, join(lab.directory, "holders-link"));
    const files = [lab.path, `${lab.path}.lock`, `${lab.path}.holders/last-good.json`];
    const before = files.map((file) => readFileSync(file, "utf8"));
    const { status, stdout, stderr } = await lab.run("export", "--output", output);
    expect({ status, stdout }).toEqual({ status: FAILURES[code].exitStatus, stdout: "" });
    expect(stderr).toContain(message);
    expect(files.map((file) => readFileSync(file, "utf8"))).toEqual(before);
  });

  test.for(["lab.db", "lab.db-wal", "lab.db-shm", "lab.db-journal", "lab.db.holders/registry-id"])(
    "of a database to its own %s is refused [G11]",
    async (output, { lab }) => {
      await lab.run("-r", "sqlite:lab.db", "run", "arm", "--", "true");
      const before = readFileSync(join(lab.directory, "lab.db"));
      const { status, stderr } = await lab.run("-r", "sqlite:lab.db", "export", "--output", output);
      expect(status).toBe(FAILURES["invalid-input"].exitStatus);
      expect(stderr).toMatch(/is the registry itself|belongs to the registry/);
      expect(readFileSync(join(lab.directory, "lab.db"))).toEqual(before);
    },
  );

  test("of a database that is missing fails, and makes none [G11]", async ({ lab }) => {
    const { status, stdout, stderr } = await lab.run("-r", "sqlite:lab.db", "export");
    expect({ status, stdout }).toEqual({ status: FAILURES["not-found"].exitStatus, stdout: "" });
    expect(stderr).toContain("There is no registry at sqlite:");
    expect(existsSync(join(lab.directory, "lab.db"))).toBe(false);
  });

  test("has the entries alone, as its help says: not what else the file says of the registry", async ({ lab }) => {
    mkdirSync(dirname(lab.path));
    const entry = `{"id": "01JQ000000000000000000000A", "component_type": "node"}`;
    const made = "2020-01-01T00:00:00Z";
    writeFileSync(lab.path, `{"version": 1, "created_at": "${made}", "future": 1.0, "entries": {"arm": ${entry}}}`);
    const { stdout } = await lab.run("export");
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, entries: { arm: { component_type: "node" } } });
    expect(stdout).not.toMatch(/future|2020/);
    const help = (await lab.run("export", "--help")).stdout.replaceAll(/\s+/g, " ");
    expect(help).toContain(
      "Of the registry file itself (when it was made, members that namehold does not know) nothing is in it.",
    );
    expect(help).not.toContain("whole registry");
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

  test("makes a file that is as wide as its user's umask says, in whatever directory", async ({ lab }) => {
    await furnish(lab);
    const shared = join(lab.directory, "shared");
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    const env = { ...process.env, MADSCI_REGISTRY_PATH: lab.path };
    const file = join(shared, "out.json");
    spawnSync("bash", ["-c", `umask 027; "${process.execPath}" "${MAIN}" export -o "${file}"`], { env });
    expect(statSync(file).mode & 0o777).toBe(0o640);
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
