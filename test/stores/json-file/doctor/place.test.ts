import { beforeEach, describe, expect, it, vi } from "vitest";
import { freeSpaceAt } from "../../../../src/platform/file-stats.js";
import { fileSystemKind, isLocalFileSystem } from "../../../../src/platform/file-system.js";
import { examined, labWith } from "./doctor-lab.js";

vi.mock(import("../../../../src/platform/file-system.js"), async (original) => {
  const real = await original();
  return { ...real, isLocalFileSystem: vi.fn(real.isLocalFileSystem), fileSystemKind: vi.fn(real.fileSystemKind) };
});
vi.mock(import("../../../../src/platform/file-stats.js"), async (original) => {
  const real = await original();
  return { ...real, freeSpaceAt: vi.fn(real.freeSpaceAt) };
});

const MIB = 2 ** 20;

describe("doctor on the place of a registry", () => {
  beforeEach(() => {
    vi.mocked(isLocalFileSystem).mockReset();
    vi.mocked(fileSystemKind).mockReset();
    vi.mocked(freeSpaceAt).mockReset();
  });

  it.each([
    ["nfs", "local_lock"],
    ["cifs", "nobrl"],
    ["fuse", "sshfs"],
    ["vfat", "owners"],
    ["0x12345678", "is not known"],
  ])("on %s says what is lost there: proofs of death, and %s [G6]", async (kind, lost) => {
    const lab = await labWith(["a"]);
    vi.mocked(isLocalFileSystem).mockReturnValue(false);
    vi.mocked(fileSystemKind).mockReturnValue(kind);
    const report = await examined(lab);
    expect(report.codes).toContain("place.not-local");
    const { severity, what, means } = report.finding("place.not-local");
    expect(severity).toBe("warning");
    expect(what).toContain(`${lab.directory} is on ${kind}`);
    expect(means).toContain(lost);
    expect(means).toContain("after its TTL");
  });

  it("on an overlay notes that a container's layer does not last", async () => {
    const lab = await labWith(["a"]);
    vi.mocked(fileSystemKind).mockReturnValue("overlay");
    expect((await examined(lab)).finding("place.overlay").severity).toBe("note");
  });

  it.each([
    ["place.full", "problem", { bytes: MIB / 2, files: 10_000 }],
    ["place.full", "problem", { bytes: 1_000 * MIB, files: 3 }],
    ["place.tight", "warning", { bytes: 20 * MIB, files: 10_000 }],
  ])("that has no space left is told: %s, a %s", async (code, severity, space) => {
    const lab = await labWith(["a"]);
    vi.mocked(freeSpaceAt).mockReturnValue(space);
    const report = await examined(lab);
    expect(report.codes).toEqual([code]);
    expect(report.finding(code).severity).toBe(severity);
  });

  it("that has space, and does not count files, is fine", async () => {
    const lab = await labWith(["a"]);
    vi.mocked(freeSpaceAt).mockReturnValue({ bytes: 1_000 * MIB, files: Number.POSITIVE_INFINITY });
    expect((await examined(lab)).codes).toEqual([]);
  });
});
