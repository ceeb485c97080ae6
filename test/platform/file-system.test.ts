import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileSystemKind, isLocalFileSystem } from "../../src/platform/file-system.js";
import { isMountedOn } from "../../src/platform/linux/mounts.js";
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

describe("what is mounted on a file", () => {
  const ROOT = "22 1 8:1 / / rw - ext4 /dev/root rw";
  const LAB = "36 22 0:40 / /mnt/lab rw - tmpfs none rw";
  const FILE = "37 36 8:1 /a.json /mnt/lab/a.json rw - ext4 /dev/root rw";

  it.each<readonly [string, readonly string[], boolean]>([
    ["nothing is", [ROOT, LAB], false],
    ["a file is", [ROOT, LAB, FILE], true],
    ["a file is, in whatever order the mounts are listed", [FILE, LAB, ROOT], true],
    ["a file is, and another on top of it", [ROOT, LAB, FILE, FILE.replace("37 36", "38 37")], true],
    ["a file is, which a later mount on its directory hides", [ROOT, LAB, FILE, LAB.replace("36 22", "38 36")], false],
    [
      "a file is, which a later mount further up hides",
      [ROOT, LAB, FILE, "38 22 0:41 / /mnt rw - tmpfs none rw"],
      false,
    ],
    [
      "a file is again, on top of what hides the first",
      [ROOT, FILE.replace("37 36", "37 22"), LAB, FILE.replace("37 36", "39 36")],
      true,
    ],
    ["a file is, in a changed root whose own mount is not shown", [FILE.replace("37 36", "37 22")], true],
  ])("is told: %s [G2]", (_what, lines, expected) => {
    expect(isMountedOn(`${lines.join("\n")}\n`, "/mnt/lab/a.json")).toBe(expected);
    expect(isMountedOn(`${lines.join("\n")}\n`, "/mnt/lab/b.json")).toBe(false);
  });

  it("is told whatever characters its path has", () => {
    const line = String.raw`36 22 98:0 / /mnt/a\040b\011c\134d rw,noatime shared:1 - ext4 /dev/root rw`;
    expect(isMountedOn(`${ROOT}\n${line}`, "/mnt/a b\tc\\d")).toBe(true);
  });
});
