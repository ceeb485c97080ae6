import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { Finding } from "../../../src/core/finding.js";
import { host } from "../../../src/platform/host.js";
import type { LabSurroundings } from "../../../src/registry/doctor/lab-files.js";
import { otherRegistriesCheck } from "../../../src/registry/doctor/other-registries-check.js";
import { platformCheck } from "../../../src/registry/doctor/platform-check.js";
import { settingsCheck } from "../../../src/registry/doctor/settings-check.js";
import { temporaryDirectory } from "../temporary-directory.js";

const [ID, OTHER] = ["01JYFH2Q4N6Z0V5X1T8R3C7W9K", "01JYFH2Q4N6Z0V5X1T8R3C7W9M"];

let lab: string;
let home: string;

beforeEach(() => {
  const root = realpathSync(temporaryDirectory());
  [lab, home] = [join(root, "lab"), join(root, "home")];
  mkdirSync(home);
  write(join(lab, ".madsci", "registry.json"), registryOf({ arm: ID }));
});

describe("doctor on settings", () => {
  it("that agree finds nothing", async () => {
    write(join(lab, "settings.yaml"), "node_registry_lock_timeout: 60\nregistry_lock_timeout: 90.5\n");
    expect(await settings()).toEqual([]);
    expect(await settings({ env: { MADSCI_REGISTRY_PATH: registryIn(lab) }, cwd: home })).toEqual([]);
  });

  it.each([
    [
      "settings.yaml",
      "a: 1\nregistry_lock_timeout: 20 # s\n",
      "registry_lock_timeout is 20 s in LAB/settings.yaml, line 2",
      "registry_lock_timeout: 60",
    ],
    [
      "nodes/arm/node.settings.toml",
      "registry_lock_timeout = 59.5",
      "59.5 s in LAB/nodes/arm/node.settings.toml, line 1",
      "registry_lock_timeout = 60",
    ],
    [
      "managers/events.settings.json",
      '{"x": 1, "event_registry_lock_timeout": 5}',
      "event_registry_lock_timeout is 5 s",
      '"event_registry_lock_timeout": 60',
    ],
    [
      ".env",
      "A=1\nexport NODE_REGISTRY_LOCK_TIMEOUT='30'\n",
      "NODE_REGISTRY_LOCK_TIMEOUT is 30 s in LAB/.env, line 2",
      "NODE_REGISTRY_LOCK_TIMEOUT=60",
    ],
    [
      "node.env",
      "NODE_REGISTRY_LOCK_TIMEOUT=0",
      "NODE_REGISTRY_LOCK_TIMEOUT is 0 s in LAB/node.env, line 1",
      "NODE_REGISTRY_LOCK_TIMEOUT=60",
    ],
  ])(
    "with a registry lock timeout below twice the TTL names the place, and how to correct it there: %s",
    async (file, text, what, remedy) => {
      write(join(lab, file), text);
      const found = await settings();
      expect(found).toMatchObject([{ code: "settings.lock-timeout-short", severity: "warning" }]);
      expect(found[0]?.what).toContain(what.replace("LAB", lab));
      expect(found[0]?.what).toContain("locks live up to 30 s");
      expect(found[0]?.remedy).toBe(`Set it to twice the TTL or more: ${remedy}`);
    },
  );

  it("of the environment count as well", async () => {
    expect(await settings({ env: { WORKCELL_REGISTRY_LOCK_TIMEOUT: "10" } })).toMatchObject([
      {
        code: "settings.lock-timeout-short",
        what: "WORKCELL_REGISTRY_LOCK_TIMEOUT is 10 s in the environment; locks live up to 30 s.",
        remedy: "Set it to twice the TTL or more: export WORKCELL_REGISTRY_LOCK_TIMEOUT=60",
      },
    ]);
  });

  it("are measured by the longest TTL in the registry", async () => {
    const lock = { heartbeat_at: "2026-01-05T08:00:00Z", expires_at: "2026-01-05T08:05:00Z" };
    write(
      registryIn(lab),
      registryOf({ arm: ID }, { holder_pid: 1, holder_host: "h", acquired_at: lock.heartbeat_at, ...lock }),
    );
    write(join(lab, "settings.yaml"), "registry_lock_timeout: 60");
    expect((await settings())[0]?.what).toContain("locks live up to 300 s");
  });

  it("that are commented out, of other files, or far below the lab do not count", async () => {
    write(join(lab, "settings.yaml"), "# registry_lock_timeout: 20\n");
    write(join(lab, "notes.yaml"), "registry_lock_timeout: 20\n");
    write(join(lab, "a/b/c/d/e/settings.yaml"), "registry_lock_timeout: 20\n");
    expect(await settings()).toEqual([]);
  });

  it("that switch the registry off are noted", async () => {
    write(join(lab, "settings.toml"), "enable_registry_resolution = false");
    expect(await settings()).toMatchObject([{ code: "settings.resolution-off", severity: "note" }]);
    write(join(lab, "settings.toml"), "enable_registry_resolution = true");
    expect(await settings()).toEqual([]);
  });

  it("that name the registry by a relative path name another one in each directory", async () => {
    expect(await settings({ env: { MADSCI_REGISTRY_PATH: ".madsci/registry.json" } })).toMatchObject([
      { code: "settings.relative-path", severity: "warning" },
    ]);
  });

  it("by which a component started here would use another registry are told", async () => {
    const other = join(home, "other.json");
    expect(await settings({ env: { MADSCI_REGISTRY_PATH: other } })).toMatchObject([
      {
        code: "settings.elsewhere",
        severity: "note",
        what: expect.stringContaining(`uses ${other} (MADSCI_REGISTRY_PATH)`),
      },
    ]);
    expect(await settings({ cwd: home })).toMatchObject([{ code: "settings.elsewhere" }]);
  });

  it("without which a component would find another registry are told, where that one exists", async () => {
    const surroundings = { env: { MADSCI_REGISTRY_PATH: registryIn(lab) }, cwd: home };
    write(registryIn(home), registryOf({}));
    expect(await settings(surroundings)).toMatchObject([
      { code: "settings.variable-needed", severity: "warning", what: expect.stringContaining(registryIn(home)) },
    ]);
  });
});

describe("doctor on other registries", () => {
  it("finds none where there is none", async () => {
    expect(await others()).toEqual([]);
  });

  it.each([
    ["at home", () => home],
    ["in a directory of the lab's, which its components find first", () => join(lab, "nodes", "arm")],
    ["above the working directory", () => dirname(lab)],
  ])("%s compares the names", async (_where, place) => {
    const path = registryIn(place());
    for (const [entries, code] of [
      [{ pump: ID }, "registries.other"],
      [{ arm: ID }, "registries.same-names"],
      [{ arm: OTHER, pump: ID }, "registries.split-identity"],
    ] as const) {
      write(path, registryOf(entries));
      const found = await others();
      expect(found).toMatchObject([{ code, what: expect.stringContaining(path) }]);
      expect(found[0]?.what.includes('"arm"')).toBe("arm" in entries);
    }
  });

  it("passes over a home that this user may not look into, and over links in a circle", async () => {
    symlinkSync(join(home, ".madsci"), join(home, ".madsci"));
    expect(await others()).toEqual([]);
  });

  it("that cannot be read is there all the same", async () => {
    write(registryIn(home), "{");
    expect(await others()).toMatchObject([{ code: "registries.other" }]);
  });
});

it("doctor says on which machine it runs", async () => {
  const { looked, findings } = await platformCheck.examine(undefined);
  expect(looked).toBe(`${host().name} (${process.arch}), Node.js ${process.version}`);
  expect(findings).toEqual([]);
});

function surroundingsWith(changes: Partial<LabSurroundings>): LabSurroundings {
  return { env: {}, cwd: lab, home, registryPath: registryIn(lab), ...changes };
}

async function settings(changes: Partial<LabSurroundings> = {}): Promise<readonly Omit<Finding, "fixed">[]> {
  return (await settingsCheck.examine(surroundingsWith(changes))).findings;
}

async function others(): Promise<readonly Omit<Finding, "fixed">[]> {
  return (await otherRegistriesCheck.examine(surroundingsWith({}))).findings;
}

function registryIn(directory: string): string {
  return join(directory, ".madsci", "registry.json");
}

function registryOf(ids: Readonly<Record<string, string>>, lock: object | null = null): string {
  const entries = Object.entries(ids).map(([name, id]) => [name, { id, component_type: "node", lock }] as const);
  return JSON.stringify({ version: 1, entries: Object.fromEntries(entries) });
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
