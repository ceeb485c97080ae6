import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileSystemKind, isLocalFileSystem } from "../../src/platform/file-system.js";
import { mountPointOf } from "../../src/platform/linux/mounts.js";
import { itOnLinux } from "./requirements.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

describe("a file system", () => {
  itOnLinux("is local where this machine keeps its files [G6]", () => {
    const directory = temporaryDirectory();
    expect([isLocalFileSystem(directory), isLocalFileSystem("/dev/shm")]).toEqual([true, true]);
    expect(fileSystemKind("/dev/shm")).toBe("tmpfs");
  });

  itOnLinux("that nobody listed is not local, and is named by its number [G7]", () => {
    expect(isLocalFileSystem("/proc")).toBe(false);
    expect(fileSystemKind("/proc")).toBe("0x9fa0");
  });

  it("of a missing path is an error, not a guess [G11]", () => {
    const missing = join(temporaryDirectory(), "missing");
    expect(() => isLocalFileSystem(missing)).toThrow(expect.objectContaining({ code: "unreachable" }));
  });
});

describe("a line of mountinfo", () => {
  it("names its mount point, whatever characters that has", () => {
    const line = String.raw`36 35 98:0 / /mnt/a\040b\011c\134d rw,noatime shared:1 - ext4 /dev/root rw`;
    expect(mountPointOf(line)).toBe("/mnt/a b\tc\\d");
    expect(mountPointOf("")).toBeUndefined();
  });
});
