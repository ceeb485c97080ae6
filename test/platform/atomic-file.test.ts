import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { NameholdError } from "../../src/core/errors.js";
import { readFileOrAbsent, replaceFile, sweepTemporaries, syncDirectory } from "../../src/platform/atomic-file.js";
import { Puppet } from "./puppet-process.ts";
import { itAsRoot } from "./requirements.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const NOBODY = 65_534;

function fileIn(directory: string, text = "old"): string {
  const path = join(directory, "registry.json");
  writeFileSync(path, text);
  return path;
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

describe("replaceFile", () => {
  it.each([true, false])("puts a new file in place of the old one (durable: %s) [G1]", (durable) => {
    const directory = temporaryDirectory();
    const path = fileIn(directory);
    const before = statSync(path).ino;
    replaceFile(path, "né", { durable });
    expect(readFileSync(path, "utf8")).toBe("né");
    expect(statSync(path).ino).not.toBe(before);
    replaceFile(path, new Uint8Array([1, 2]), { durable });
    expect([...readFileSync(path)]).toEqual([1, 2]);
    expect(readdirSync(directory)).toEqual(["registry.json"]);
  });

  it("keeps the mode of the file that it replaces, whatever the umask", async () => {
    const path = fileIn(temporaryDirectory());
    chmodSync(path, 0o664);
    const puppet = new Puppet();
    await puppet.call("umask", 0o077);
    await puppet.call("replaceFile", path, "new");
    expect(modeOf(path)).toBe(0o664);
  });

  it("makes a new file as wide as its directory, and no wider", () => {
    const directory = temporaryDirectory(0o750);
    replaceFile(join(directory, "new.json"), "new", { durable: false });
    expect(modeOf(join(directory, "new.json"))).toBe(0o640);
  });

  itAsRoot("keeps the owner of the file that it replaces, and gives a new one to its directory's", () => {
    const directory = temporaryDirectory();
    const path = fileIn(directory);
    chownSync(path, NOBODY, 12_345);
    replaceFile(path, "new", { durable: false });
    expect([statSync(path).uid, statSync(path).gid]).toEqual([NOBODY, 12_345]);
    chownSync(directory, NOBODY, NOBODY);
    replaceFile(join(directory, "new.json"), "new", { durable: false });
    expect(statSync(join(directory, "new.json")).uid).toBe(NOBODY);
  });

  itAsRoot(
    "does not replace a file that this user may not write to, though the directory would let it [G11]",
    async () => {
      const path = fileIn(temporaryDirectory(0o777));
      const nobody = new Puppet();
      await nobody.call("becomeNobody");
      expect((await nobody.failure("replaceFile", path, "new")).code).toBe("read-only");
      chmodSync(path, 0o664);
      expect((await nobody.failure("replaceFile", path, "new")).code).toBe("read-only");
      chmodSync(path, 0o666);
      await nobody.call("replaceFile", path, "new");
      expect(readFileSync(path, "utf8")).toBe("new");
      expect(modeOf(path)).toBe(0o666);
    },
  );

  itAsRoot("does not shut the owner out of a file whose owner it cannot keep [G11]", async () => {
    const path = fileIn(temporaryDirectory());
    chownSync(path, NOBODY, NOBODY);
    const puppet = new Puppet({ inside: ["setpriv", "--inh-caps=-chown", "--bounding-set=-chown"] });
    expect(await puppet.failure("replaceFile", path, "new")).toMatchObject({
      code: "read-only",
      message: expect.stringContaining(`uid ${NOBODY}`),
    });
    expect(readFileSync(path, "utf8")).toBe("old");
  });

  it("replaces the real file of a symbolic link, and leaves the link", () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "real"));
    const real = fileIn(join(directory, "real"));
    const link = join(directory, "link.json");
    symlinkSync("real/registry.json", link);
    replaceFile(link, "new", { durable: true });
    expect(readFileSync(real, "utf8")).toBe("new");
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readdirSync(directory)).toEqual(["link.json", "real"]);
  });

  it("makes the file that a dangling link points to", () => {
    const directory = temporaryDirectory();
    symlinkSync("real.json", join(directory, "link.json"));
    replaceFile(join(directory, "link.json"), "new", { durable: false });
    expect(readFileSync(join(directory, "real.json"), "utf8")).toBe("new");
  });

  it("is aborted by its caller just before the rename, and nothing has changed [G9]", () => {
    const directory = temporaryDirectory();
    const path = fileIn(directory);
    const lost = new NameholdError("busy", "the lock file was deleted");
    const beforeRename = () => {
      expect(readdirSync(directory)).toHaveLength(2);
      throw lost;
    };
    expect(() => replaceFile(path, "new", { durable: true, beforeRename })).toThrow(lost);
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(directory)).toEqual(["registry.json"]);
  });

  it("says unreachable when the directory is missing [G11]", () => {
    const path = join(temporaryDirectory(), "missing", "registry.json");
    expect(() => replaceFile(path, "", { durable: false })).toThrow(expect.objectContaining({ code: "unreachable" }));
  });

  itAsRoot("leaves the old file whole on a full disk, and says so [G1, G11]", async () => {
    const directory = temporaryDirectory();
    const puppet = new Puppet({ inside: ["unshare", "--mount"] });
    expect(
      await puppet.call("sh", `mount -t tmpfs -o size=64k none ${directory}; printf old > ${directory}/r.json`),
    ).toBe(0);
    const failure = await puppet.failure("replaceFile", join(directory, "r.json"), "x".repeat(100_000));
    expect(failure).toMatchObject({
      code: "storage-failed",
      message: expect.stringMatching(/disk is full.*free some space/),
    });
    expect(
      await puppet.call("sh", `test "$(cat ${directory}/r.json)" = old; test "$(ls -A ${directory})" = r.json`),
    ).toBe(0);
  });

  itAsRoot("leaves the old file whole on a read-only file system [G11]", async () => {
    const directory = temporaryDirectory();
    fileIn(directory);
    const puppet = new Puppet({ inside: ["unshare", "--mount"] });
    expect(
      await puppet.call("sh", `mount --bind ${directory} ${directory}; mount -o remount,ro,bind ${directory}`),
    ).toBe(0);
    expect((await puppet.failure("replaceFile", join(directory, "registry.json"), "new")).code).toBe("read-only");
  });

  itAsRoot("refuses a file that is a bind mount, with the remedy [G2]", async () => {
    const directory = temporaryDirectory();
    const path = fileIn(directory);
    writeFileSync(join(directory, "mounted here.json"), "");
    const mounted = join(directory, "mounted here.json");
    const puppet = new Puppet({ inside: ["unshare", "--mount"] });
    expect(await puppet.call("isMountPoint", mounted)).toBe(false);
    expect(await puppet.call("sh", `mount --bind ${path} "${mounted}"`)).toBe(0);
    expect(await puppet.call("isMountPoint", mounted)).toBe(true);
    expect(await puppet.call("isMountPoint", path)).toBe(false);
    const failure = await puppet.failure("replaceFile", mounted, "new");
    expect(failure).toMatchObject({
      code: "read-only",
      message: expect.stringContaining("mount its directory instead"),
    });
    expect(readFileSync(path, "utf8")).toBe("old");
    // Now another file of that name is seen, which is no mount.
    expect(await puppet.call("sh", `mount -t tmpfs none ${directory}; touch "${mounted}"`)).toBe(0);
    expect(await puppet.call("isMountPoint", mounted)).toBe(false);
  });
});

describe("readFileOrAbsent", () => {
  it("tells a missing file from an empty one [G8]", () => {
    const directory = temporaryDirectory();
    expect(readFileOrAbsent(join(directory, "missing.json"))).toBeUndefined();
    expect(readFileOrAbsent(fileIn(directory, ""))).toHaveLength(0);
  });

  it("never says absent for what it could not look at [G8, G11]", () => {
    const directory = temporaryDirectory();
    const path = fileIn(directory);
    symlinkSync("loop", join(directory, "loop"));
    expect(() => readFileOrAbsent(join(path, "below"))).toThrow(expect.objectContaining({ code: "unreachable" }));
    expect(() => readFileOrAbsent(join(directory, "loop"))).toThrow(
      expect.objectContaining({ code: "storage-failed" }),
    );
    expect(() => readFileOrAbsent(directory)).toThrow(/not a file/);
  });

  it("does not wait at a FIFO [G12]", () => {
    const path = join(temporaryDirectory(), "fifo");
    expect(spawnSync("mkfifo", [path]).status).toBe(0);
    expect(() => readFileOrAbsent(path)).toThrow(/not a file/);
  });

  it("refuses more than 256 MiB [G12]", () => {
    const path = fileIn(temporaryDirectory());
    truncateSync(path, 256 * 2 ** 20 + 1);
    expect(() => readFileOrAbsent(path)).toThrow(/256 MiB/);
  });
});

describe("sweepTemporaries", () => {
  it("removes what a killed writer left, once it is old, and nothing else", async () => {
    const directory = temporaryDirectory();
    const path = fileIn(directory);
    writeFileSync(join(directory, ".namehold-tmp-old"), "");
    writeFileSync(join(directory, ".namehold-tmp-young"), "");
    utimesSync(join(directory, ".namehold-tmp-old"), 1_000, 1_000);
    utimesSync(path, 1_000, 1_000);
    expect(sweepTemporaries(directory, 60_000)).toBe(1);
    expect(readdirSync(directory)).toEqual([".namehold-tmp-young", "registry.json"]);
  });

  it("recognises what replaceFile makes", () => {
    const directory = temporaryDirectory();
    const beforeRename = () => {
      expect(sweepTemporaries(directory, -1_000)).toBe(1);
    };
    const replace = () => replaceFile(join(directory, "registry.json"), "new", { durable: false, beforeRename });
    expect(replace).toThrow(NameholdError);
    expect(existsSync(join(directory, "registry.json"))).toBe(false);
  });
});

describe("syncDirectory", () => {
  it("accepts a directory and names what is none [G11]", () => {
    const directory = temporaryDirectory();
    expect(() => syncDirectory(directory)).not.toThrow();
    expect(() => syncDirectory(fileIn(directory))).toThrow(expect.objectContaining({ code: "unreachable" }));
  });
});
