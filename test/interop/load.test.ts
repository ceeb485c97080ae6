import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Lab } from "./lab.js";
import { FILELOCK_VERSIONS } from "./python.js";

const COUNT = 40;

describe.each(FILELOCK_VERSIONS)("under load beside Python with filelock %s", (filelock) => {
  test("no update is lost while two of each kind write, and a writer of ours is killed [G1, G9]", async () => {
    await using lab = new Lab();
    const pythons = await Promise.all([lab.python({ filelock }), lab.python({ filelock })]);
    const ours = await Promise.all([lab.namehold(), lab.namehold(), lab.namehold()]);
    const victim = await lab.namehold();
    await victim.contendForever("victim");

    const counts = [...pythons, ...ours].map((node, index) => node.countUp(`name_${index}`, COUNT));
    await sleep(200);
    await victim.kill();
    const results = await Promise.all(counts);

    expect(results).toEqual(results.map(() => ({ counter: COUNT, ids: [expect.any(String)] })));
    const inFile = await Promise.all(results.map((_, index) => lab.entry(`name_${index}`)));
    expect(inFile.map((entry) => entry?.metadata["counter"])).toEqual(results.map(() => COUNT));
    expect(inFile.map((entry) => entry?.id)).toEqual(results.map((result) => result.ids[0]));
    expect(new Set(inFile.map((entry) => entry?.id)).size).toBe(results.length);
  });

  test("eight of our processes in a tight loop never make a Python heartbeat fail", async () => {
    await using lab = new Lab();
    const python = await lab.python({ filelock, ttlSeconds: 30, intervalSeconds: 0.5 });
    const names = ["arm_1", "arm_2", "arm_3"];
    for (const name of names) await python.resolve(name);
    const ours = await Promise.all(Array.from({ length: 8 }, () => lab.namehold()));
    const rounds = await Promise.all(ours.map((node, index) => node.contend(`busy_${index}`, 8)));

    const report = await python.heartbeats();
    expect(report.failures).toEqual([]);
    // All contend all the time, or the test proves nothing.
    expect(Math.min(...rounds.map((round) => round.rounds))).toBeGreaterThan(5);
    expect(report.refreshes).toBeGreaterThan(12);
    expect(report.slowestRefreshMs).toBeLessThan(4000);
  });

  test("a Python process that is killed while it holds the file lock holds up nobody [G6]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([lab.python({ filelock }), lab.namehold()]);
    await python.takeFileLock();
    const waiting = ours.process.timed("claim", { name: "arm_1" });
    await sleep(300);
    await python.kill();
    expect((await waiting).tookMs).toBeGreaterThan(200);
    expect((await waiting).tookMs).toBeLessThan(2000);
  });
});

test("no update is lost between two MADSci versions with different filelocks and us [G9]", async () => {
  await using lab = new Lab();
  const nodes = await Promise.all([
    lab.python({ madsci: "0.7.1", filelock: "3.25.0" }),
    lab.python({ madsci: "0.8.1", filelock: "4.2.12" }),
    lab.python({ madsci: "0.8.1", filelock: "3.29.4" }),
    lab.namehold(),
    lab.namehold(),
  ]);
  const results = await Promise.all(nodes.map((node, index) => node.countUp(`name_${index}`, COUNT)));
  expect(results.map((result) => result.counter)).toEqual(nodes.map(() => COUNT));
  const inFile = await Promise.all(nodes.map((_, index) => lab.entry(`name_${index}`)));
  expect(inFile.map((entry) => entry?.metadata["counter"])).toEqual(nodes.map(() => COUNT));
});

test.each(["link", "target"])(
  "through a symlink, no update is lost beside a Python that uses the %s [G9]",
  async (path) => {
    await using lab = new Lab();
    mkdirSync(join(lab.directory, "real"));
    const target = join(lab.directory, "real", "registry.json");
    symlinkSync(target, lab.path);
    const [python, first, second] = await Promise.all([
      lab.python({ path: path === "link" ? lab.path : target }),
      lab.namehold(),
      lab.namehold(),
    ]);
    await python.resolve("zero", { acquire: false });
    const results = await Promise.all(
      [python, first, second].map((node, index) => node.countUp(`name_${index}`, COUNT)),
    );
    expect(results.map((result) => result.counter)).toEqual([COUNT, COUNT, COUNT]);
    const inFile = await Promise.all([0, 1, 2].map((index) => lab.entry(`name_${index}`)));
    expect(inFile.map((entry) => entry?.metadata["counter"])).toEqual([COUNT, COUNT, COUNT]);
  },
);

describe("while a Python process holds the file lock", () => {
  test("we say busy, read on, export all, and keep what we hold [G4, G11, G12]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([
      lab.python(),
      lab.namehold({ fileLockTimeoutMs: 500, lockTtlMs: 6000, heartbeatIntervalMs: 500 }),
    ]);
    const { id } = await ours.claim("arm_1");
    await python.takeFileLock();
    await expect(ours.claim("arm_2")).rejects.toMatchObject({ code: "busy" });
    expect(await ours.lookup("arm_1")).toBe(id);
    expect(Object.keys((await ours.export()).entries)).toEqual(["arm_1"]);
    await sleep(1500);
    expect(await ours.claimState("arm_1")).toMatchObject({ held: true, aborted: false });
    await python.dropFileLock();
    await sleep(4500);
    expect(await ours.claimState("arm_1")).toMatchObject({
      held: true,
      aborted: false,
      jeopardies: expect.any(Number),
    });
    expect((await ours.claimState("arm_1")).jeopardies).toBeGreaterThan(0);
  });

  test("for longer than our TTL, our loss is told by our own deadline [G4]", async () => {
    await using lab = new Lab();
    const [python, ours] = await Promise.all([
      lab.python(),
      lab.namehold({ fileLockTimeoutMs: 500, lockTtlMs: 2000, heartbeatIntervalMs: 400 }),
    ]);
    const { id } = await ours.claim("arm_1");
    await python.takeFileLock();
    await sleep(2100);
    expect(await ours.claimState("arm_1")).toMatchObject({ held: false, aborted: true });
    await python.dropFileLock();
    expect((await ours.claim("arm_1", { waitMs: 5000 })).id).toBe(id);
  });
});

test("a file that is half written under Python's lock is busy, not damaged [G8, G11]", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold({ fileLockTimeoutMs: 400 })]);
  const { id } = await ours.claim("arm_1");
  await ours.release("arm_1");
  await python.resolve("unseen", { acquire: false });
  const whole = lab.text();
  await python.takeFileLock();
  lab.write(whole.slice(0, whole.length / 2));
  expect(await ours.lookup("arm_1")).toBe(id);
  for (const name of ["arm_1", "unseen"]) await expect(ours.claim(name)).rejects.toMatchObject({ code: "busy" });
  lab.write(whole);
  await python.dropFileLock();
  expect((await ours.claim("unseen")).id).toBe(await python.lookup("unseen"));
  await ours.claim("unheard_of");
});

test("our readers never see a half-written file while Python writes in place [G8]", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold()]);
  const ids = new Map<string, string>();
  for (let index = 0; index < 60; index += 1) {
    const name = `name_${index}`;
    ids.set(name, await python.resolve(name, { acquire: false, metadata: { filler: "x".repeat(500) } }));
  }
  await python.writeForever("name_0");
  const { lookups, wrong } = await ours.lookUpForSeconds(Object.fromEntries(ids), 4);
  expect(wrong).toEqual([]);
  expect(lookups).toBeGreaterThan(100);
});

test("kill -9 of our writers, at whatever moment, never leaves a file that Python cannot read [G1]", async () => {
  await using lab = new Lab();
  const python = await lab.python();
  const ids = new Map<string, string>();
  for (let index = 0; index < 100; index += 1)
    ids.set(`name_${index}`, await python.resolve(`name_${index}`, { acquire: false }));
  for (let kill = 0; kill < 12; kill += 1) {
    const victim = await lab.namehold();
    await victim.contendForever(`name_${kill}`);
    await sleep(20 + 7 * kill);
    await victim.kill();
    expect(Object.fromEntries((await python.list(true)).map(([name, entry]) => [name, entry.id]))).toEqual(
      Object.fromEntries(ids),
    );
  }
});
