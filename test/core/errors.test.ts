import { describe, expect, it } from "vitest";
import { FAILURES, isNameholdError, NameholdError, RegistryError, RegistryLockError } from "../../src/core/errors.js";

describe("the table of failures", () => {
  const statuses = Object.values(FAILURES).map(({ exitStatus }) => exitStatus);

  it("gives each failure an exit status of its own [G11]", () => {
    expect(new Set(statuses).size).toBe(statuses.length);
  });

  it("stays between the shell's statuses and those of signals [G11]", () => {
    for (const status of statuses) {
      expect(status).toBeGreaterThanOrEqual(64);
      expect(status).toBeLessThanOrEqual(113);
    }
  });

  it("gives each failure an HTTP status of an error [G11]", () => {
    for (const { httpStatus } of Object.values(FAILURES)) {
      expect(httpStatus).toBeGreaterThanOrEqual(400);
      expect(httpStatus).toBeLessThanOrEqual(599);
    }
  });
});

describe("an error of namehold", () => {
  it("keeps its class's name, code, details and cause [G11]", () => {
    const cause = new Error("disk");
    for (const Class of [NameholdError, RegistryError, RegistryLockError]) {
      const error = new Class("busy", "it is busy", { name: "robot", cause });
      expect(error).toBeInstanceOf(NameholdError);
      expect(error).toMatchObject({ name: Class.name, code: "busy", message: "it is busy", cause });
      expect(error.details.name).toBe("robot");
    }
  });

  it("has no cause when none is given [G11]", () => {
    expect("cause" in new NameholdError("busy", "it is busy")).toBe(false);
  });

  it("is told from others, by its code where asked [G11]", () => {
    const error = new RegistryLockError("held", "it is held");
    expect(isNameholdError(error)).toBe(true);
    expect(isNameholdError(error, "lost", "held")).toBe(true);
    expect(isNameholdError(error, "lost")).toBe(false);
    for (const other of [new Error("held"), { code: "held" }, null, undefined])
      expect(isNameholdError(other, "held")).toBe(false);
  });
});
