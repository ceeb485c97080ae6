import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Lab } from "./lab.js";
import { MADSCI_VERSIONS } from "./python.js";

interface Layout {
  readonly title: string;
  /** Made below the test's directory, which is also the working directory unless `cwd` is given. */
  readonly directories: readonly string[];
  readonly cwd?: string;
  readonly env?: (directory: string) => Readonly<Record<string, string>>;
  readonly found: string;
}

const LAYOUTS: readonly Layout[] = [
  {
    title: "a .madsci above the working directory",
    directories: ["lab/.madsci", "lab/a/b"],
    cwd: "lab/a/b",
    found: "lab/.madsci",
  },
  {
    title: "the nearest .madsci",
    directories: ["lab/.madsci", "lab/a/.madsci", "lab/a/b"],
    cwd: "lab/a/b",
    found: "lab/a/.madsci",
  },
  { title: "a .madsci above a .git", directories: ["lab/.madsci", "lab/a/.git"], cwd: "lab/a", found: "lab/.madsci" },
  {
    title: "beside the first .git",
    directories: ["lab/.git", "lab/a/.git", "lab/a/b"],
    cwd: "lab/a/b",
    found: "lab/a/.madsci",
  },
  { title: "the home directory at last", directories: ["home", "elsewhere"], cwd: "elsewhere", found: "home/.madsci" },
  {
    title: "nothing above the home directory",
    directories: [".madsci", "home/a"],
    cwd: "home/a",
    found: "home/.madsci",
  },
  {
    title: "from MADSCI_SETTINGS_DIR",
    directories: ["lab/.madsci", "lab/settings", "elsewhere/.madsci"],
    cwd: "elsewhere",
    env: (directory) => ({ MADSCI_SETTINGS_DIR: join(directory, "lab/settings") }),
    found: "lab/.madsci",
  },
  {
    title: "by MADSCI_REGISTRY_PATH, relative",
    directories: ["lab/.madsci", "other"],
    cwd: "lab",
    env: () => ({ MADSCI_REGISTRY_PATH: "../other/registry.json" }),
    found: "other",
  },
  {
    title: "by MADSCI_REGISTRY_PATH, with ~",
    directories: ["home", "lab/.madsci"],
    cwd: "lab",
    env: () => ({ MADSCI_REGISTRY_PATH: "~/registry.json" }),
    found: "home",
  },
];

describe.each(MADSCI_VERSIONS)("madsci-common %s and we find the same registry", (madsci) => {
  test.each(LAYOUTS)("$title", async ({ directories, cwd = ".", env, found }) => {
    await using lab = new Lab();
    for (const directory of directories) mkdirSync(join(lab.directory, directory), { recursive: true });
    const place = {
      path: null,
      cwd: join(lab.directory, cwd),
      env: {
        HOME: join(lab.directory, "home"),
        MADSCI_SETTINGS_DIR: undefined,
        MADSCI_REGISTRY_PATH: undefined,
        ...env?.(lab.directory),
      },
    };
    const [ours, python] = [await lab.namehold(place), await lab.python({ ...place, madsci })];
    expect([ours.path, python.path]).toEqual(Array(2).fill(join(lab.directory, found, "registry.json")));
  });
});

test("through a symbolic link to the working directory, we exclude a Python that came by the real path [G2]", async () => {
  await using lab = new Lab();
  mkdirSync(join(lab.directory, "real/.madsci"), { recursive: true });
  symlinkSync(join(lab.directory, "real"), join(lab.directory, "link"));
  const env = { MADSCI_SETTINGS_DIR: undefined, MADSCI_REGISTRY_PATH: undefined };
  const [ours, python] = await Promise.all([
    lab.namehold({ path: join(lab.directory, "link/.madsci/registry.json") }),
    lab.python({ path: null, cwd: join(lab.directory, "link"), env }),
  ]);
  await ours.claim("arm_1");
  await expect(python.resolve("arm_1")).rejects.toMatchObject({ type: "RegistryLockError" });
});
