/** What is read is what pip leaves in an environment; no Python runs. */
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, lstatSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { NameholdError } from "../../../../src/core/errors.js";
import { statsAt } from "../../../../src/platform/file-stats.js";
import { mannerOf } from "../../../../src/stores/json-file/doctor/filelock-versions.js";
import { LabFiles, temporaryDirectory } from "../lab-files.js";
import { examined, labWith } from "./doctor-lab.js";

vi.mock(import("../../../../src/platform/file-stats.js"), async (original) => {
  const real = await original();
  return { ...real, statsAt: vi.fn(real.statsAt) };
});

describe("filelock", () => {
  it.each([
    ["3.12.0", "blind"],
    ["3.20.3", "blind"],
    ["3.20.4", "deleting"],
    ["3.25.0", "deleting"],
    ["3.29.4", "deleting"],
    ["3.29.5", "sound"],
    ["4.2.12", "sound"],
    ["4.0", "sound"],
    ["unknown", undefined],
  ])("%s is %s with its lock file", (version, manner) => {
    expect(mannerOf(version)).toBe(manner);
  });
});

describe("doctor on Python's environments", () => {
  // Else those of whoever runs the tests would be found too.
  beforeEach(() => {
    for (const variable of ["PATH", "VIRTUAL_ENV", "CONDA_PREFIX"]) vi.stubEnv(variable, "");
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.mocked(statsAt).mockReset();
  });

  it("in the lab names those whose filelock versions break each other, and what to install", async () => {
    const lab = await madsciLab();
    const [old, pinned] = [join(lab.root, "nodes", "arm", ".venv"), join(lab.root, "venv")];
    environment(old, { filelock: "3.12.0", madsci: "0.7.1" });
    environment(pinned, { filelock: "3.25.0", madsci: "0.8.1" });
    const report = await examined(lab);
    expect(report.codes).toEqual(["python.filelock-conflict"]);
    const { severity, what, remedy } = report.finding("python.filelock-conflict");
    expect(severity).toBe("problem");
    expect(what).toBe(
      `filelock 3.25.0 (${pinned}) deletes the lock file when it lets go, and filelock 3.12.0 (${old}) does not notice that.`,
    );
    expect(remedy).toContain(`${old}/bin/python -m pip install 'filelock>=3.29.5'`);
  });

  it.each([
    ["of one manner", ["3.25.0", "3.21.0"]],
    ["that keep the file", ["3.12.0", "4.2.12"]],
    ["that notice", ["3.25.0", "4.2.12"]],
  ])("finds nothing where all are %s", async (_manner, versions) => {
    const lab = await madsciLab();
    for (const filelock of versions) environment(join(lab.root, `venv-${filelock}`), { filelock, madsci: "0.8.1" });
    const report = await examined(lab);
    expect(report.codes).toEqual([]);
    for (const filelock of versions) expect(report.looked("python")).toContain(`${filelock} in ${lab.root}`);
  });

  it("passes over environments without MADSci, which do not use the registry", async () => {
    const lab = await madsciLab();
    environment(join(lab.root, "tools"), { filelock: "3.12.0" });
    environment(join(lab.root, "venv"), { filelock: "3.25.0", madsci: "0.8.1" });
    expect((await examined(lab)).codes).toEqual([]);
  });

  it("warns of a MADSci without any filelock", async () => {
    const lab = await madsciLab();
    environment(join(lab.root, "venv"), { madsci: "0.7.1" });
    expect((await examined(lab)).codes).toEqual(["python.filelock-missing"]);
  });

  it("of the shell that it runs in and of its python3 are found too, wherever they are", async () => {
    const lab = await madsciLab();
    const [active, onPath] = [join(temporaryDirectory(), "active"), join(temporaryDirectory(), "path")];
    environment(active, { filelock: "3.12.0", madsci: "0.8.1" });
    environment(onPath, { filelock: "3.25.0", madsci: "0.8.1" });
    vi.stubEnv("VIRTUAL_ENV", active);
    expect((await examined(lab)).codes).toEqual([]);
    vi.stubEnv("PATH", join(onPath, "bin"));
    expect((await examined(lab)).codes).toEqual(["python.filelock-conflict"]);
  });

  it("passes over a directory of PATH that this user may not read", async () => {
    const lab = await madsciLab();
    const venv = join(temporaryDirectory(), "venv");
    environment(venv, { filelock: "3.25.0", madsci: "0.8.1" });
    vi.stubEnv("PATH", ["/hidden", join(venv, "bin")].join(delimiter));
    vi.mocked(statsAt).mockImplementation((path) => {
      if (path.startsWith("/hidden")) throw new NameholdError("read-only", `Cannot look at ${path}`);
      return lstatSync(path, { throwIfNoEntry: false });
    });
    const report = await examined(lab);
    expect([report.codes, report.looked("python")]).toEqual([[], `3.25.0 in ${venv}`]);
  });

  it("does not wait at a FIFO where an environment would have its settings [G12]", async () => {
    const lab = await madsciLab();
    mkdirSync(join(lab.root, "venv"));
    spawnSync("mkfifo", [join(lab.root, "venv", "pyvenv.cfg")]);
    expect((await examined(lab)).codes).toEqual([]);
  });

  it("finds one in the lab that is a symbolic link", async () => {
    const lab = await madsciLab();
    const venv = join(temporaryDirectory(), "shared");
    environment(venv, { filelock: "3.25.0", madsci: "0.8.1" });
    symlinkSync(venv, join(lab.root, ".venv"));
    symlinkSync("/nowhere", join(lab.root, "dangling"));
    expect((await examined(lab)).looked("python")).toBe(`3.25.0 in ${venv}`);
  });

  it("looks into the system's packages for an environment that sees them", async () => {
    const lab = await madsciLab();
    const base = temporaryDirectory();
    packages(base, { filelock: "3.12.0" });
    const venv = join(lab.root, "venv");
    environment(venv, { madsci: "0.8.1" }, `home = ${base}/bin\ninclude-system-site-packages = true\n`);
    expect((await examined(lab)).looked("python")).toBe(`3.12.0 in ${venv}`);
  });

  it("that a running process of the lab uses are found by the process", async () => {
    const lab = await madsciLab();
    const venv = join(temporaryDirectory(), "elsewhere");
    environment(venv, { filelock: "3.25.0" });
    const child = spawn(join(venv, "bin", "python3"), ["60"], { cwd: lab.root, stdio: "ignore" });
    await new Promise((resolve) => child.once("spawn", resolve));
    onTestFinished(() => {
      child.kill("SIGKILL");
    });
    expect((await examined(lab)).looked("python")).toBe(`3.25.0 in ${venv}, in use by PID ${child.pid}`);
  });
});

class MadsciLab extends LabFiles {
  readonly root = dirname(this.directory);
}

/** A lab's directory, with the registry in its `.madsci`. */
async function madsciLab(): Promise<MadsciLab> {
  const directory = join(realpathSync(temporaryDirectory()), ".madsci");
  mkdirSync(directory);
  const lab = new MadsciLab(directory);
  await labWith(["a"], lab);
  return lab;
}

interface Installed {
  readonly filelock?: string;
  readonly madsci?: string;
}

/** A virtual environment. Its `python3` is a program that sleeps. */
function environment(root: string, installed: Installed, settings = "home = /usr/bin\n"): void {
  packages(root, installed);
  mkdirSync(join(root, "bin"), { recursive: true });
  writeFileSync(join(root, "pyvenv.cfg"), settings);
  const program = join(root, "bin", "python3.11");
  copyFileSync(realpathSync("/bin/sleep"), program);
  symlinkSync(program, join(root, "bin", "python3"));
}

function packages(root: string, { filelock, madsci }: Installed): void {
  const site = join(root, "lib", "python3.11", "site-packages");
  mkdirSync(site, { recursive: true });
  const install = (name: string, version: string): void => {
    const directory = join(site, `${name}-${version}.dist-info`);
    mkdirSync(directory);
    writeFileSync(join(directory, "METADATA"), `Metadata-Version: 2.5\nName: ${name}\nVersion: ${version}\n`);
  };
  if (filelock !== undefined) install("filelock", filelock);
  if (madsci !== undefined) install("madsci_common", madsci);
}
