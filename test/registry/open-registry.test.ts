import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type OpenRegistryOptions, openRegistry } from "../../src/registry/open-registry.js";
import { temporaryDirectory } from "./temporary-directory.js";

describe("openRegistry", () => {
  it("takes a path, a file: URL, and a path after file:", async () => {
    const path = join(temporaryDirectory(), "with space", "registry.json");
    for (const location of [path, pathToFileURL(path).href, `file:${path}`]) {
      await using registry = await openRegistry(location);
      expect(registry.location).toBe(path);
    }
  });

  it("finds the lab's own registry when told none", async () => {
    const path = join(temporaryDirectory(), "registry.json");
    vi.stubEnv("MADSCI_REGISTRY_PATH", path);
    onTestFinished(() => void vi.unstubAllEnvs());
    await using registry = await openRegistry();
    expect(registry.location).toBe(path);
  });

  it.each(["https://lab", "redis://x", "C++:x"])(
    "refuses %s, which this version has no store for, by its name [G11]",
    async (location) => {
      const scheme = location.slice(0, location.indexOf(":")).toLowerCase();
      await expect(openRegistry(location)).rejects.toMatchObject({ code: "unsupported" });
      await expect(openRegistry(location)).rejects.toThrow(`behind ${scheme}: locations`);
    },
  );

  it.each([
    ["postgres://mike:s3cret@host.example:5433/lab", "postgres://host.example:5433/lab"],
    ["PostgreSQL://host/lab?password=s3cret", "postgres://host/lab"],
    ["etcd://mike:s3cret@one.example,two.example:2380/lab/", "etcd://one.example:2379,two.example:2380/lab/"],
  ])("opens %s without asking a server yet, and shows no secret", async (location, shown) => {
    await using registry = await openRegistry(location);
    expect(registry.location).toBe(shown);
  });

  it("takes sqlite: with a path, or an absolute one as a URL, and opens a database there", async () => {
    const path = join(temporaryDirectory(), "with space", "lab.db");
    for (const location of [
      `sqlite:${path}`,
      `SQLite:${path}?durability=full`,
      `sqlite://${path.replace(" ", "%20")}`,
    ]) {
      await using registry = await openRegistry(location);
      expect(registry.location).toBe(`sqlite:${path}`);
      await registry.resolve("robot", { type: "node" });
    }
    await using registry = await openRegistry(`sqlite:${path}`);
    expect(await registry.lookup("robot")).not.toBeNull();
  });

  it("takes ~ in sqlite:~/… for the home directory", async () => {
    await using registry = await openRegistry("sqlite:~/never made/lab.db");
    expect(registry.location).toBe(`sqlite:${join(homedir(), "never made", "lab.db")}`);
  });

  it.each([
    "sqlite:",
    "sqlite:?durability=full",
    "sqlite://host/lab.db",
    "sqlite:///lab%zz.db",
    "sqlite:lab.db?durability=some",
    "sqlite:lab.db?mode=ro",
    "sqlite:lab.db ",
  ])("refuses %j and says why [G11]", async (location) => {
    const lookup = async (): Promise<void> => {
      await using registry = await openRegistry(location);
      await registry.lookup("robot");
    };
    await expect(lookup()).rejects.toMatchObject({ code: "invalid-input" });
  });

  it.each(["file://%", "file:///%zz"])("refuses %s as no URL [G11]", async (location) => {
    await expect(openRegistry(location)).rejects.toMatchObject({ code: "invalid-input" });
  });

  it("passes its options on, and refuses nonsense before it touches anything [G12]", async () => {
    const path = join(temporaryDirectory(), "registry.json");
    const options = { instanceId: "me", lockTtlMs: 900, heartbeatIntervalMs: 300, fileLockTimeoutMs: 50 };
    await using registry = await openRegistry(path, options);
    expect(registry.lockManager).toMatchObject({ instanceId: "me", lockTtlMs: 900, heartbeatIntervalMs: 300 });
    const nonsense: readonly OpenRegistryOptions[] = [
      { lockTtlMs: 0 },
      { heartbeatIntervalMs: -1 },
      { instanceId: "" },
      ...[0, -1, Number.NaN, Number.POSITIVE_INFINITY].map((fileLockTimeoutMs) => ({ fileLockTimeoutMs })),
    ];
    for (const one of nonsense) {
      await expect(openRegistry(path, one), JSON.stringify(one)).rejects.toMatchObject({ code: "invalid-input" });
    }
  });
});
