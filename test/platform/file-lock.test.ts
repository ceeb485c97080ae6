import {
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { FileLock } from "../../src/platform/file-lock.js";
import { acquireAsFilelock } from "./fixtures/contender.ts";
import { Puppet } from "./puppet-process.ts";
import { itAsRoot } from "./requirements.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const NOBODY = 65_534;

function registryIn(directory: string): string {
  const path = join(directory, "registry.json");
  writeFileSync(path, "0");
  return path;
}

function fileLock(registryPath: string): FileLock {
  const lock = new FileLock(registryPath);
  onTestFinished(() => lock.close());
  return lock;
}

function filelock(registryPath: string): number {
  const fd = acquireAsFilelock(`${registryPath}.lock`);
  if (fd === undefined) throw new Error("filelock did not get the lock");
  return fd;
}

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

describe("FileLock", () => {
  it("is held by one process at a time, and can be had again after its release [G2]", async () => {
    const path = registryIn(temporaryDirectory());
    const other = new Puppet();
    const ours = fileLock(path);
    expect(ours.tryAcquire()).toBe(true);
    expect(await other.call("tryAcquire", path)).toBe(false);
    ours.release();
    expect(await other.call("tryAcquire", path)).toBe(true);
    expect(ours.tryAcquire()).toBe(false);
    await other.call("release", path);
    expect(ours.tryAcquire()).toBe(true);
  });

  it("is free as soon as its holder was killed [G6]", async () => {
    const path = registryIn(temporaryDirectory());
    const other = new Puppet();
    expect(await other.call("tryAcquire", path)).toBe(true);
    await other.kill();
    expect(fileLock(path).tryAcquire()).toBe(true);
  });

  it("excludes another FileLock of the same process, and a second acquire of its own [G2]", () => {
    const path = registryIn(temporaryDirectory());
    const first = fileLock(path);
    expect(first.tryAcquire()).toBe(true);
    expect(first.tryAcquire()).toBe(false);
    expect(fileLock(path).tryAcquire()).toBe(false);
  });

  it("is never held by two at once while a filelock that deletes the file on release joins in [G2, G9]", async () => {
    const path = registryIn(temporaryDirectory());
    const rounds = 500;
    const [first, second, python] = [new Puppet(), new Puppet(), new Puppet()];
    const results = await Promise.all([
      first.call("contendWithFileLock", path, rounds),
      second.call("contendWithFileLock", path, rounds),
      python.call("contendWithFilelock321", path, rounds),
    ]);
    expect(results.map((result) => result.collisions)).toEqual([0, 0, 0]);
    expect(readFileSync(path, "utf8")).toBe(String(3 * rounds));
  });

  it("does not take a lock on a file that was deleted and made anew by another [G2]", () => {
    const path = registryIn(temporaryDirectory());
    const ours = fileLock(path);
    expect(ours.tryAcquire()).toBe(true);
    ours.release();
    unlinkSync(`${path}.lock`);
    const fd = filelock(path);
    expect(ours.tryAcquire()).toBe(false);
    closeSync(fd);
    expect(ours.tryAcquire()).toBe(true);
  });

  it("does not wait for somebody who holds a deleted lock file [G2]", () => {
    const path = registryIn(temporaryDirectory());
    const ours = fileLock(path);
    expect(ours.tryAcquire()).toBe(true);
    ours.release();
    const fd = filelock(path);
    unlinkSync(`${path}.lock`);
    expect(ours.tryAcquire()).toBe(true);
    closeSync(fd);
  });

  it("tells before the rename that its lock file was deleted under it [G9]", () => {
    const path = registryIn(temporaryDirectory());
    const ours = fileLock(path);
    expect(ours.isStillOurs()).toBe(false);
    ours.tryAcquire();
    expect(ours.isStillOurs()).toBe(true);
    unlinkSync(`${path}.lock`);
    expect(ours.isStillOurs()).toBe(false);
    expect(fileLock(path).tryAcquire()).toBe(true);
    expect(ours.isStillOurs()).toBe(false);
  });

  it("is not given up when the lock file gets a second name [G2]", () => {
    const directory = temporaryDirectory();
    const path = registryIn(directory);
    const ours = fileLock(path);
    ours.tryAcquire();
    linkSync(`${path}.lock`, join(directory, "second-name"));
    expect(ours.isStillOurs()).toBe(true);
  });

  it("neither writes to, empties nor deletes the lock file [G9]", () => {
    const path = registryIn(temporaryDirectory());
    writeFileSync(`${path}.lock`, "somebody's");
    const before = statSync(`${path}.lock`);
    const ours = fileLock(path);
    ours.tryAcquire();
    ours.release();
    ours.close();
    expect(readFileSync(`${path}.lock`, "utf8")).toBe("somebody's");
    expect(statSync(`${path}.lock`).ino).toBe(before.ino);
  });

  it("excludes those who lock the link's name and those who lock the real file's [G2]", () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "real"));
    const real = registryIn(join(directory, "real"));
    const link = join(directory, "link.json");
    symlinkSync(real, link);
    const ours = fileLock(link);
    expect(ours.tryAcquire()).toBe(true);
    expect(acquireAsFilelock(`${link}.lock`)).toBeUndefined();
    expect(acquireAsFilelock(`${real}.lock`)).toBeUndefined();
    ours.release();
    const fd = filelock(real);
    expect(ours.tryAcquire()).toBe(false);
    closeSync(filelock(link));
    closeSync(fd);
  });

  it("tells before the rename that the registry's link was pointed elsewhere [G9]", () => {
    const directory = temporaryDirectory();
    const link = join(directory, "link.json");
    symlinkSync(registryIn(directory), link);
    const ours = fileLock(link);
    ours.tryAcquire();
    unlinkSync(link);
    symlinkSync("elsewhere.json", link);
    expect(ours.isStillOurs()).toBe(false);
  });

  it("is one lock however its directory is spelled [G2]", () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "real"));
    symlinkSync("real", join(directory, "alias"));
    const ours = fileLock(join(directory, "alias", "registry.json"));
    expect(ours.tryAcquire()).toBe(true);
    expect(fileLock(join(directory, "real", "registry.json")).tryAcquire()).toBe(false);
  });

  it("says unreachable when the directory is missing [G11]", () => {
    const lock = fileLock(join(temporaryDirectory(), "missing", "registry.json"));
    expect(() => lock.tryAcquire()).toThrow(expect.objectContaining({ code: "unreachable" }));
  });

  it("refuses a symbolic link in place of the lock file [G11]", () => {
    const path = registryIn(temporaryDirectory());
    symlinkSync("/etc/hostname", `${path}.lock`);
    const lock = fileLock(path);
    expect(() => lock.tryAcquire()).toThrow(/symbolic link.*remove the link/);
  });

  it("makes a lock file as wide as the directory, whatever the umask [G9]", async () => {
    const directory = temporaryDirectory(0o775);
    const puppet = new Puppet();
    await puppet.call("umask", 0o077);
    await puppet.call("tryAcquire", join(directory, "registry.json"));
    expect(modeOf(join(directory, "registry.json.lock"))).toBe(0o664);
  });

  itAsRoot("gives a lock file that root makes to the directory's owner", () => {
    const directory = temporaryDirectory();
    chownSync(directory, NOBODY, NOBODY);
    fileLock(join(directory, "registry.json")).tryAcquire();
    const { uid, gid } = statSync(join(directory, "registry.json.lock"));
    expect([uid, gid]).toEqual([NOBODY, NOBODY]);
  });

  itAsRoot("is shared with a user who may only read the lock file [G2]", async () => {
    const path = registryIn(temporaryDirectory());
    const ours = fileLock(path);
    ours.tryAcquire();
    const nobody = new Puppet();
    await nobody.call("becomeNobody");
    expect(await nobody.call("tryAcquire", path)).toBe(false);
    ours.release();
    expect(await nobody.call("tryAcquire", path)).toBe(true);
    expect(ours.tryAcquire()).toBe(false);
  });

  itAsRoot("says read-only where no lock file can be made [G11]", async () => {
    const path = registryIn(temporaryDirectory());
    const nobody = new Puppet();
    await nobody.call("becomeNobody");
    expect((await nobody.failure("tryAcquire", path)).code).toBe("read-only");
  });

  itAsRoot("says read-only on a read-only file system [G11]", async () => {
    const directory = temporaryDirectory();
    const puppet = new Puppet({ inside: ["unshare", "--mount"] });
    expect(await puppet.call("sh", `mount -t tmpfs -o ro none ${directory}`)).toBe(0);
    expect((await puppet.failure("tryAcquire", join(directory, "registry.json"))).code).toBe("read-only");
  });
});
