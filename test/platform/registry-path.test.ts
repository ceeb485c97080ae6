import { mkdirSync, readdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { discoverRegistryPath } from "../../src/platform/registry-path.js";
import { temporaryDirectory } from "./temporary-directory.ts";

/** A tree `lab/a/b/…` beside a home directory. */
let root: string;

beforeEach(() => {
  root = realpathSync(temporaryDirectory());
  mkdirSync(join(root, "home"));
});

function make(...directories: string[]): void {
  for (const directory of directories) mkdirSync(join(root, directory), { recursive: true });
}

/** Relative to the root. */
function discover(cwd: string, env: Record<string, string> = {}, home = "home"): string {
  const found = discoverRegistryPath({ env, cwd: join(root, cwd), home: join(root, home) });
  return found.slice(root.length + 1);
}

describe("the registry's path", () => {
  it("is MADSCI_REGISTRY_PATH, with ~, relative to the working directory, without links", () => {
    make("lab/.madsci", "real");
    symlinkSync("real", join(root, "alias"));
    expect(discover("lab", { MADSCI_REGISTRY_PATH: join(root, "x/y.json") })).toBe("x/y.json");
    expect(discover("lab", { MADSCI_REGISTRY_PATH: "~/y.json" })).toBe("home/y.json");
    expect(discover("lab", { MADSCI_REGISTRY_PATH: "../alias/y.json" })).toBe("real/y.json");
    expect(discover("lab", { MADSCI_REGISTRY_PATH: "" })).toBe("lab/.madsci/registry.json");
  });

  it("refuses another user's home, which it cannot tell", () => {
    expect(() => discover("", { MADSCI_REGISTRY_PATH: "~bob/y.json" })).toThrow(
      expect.objectContaining({ code: "invalid-input" }),
    );
  });

  it("is in the nearest .madsci upwards, which goes before a nearer .git", () => {
    make("lab/.madsci", "lab/a/.git", "lab/a/b");
    expect(discover("lab/a/b")).toBe("lab/.madsci/registry.json");
    make("lab/a/.madsci");
    expect(discover("lab/a/b")).toBe("lab/a/.madsci/registry.json");
  });

  it("is beside the nearest .git when there is no .madsci", () => {
    make("lab/.git", "lab/a/.git", "lab/a/b");
    expect(discover("lab/a/b")).toBe("lab/a/.madsci/registry.json");
  });

  it("is in the home directory when there is neither", () => {
    make("lab/a");
    expect(discover("lab/a")).toBe("home/.madsci/registry.json");
  });

  it("is looked for from MADSCI_SETTINGS_DIR instead of the working directory", () => {
    make("lab/.madsci", "other/.madsci", "other/a");
    expect(discover("lab", { MADSCI_SETTINGS_DIR: join(root, "other/a") })).toBe("other/.madsci/registry.json");
    expect(discover("lab", { MADSCI_SETTINGS_DIR: "" })).toBe("lab/.madsci/registry.json");
  });

  it("is not looked for above the home directory", () => {
    make(".madsci", "home/a");
    expect(discover("home/a")).toBe("home/.madsci/registry.json");
    expect(discover("")).toBe(".madsci/registry.json");
  });

  it("is looked for in ten parents and no more", () => {
    const ten = "1/2/3/4/5/6/7/8/9/10";
    make("lab/.madsci", `lab/${ten}/11`);
    expect(discover(`lab/${ten}`)).toBe("lab/.madsci/registry.json");
    expect(discover(`lab/${ten}/11`)).toBe("home/.madsci/registry.json");
  });

  it("is looked for where the working directory really is", () => {
    make("lab/.madsci", "lab/a");
    symlinkSync("lab/a", join(root, "alias"));
    expect(discover("alias")).toBe("lab/.madsci/registry.json");
  });

  it("is told without creating anything", () => {
    make("lab");
    discover("lab");
    expect([readdirSync(join(root, "lab")), readdirSync(join(root, "home"))]).toEqual([[], []]);
  });
});
