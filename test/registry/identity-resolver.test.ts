import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { IdentityResolver } from "../../src/registry/identity-resolver.js";
import { LocalRegistryManager } from "../../src/registry/local-registry-manager.js";
import { temporaryDirectory } from "./temporary-directory.js";

interface Lab {
  readonly registryPath: string;
  /** A resolver as another process would have it, closed with the test. */
  resolver(): IdentityResolver;
  isLocked(name: string): boolean;
}

function setUp(): Lab {
  const registryPath = join(temporaryDirectory(), "registry.json");
  return {
    registryPath,
    resolver: () => {
      const localRegistry = new LocalRegistryManager({ registryPath });
      onTestFinished(() => localRegistry.close());
      return new IdentityResolver({ localRegistry });
    },
    isLocked: (name) => JSON.parse(readFileSync(registryPath, "utf8")).entries[name].lock !== null,
  };
}

describe("an identity resolver", () => {
  it("gives a component its permanent ID and holds its name until it is released [G1, G2]", async () => {
    const lab = setUp();
    const [a, b] = [lab.resolver(), lab.resolver()];
    const id = await a.resolve("robot", "node", { metadata: { module_name: "liquidhandler" } });
    expect(lab.isLocked("robot")).toBe(true);
    await expect(b.resolve("robot", "node")).rejects.toMatchObject({ code: "held", name: "RegistryLockError" });
    expect(await b.lookup("robot")).toBe(id);
    expect(await b.lookup("unknown")).toBeNull();
    await a.release("robot");
    expect(lab.isLocked("robot")).toBe(false);
    expect(await b.resolve("robot", "node")).toBe(id);
    expect((await b.localRegistry.getEntry("robot"))?.metadata).toEqual({ module_name: "liquidhandler" });
  });

  it("tells with the ID whether it is new, and where it came from", async () => {
    const lab = setUp();
    const [a, b] = [lab.resolver(), lab.resolver()];
    const first = await a.resolveWithInfo("robot", "module");
    const { id } = first;
    expect(first).toEqual({ name: "robot", id, componentType: "module", isNew: true, source: "local" });
    expect(await a.resolveWithInfo("robot", "module")).toEqual({ ...first, isNew: false });
    await a.release("robot");
    expect(await b.resolveWithInfo("robot", "module")).toEqual({ ...first, isNew: false });
  });

  it("resolves again what it holds, and refuses another type", async () => {
    const resolver = setUp().resolver();
    const id = await resolver.resolve("robot", "node");
    expect(await resolver.resolve("robot", "node")).toBe(id);
    await expect(resolver.resolve("robot", "manager")).rejects.toMatchObject({ code: "type-mismatch" });
  });

  it("waits for a held name as long as asked, woken and not polling", async () => {
    const lab = setUp();
    const [a, b] = [lab.resolver(), lab.resolver()];
    const id = await a.resolve("robot", "node");
    const resolving = b.resolveWithInfo("robot", "node", { retryTimeoutMs: 10_000 });
    await vi.waitFor(async () => expect((await a.localRegistry.registry.entry("robot"))?.waiters).toHaveLength(1));
    const releasedAt = performance.now();
    await a.release("robot");
    expect(await resolving).toMatchObject({ id, isNew: false });
    expect(performance.now() - releasedAt).toBeLessThan(1_500);
    await expect(a.resolve("robot", "node", { retryTimeoutMs: 20 })).rejects.toMatchObject({ code: "wait-timeout" });
  });

  it("releases all that it holds, and at the end of its block", async () => {
    const lab = setUp();
    const a = lab.resolver();
    for (const name of ["robot", "arm"]) await a.resolve(name, "node");
    await a.releaseAll();
    expect(["robot", "arm"].map((name) => lab.isLocked(name))).toEqual([false, false]);
    {
      await using resolver = lab.resolver();
      await resolver.resolve("robot", "node");
      expect(lab.isLocked("robot")).toBe(true);
    }
    expect(lab.isLocked("robot")).toBe(false);
  });

  it("uses the lab's own registry when given none", async () => {
    const { registryPath } = setUp();
    vi.stubEnv("MADSCI_REGISTRY_PATH", registryPath);
    onTestFinished(() => void vi.unstubAllEnvs());
    await using resolver = new IdentityResolver();
    expect(resolver.localRegistry.registryPath).toBe(registryPath);
  });
});
