import { describe, expect, it } from "vitest";
import { loadDriver } from "../../../src/stores/sqlite/driver.js";

describe("better-sqlite3", () => {
  it("is loaded when it is installed", () => {
    expect(loadDriver()).toBeTypeOf("function");
  });

  it("that is not installed is asked for by the command that installs it [G11]", () => {
    const missing = (): never => {
      throw Object.assign(new Error("Cannot find module 'better-sqlite3'"), { code: "MODULE_NOT_FOUND" });
    };
    const loading = (): unknown => loadDriver(missing);
    expect(loading).toThrow(expect.objectContaining({ code: "unsupported" }));
    expect(loading).toThrow("not installed beside namehold. Run: npm install better-sqlite3");
  });

  it("that has no binary for this machine says so, with what it reported [G11]", () => {
    const broken = (): never => {
      throw new Error("no prebuilt binary");
    };
    const loading = (): unknown => loadDriver(broken);
    expect(loading).toThrow(expect.objectContaining({ code: "unsupported" }));
    expect(loading).toThrow("failed to load: Error: no prebuilt binary");
  });

  it.each(["20.20.2", "22.13.9", "18.0.0"])("is not even loaded on Node %s, which it would crash [G11]", (version) => {
    let isLoaded = false;
    const load = (): unknown => {
      isLoaded = true;
      return {};
    };
    expect(() => loadDriver(load, version)).toThrow(expect.objectContaining({ code: "unsupported" }));
    expect(isLoaded).toBe(false);
  });

  it.each(["22.14.0", "24.0.0"])("is loaded on Node %s", (version) => {
    expect(loadDriver(() => "driver", version)).toBe("driver");
  });
});
