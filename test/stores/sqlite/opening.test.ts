import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import BetterSqlite3 from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { itAsRoot } from "../../platform/requirements.js";
import { temporaryDirectory } from "../json-file/lab-files.js";
import { NodeProcess } from "../json-file/processes/node-process.js";
import { ShiftedClock } from "../json-file/shifted-clock.js";
import { creation, done, grant, LONG, NODE, newHolder, SqliteLab } from "./sqlite-lab.js";

describe("a registry in an SQLite database", () => {
  it("is not made by a look, and with all its directories when the first name is [G1]", async () => {
    const lab = new SqliteLab(join(temporaryDirectory(), "new", "lab"));
    const registry = await lab.open();
    expect(await registry.lookup("robot")).toBeNull();
    expect(await Array.fromAsync(registry.list())).toEqual([]);
    expect(await Array.fromAsync(registry.store.history({}))).toEqual([]);
    expect(existsSync(lab.directory)).toBe(false);
    const id = await registry.resolve("robot", NODE);
    expect(await (await lab.open()).lookup("robot")).toBe(id);
  });

  it("has a log beside it, its own layout version and application id, and tables that take nothing of a wrong type", async () => {
    const lab = new SqliteLab();
    await (await lab.open()).resolve("robot", NODE);
    const db = lab.database();
    expect(db.pragma("journal_mode", { simple: true })).toBe("wal");
    expect(db.pragma("user_version", { simple: true })).toBe(1);
    expect(db.pragma("application_id", { simple: true })).toBe(Buffer.from("nmhd").readInt32BE());
    const loose = db.prepare(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
    );
    expect(loose.all()).toEqual([]);
  });

  it("has its directory's owner and no wider mode than it has, its log and what is beside it too [G1]", async () => {
    const lab = new SqliteLab(temporaryDirectory(0o750));
    const registry = await lab.open();
    await registry.claim("robot", NODE);
    for (const file of ["lab.db", "lab.db-wal", "lab.db-shm", "lab.db.holders/gate", "lab.db.holders/registry-id"])
      expect([file, (statSync(join(lab.directory, file)).mode & 0o777).toString(8)]).toEqual([file, "640"]);
    expect((statSync(lab.holders).mode & 0o777).toString(8)).toBe("750");
  });

  it("is made once by many processes that start at the same moment, with one ID for a name [G1, G2]", async () => {
    const lab = new SqliteLab(join(temporaryDirectory(), "lab"));
    const processes = await Promise.all(Array.from({ length: 6 }, () => NodeProcess.over(lab.location, LONG)));
    const ids = await Promise.all(processes.map((one) => one.call("resolve", "robot")));
    expect(new Set(ids).size).toBe(1);
    await Promise.all(processes.map((one, index) => one.call("claim", `robot ${index}`)));
    expect((await processes[0]?.call("names"))?.length).toBe(7);
  });

  it("goes on where one was begun, but not finished", async () => {
    const lab = new SqliteLab();
    writeFileSync(lab.path, "");
    const registry = await lab.open();
    expect(await registry.lookup("robot")).toBeNull();
    const begun = new BetterSqlite3(lab.path);
    begun.pragma(`application_id = ${Buffer.from("nmhd").readInt32BE()}`);
    begun.close();
    await registry.resolve("robot", NODE);
    expect(await registry.lookup("robot")).not.toBeNull();
  });
});

describe("a file that is no registry of ours", () => {
  it("is refused and left as it is: a text [G8]", async () => {
    const lab = new SqliteLab();
    writeFileSync(
      lab.path,
      "this is a letter to my mother, and longer than the header of a database would be\n".repeat(20),
    );
    expect(await refusals(lab)).toEqual(
      Array(3).fill(
        expect.stringMatching(/^invalid-input .* is no registry of namehold: it is not an SQLite database/),
      ),
    );
  });

  it.each(["DELETE", "WAL"])(
    "is refused and left as it is: another program's database in %s mode [G8]",
    async (mode) => {
      const lab = new SqliteLab();
      const other = new BetterSqlite3(lab.path);
      other.pragma(`journal_mode = ${mode}`);
      other.exec("CREATE TABLE letters (text)");
      other.close();
      expect(await refusals(lab)).toEqual(
        Array(3).fill(
          expect.stringMatching(
            /^invalid-input .* is no registry of namehold: it is another program's SQLite database/,
          ),
        ),
      );
    },
  );

  it("is refused and left as it is: a directory [G8]", async () => {
    const lab = new SqliteLab();
    mkdirSync(lab.path);
    const registry = await lab.open();
    await expect(registry.resolve("robot", NODE)).rejects.toMatchObject({ code: "invalid-input" });
  });
});

describe("a database that is not the one that was here", () => {
  it("that is missing is damage, and no new registry [G8]", async () => {
    const lab = await made();
    rmSync(lab.path);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${lab.path}${suffix}`, { force: true });
    const registry = await lab.open();
    for (const attempt of [registry.lookup("robot"), registry.resolve("robot", NODE), registry.claim("new", NODE)]) {
      await expect(attempt).rejects.toMatchObject({
        code: "damaged",
        message: expect.stringMatching(
          /is missing, but .*registry-id tells of a registry.*restore a backup.*delete .*registry-id/,
        ),
      });
    }
    expect(existsSync(lab.path)).toBe(false);
  });

  it.each([0, 100, 1024, 1500])(
    "that was cut off after %i bytes is damage, with the way to recover [G8]",
    async (bytes) => {
      const lab = await made();
      writeFileSync(lab.path, readFileSync(lab.path).subarray(0, bytes));
      const registry = await lab.open();
      for (const attempt of [registry.lookup("robot"), registry.resolve("new", NODE)])
        await expect(attempt).rejects.toMatchObject({
          code: "damaged",
          message: expect.stringContaining("restore a backup"),
        });
    },
  );

  it("whose pages are damaged is refused when they are met, and others are read [G8]", async () => {
    const lab = await made();
    const bytes = readFileSync(lab.path);
    bytes.fill(0xaa, 2 * 1024);
    writeFileSync(lab.path, bytes);
    const registry = await lab.open();
    await expect(registry.lookup("robot")).rejects.toMatchObject({ code: "damaged" });
    await expect(registry.resolve("robot", NODE)).rejects.toMatchObject({ code: "damaged" });
  });

  it("is another registry: refused, and its ids are nobody's here [G8]", async () => {
    const lab = await made();
    const other = await made();
    copyFileSync(other.path, lab.path);
    const registry = await lab.open();
    await expect(registry.lookup("robot")).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringContaining("is another one ("),
    });
  });

  it("is a backup of the same registry: it goes on, and its tokens above all that were given [G3, G8]", async () => {
    const lab = await made();
    const backup = readFileSync(lab.path);
    const clock = new ShiftedClock();
    const store = lab.store({ clock });
    clock.pass(10 * 60_000);
    const { snapshots } = await done(
      store.commit({ holder: newHolder(), parts: [creation("late", { lock: { kind: "grant" } })] }),
    );
    const token = snapshots.get("late")?.record?.token ?? 0;
    await store.close();
    writeFileSync(lab.path, backup);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${lab.path}${suffix}`, { force: true });
    const registry = await lab.open();
    expect(await registry.lookup("late")).toBeNull();
    const claim = await registry.claim("robot", NODE);
    expect(claim.token).toBeGreaterThan(token);
  });

  it("was put together anew from what could be read of a damaged one: it goes on, with a log again [G8]", async () => {
    const lab = await made();
    const damaged = lab.database();
    damaged.exec(`VACUUM INTO '${lab.path}.new'`);
    damaged.close();
    renameSync(`${lab.path}.new`, lab.path);
    const registry = await lab.open();
    expect(await registry.lookup("robot")).not.toBeNull();
    await registry.claim("robot", NODE);
    expect(lab.database().pragma("journal_mode", { simple: true })).toBe("wal");
  });

  it("may be forgotten by an operator: without its registry-id a new one is begun [G8]", async () => {
    const lab = await made();
    rmSync(lab.path);
    rmSync(lab.idPath);
    const registry = await lab.open();
    expect(await registry.lookup("robot")).toBeNull();
    await registry.resolve("robot", NODE);
  });
});

describe("a database that goes away while it is used", () => {
  it("is unreachable, and no new registry, when its directory was moved away [G8, G11]", async () => {
    const { lab, clock, store } = await used();
    const holder = newHolder();
    const { token } = await grant(store, holder, "mine");
    renameSync(lab.directory, `${lab.directory}.away`);
    onTestFinished(() => rmSync(`${lab.directory}.away`, { recursive: true }));
    clock.pass(2_000);
    await expect(store.read("robot")).rejects.toMatchObject({ code: "unreachable" });
    await expect(store.commit({ holder: newHolder(), parts: [creation("new")] })).rejects.toMatchObject({
      code: "unreachable",
    });
    expect(existsSync(lab.directory)).toBe(false);
    renameSync(`${lab.directory}.away`, lab.directory);
    mkdirSync(`${lab.directory}.away`);
    expect((await store.read("robot")).record).not.toBeNull();
    expect((await store.heartbeat(holder, new Map([["mine", token]]))).size).toBe(0);
  });

  it("alone, is damage, and goes on when it was put back [G8]", async () => {
    const { lab, clock, store } = await used();
    renameSync(lab.path, `${lab.path}.away`);
    clock.pass(2_000);
    await expect(store.read("robot")).rejects.toMatchObject({ code: "damaged" });
    renameSync(`${lab.path}.away`, lab.path);
    expect((await store.read("robot")).record).not.toBeNull();
  });

  it("is read and written anew when a backup was put in its place; who held a name then is told so [G4, G8]", async () => {
    const { lab, clock, store } = await used();
    const holder = newHolder();
    const { snapshots } = await done(store.commit({ holder, parts: [creation("mine", { lock: { kind: "grant" } })] }));
    const token = snapshots.get("mine")?.record?.token ?? 0;
    expect((await store.heartbeat(holder, new Map([["mine", token]]))).size).toBe(0);
    const older = await backupWithout(lab, "mine");
    renameSync(older, lab.path);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${lab.path}${suffix}`, { force: true });
    clock.pass(2_000);
    expect((await store.read("mine")).record).toBeNull();
    expect((await store.heartbeat(holder, new Map([["mine", token]]))).get("mine")?.reason).toBe("removed");
    const again = await done(store.commit({ holder, parts: [creation("mine", { lock: { kind: "grant" } })] }));
    expect(again.snapshots.get("mine")?.record?.token).toBeGreaterThan(token);
  });

  it("gets back what somebody has deleted beside it [G6, G8]", async () => {
    const { lab, clock, store } = await used();
    const holder = newHolder();
    const { snapshots } = await done(store.commit({ holder, parts: [creation("mine", { lock: { kind: "grant" } })] }));
    rmSync(lab.holders, { recursive: true });
    clock.pass(2_000);
    const token = snapshots.get("mine")?.record?.token ?? 0;
    expect((await store.heartbeat(holder, new Map([["mine", token]]))).size).toBe(0);
    expect(readdirSync(lab.holders)).toEqual(expect.arrayContaining(["registry-id", holder.instance]));
  });
});

describe("a layout", () => {
  it("of a newer namehold is refused, and its database left alone [G11]", async () => {
    const lab = await made();
    const db = lab.database();
    db.pragma("user_version = 2");
    const registry = await lab.open();
    for (const attempt of [registry.lookup("robot"), registry.resolve("new", NODE)])
      await expect(attempt).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringContaining("newer namehold"),
      });
    expect(db.pragma("user_version", { simple: true })).toBe(2);
  });

  it("that becomes newer while it is used stops the older namehold [G11]", async () => {
    const { lab, clock, store } = await used();
    lab.database().pragma("user_version = 2");
    clock.pass(2_000);
    await expect(store.read("robot")).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("a registry that may only be read", () => {
  itAsRoot("is read by another user, while its owner writes it and after he has closed it [G11]", async () => {
    const lab = await made();
    chmodSync(lab.directory, 0o755);
    const nobody = await NodeProcess.over(lab.location, LONG);
    const later = await NodeProcess.over(lab.location, LONG);
    await Promise.all([nobody.call("becomeNobody"), later.call("becomeNobody")]);
    // Nobody has it open: there is no log, and none can be made.
    expect(await nobody.call("names")).toEqual(["robot"]);
    expect(await nobody.failure("resolve", "new")).toMatchObject({ code: "read-only" });
    const registry = await lab.open();
    await registry.resolve("second", NODE);
    expect(await later.call("names")).toEqual(["robot", "second"]);
    expect(await nobody.call("names")).toEqual(["robot", "second"]);
    await registry.resolve("third", NODE);
    expect(await nobody.call("names")).toEqual(["robot", "second", "third"]);
    expect(await nobody.failure("claim", "robot")).toMatchObject({ code: "read-only" });
  });

  itAsRoot("is read on a file system that is mounted read-only [G11]", async () => {
    const lab = await made();
    bindReadOnly(lab.directory);
    const registry = await lab.open();
    expect(await registry.lookup("robot")).not.toBeNull();
    expect((await Array.fromAsync(registry.list())).length).toBe(1);
    await expect(registry.resolve("new", NODE)).rejects.toMatchObject({ code: "read-only" });
  });
});

describe("a place where a registry cannot be kept", () => {
  itAsRoot("is a file that was mounted by itself: the directory is asked for [G2]", async () => {
    const lab = await made();
    const file = join(temporaryDirectory(), "lab.db");
    writeFileSync(file, "");
    mount("--bind", lab.path, file);
    const registry = await new SqliteLab(join(file, "..")).open();
    for (const attempt of [registry.lookup("robot"), registry.resolve("robot", NODE)])
      await expect(attempt).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringContaining("Mount the directory"),
      });
  });
});

/** A registry with the name `robot`, closed. */
async function made(): Promise<SqliteLab> {
  const lab = new SqliteLab();
  const registry = await lab.open();
  await registry.resolve("robot", NODE);
  await registry.close();
  return lab;
}

async function used() {
  const lab = await made();
  const clock = new ShiftedClock();
  const store = lab.store({ clock });
  await store.read("robot");
  return { lab, clock, store };
}

/** A copy of the database in which that name is not. */
async function backupWithout(lab: SqliteLab, name: string): Promise<string> {
  const path = `${lab.path}.backup`;
  await lab.database().backup(path);
  const copy = new BetterSqlite3(path);
  copy.prepare("DELETE FROM entries WHERE name = ?").run(name);
  copy.exec("DELETE FROM holders");
  copy.close();
  return path;
}

/** How a look, a write and a list are refused, when that leaves the file as it was. */
async function refusals(lab: SqliteLab): Promise<readonly string[]> {
  const before = readFileSync(lab.path);
  const registry = await lab.open();
  const attempts = [registry.lookup("robot"), registry.resolve("robot", NODE), Array.fromAsync(registry.list())];
  const settled = await Promise.allSettled(attempts);
  await registry.close();
  expect(readFileSync(lab.path).equals(before)).toBe(true);
  // Who reads a database that has a log makes an empty one.
  const beside = readdirSync(lab.directory).filter((file) => file !== "lab.db" && file !== "lab.db-shm");
  expect(beside.map((file) => [file, statSync(join(lab.directory, file)).size])).toEqual(
    beside.length === 0 ? [] : [["lab.db-wal", 0]],
  );
  return settled.map((one) => (one.status === "rejected" ? `${one.reason.code} ${one.reason.message}` : "not refused"));
}

function bindReadOnly(directory: string): void {
  mount("--bind", directory, directory);
  mount("-o", "remount,bind,ro", directory, directory);
}

function mount(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("mount", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`mount ${args.join(" ")}: ${stderr}`);
  const target = args.at(-1) as string;
  if (!args.includes("-o")) onTestFinished(() => void spawnSync("umount", ["--lazy", target]));
}
