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

  it.each(["sqlite:lab.db", "postgres://host/db", "https://lab", "redis://x", "C++:x"])(
    "refuses %s, which this version has no store for, by its name [G11]",
    async (location) => {
      const scheme = location.slice(0, location.indexOf(":"));
      await expect(openRegistry(location)).rejects.toMatchObject({ code: "unsupported" });
      await expect(openRegistry(location)).rejects.toThrow(`has no store for ${scheme}: locations`);
    },
  );

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
