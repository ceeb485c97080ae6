import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { judgeLock } from "../../../src/core/lock-rules.js";
import { SmallDisk } from "../../chaos/small-disk.js";
import { DoomedProcess } from "../../contract/spawned-process.js";
import { itAsRoot, itOnLinux } from "../../platform/requirements.js";
import { temporaryDirectory } from "../json-file/lab-files.js";
import { NodeProcess } from "../json-file/processes/node-process.js";
import { creation, done, LONG, NODE, newHolder, SqliteLab } from "./sqlite-lab.js";

const MANY = 100_000;

describe("processes that are killed", () => {
  it("while they write leave a database that is sound, without a lost ID, and names that are free at once [G1, G6, G9]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    const ids = new Map<string, string>();
    for (let round = 0; round < 6; round += 1) {
      const doomed = await DoomedProcess.start(lab.location);
      const name = `round ${round}`;
      let isKilled = false;
      const write = async (): Promise<void> => {
        for (let i = 0; ; i += 1) {
          await doomed.commit(creation(`${name}, ${i}`, { lock: { kind: "grant" } }));
          const id = await registry.lookup(`${name}, ${i}`);
          if (id !== null) ids.set(`${name}, ${i}`, id);
        }
      };
      const writing = write().catch((error: unknown) => {
        if (!isKilled) throw error;
      });
      await sleep(30 + 15 * round);
      isKilled = true;
      await doomed.kill();
      await writing;
    }
    expect(lab.database().pragma("integrity_check", { simple: true })).toBe("ok");
    expect(ids.size).toBeGreaterThan(6);
    for (const [name, id] of ids) {
      expect(await registry.lookup(name)).toBe(id);
      expect(judgeLock(await registry.store.read(name), 0)).toEqual({ kind: "free", why: "dead" });
    }
    for await (const { id } of claims(registry, [...ids.keys()].slice(-5))) expect([...ids.values()]).toContain(id);
  });

  it(`free all ${MANY} names that one held, at once, and nobody looks for them [G6]`, async () => {
    const lab = new SqliteLab();
    const doomed = await DoomedProcess.start(lab.location);
    const names = Array.from({ length: MANY }, (_, i) => `name ${i}`);
    for (let i = 0; i < MANY; i += 5_000)
      await doomed.commit(...names.slice(i, i + 5_000).map((name) => creation(name, { lock: { kind: "grant" } })));
    const registry = await lab.open();
    const held = await registry.store.read("name 77777");
    expect(judgeLock(held, 0).kind).toBe("held");
    await doomed.kill();
    const from = performance.now();
    for (const name of ["name 0", "name 77777", `name ${MANY - 1}`])
      expect(judgeLock(await registry.store.read(name), 0)).toEqual({ kind: "free", why: "dead" });
    const claim = await registry.claim("name 77777", NODE);
    expect(performance.now() - from).toBeLessThan(250);
    expect(claim.token).toBeGreaterThan(held.record?.token ?? 0);
    // Its life is over, its presence is gone, and its other names are free as before.
    expect(readdirSync(lab.holders)).not.toContain(doomed.holder.instance);
    expect(judgeLock(await registry.store.read("name 12345"), 0)).toEqual({ kind: "free", why: "dead" });
    const history = await Array.fromAsync(registry.store.history({ name: "name 77777" }));
    expect(history.map(({ ending }) => ending.how)).toEqual(["crashed"]);
  }, 60_000);
});

describe("a waiter in another process", () => {
  it("has a released name, and a killed holder's, within moments [G6, G12]", async () => {
    const lab = new SqliteLab();
    const [holder, waiter] = [await NodeProcess.over(lab.location, LONG), await NodeProcess.over(lab.location, LONG)];
    await holder.call("claim", "robot");
    await waiter.call("beginWait", "robot", 20_000);
    const { at: releasedAt } = await holder.call("release", "robot");
    const { at } = await waiter.call("endWait", "robot");
    expect(at - releasedAt).toBeLessThan(500);
    await holder.call("beginWait", "robot", 20_000);
    const from = performance.now();
    await waiter.kill();
    await holder.call("endWait", "robot");
    expect(performance.now() - from).toBeLessThan(1_000);
  });

  it("that is killed does not keep the name from the next", async () => {
    const lab = new SqliteLab();
    const [holder, first, second] = [
      await NodeProcess.over(lab.location, LONG),
      await NodeProcess.over(lab.location, LONG),
      await NodeProcess.over(lab.location, LONG),
    ];
    const held = await holder.call("claim", "robot");
    await first.call("beginWait", "robot", 20_000);
    await second.call("beginWait", "robot", 20_000);
    await first.kill();
    await holder.call("release", "robot");
    const { token } = await second.call("endWait", "robot");
    expect(token).toBeGreaterThan(held.token);
  });
});

describe("many processes", () => {
  it("lose no update of one entry [G9]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    await registry.resolve("counter", NODE);
    const processes = await Promise.all(Array.from({ length: 4 }, () => NodeProcess.over(lab.location, LONG)));
    await Promise.all(processes.map((one) => one.call("countUp", "counter", 50)));
    expect((await registry.entry("counter"))?.entry.metadata).toEqual({ count: 200 });
  });

  it("take a name in turn, each with a greater token [G2, G3]", async () => {
    const lab = new SqliteLab();
    const processes = await Promise.all(Array.from({ length: 4 }, () => NodeProcess.over(lab.location, LONG)));
    const tokens = await Promise.all(processes.map((one) => one.call("takeInTurn", "robot", 10)));
    expect(new Set(tokens.flat()).size).toBe(40);
  });

  it("of which one ends orderly give its names to the others at once, whichever way it ends [G6]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    for (const end of ["exit", "throwUncaught"] as const) {
      const ending = await NodeProcess.over(lab.location, LONG);
      const { token } = await ending.call("claim", "robot");
      await ending.call(end, 0).catch(() => undefined);
      const claim = await registry.claim("robot", { ...NODE, waitMs: 10_000 });
      expect(claim.token).toBeGreaterThan(token);
      const [hold] = await Array.fromAsync(registry.store.history({ name: "robot" }));
      expect(hold?.ending.how).toBe("released");
      await claim.release();
    }
  });

  itOnLinux("do not let a child that outlives one keep its names [G6]", async () => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    const parent = await NodeProcess.over(lab.location, LONG);
    await parent.call("claim", "robot");
    const children = await parent.call("spawnChildren");
    await parent.kill();
    try {
      await registry.claim("robot", { ...NODE, waitMs: 5_000 });
    } finally {
      for (const pid of children) process.kill(pid, "SIGKILL");
    }
  });

  itAsRoot("in PID namespaces of their own do not take each other for dead [G7]", async () => {
    const lab = new SqliteLab();
    const inside = ["unshare", "--pid", "--fork", "--kill-child"];
    const [first, second] = [
      await NodeProcess.over(lab.location, { ...LONG, inside }),
      await NodeProcess.over(lab.location, { ...LONG, inside }),
    ];
    await first.call("claim", "robot");
    expect(await second.failure("claim", "robot")).toMatchObject({ code: "held" });
    await first.kill();
    await second.call("claim", "robot", { waitMs: 10_000 });
  });

  itAsRoot(
    "in time namespaces of their own do not take from the living, and wait for the silent [G6, G7]",
    async () => {
      const lab = new SqliteLab();
      const options = { lockTtlMs: 1_500, heartbeatIntervalMs: 300 };
      const inside = ["unshare", "--time", "--boottime", "100000", "--fork", "--kill-child"];
      const away = await NodeProcess.over(lab.location, { ...options, inside });
      const here = await NodeProcess.over(lab.location, options);
      await away.call("claim", "robot");
      const waiting = here.call("claim", "robot", { waitMs: 15_000 });
      await expect(Promise.race([waiting, sleep(4_000, "held")])).resolves.toBe("held");
      await away.kill();
      await waiting;
    },
  );
});

describe("a full disk", () => {
  itAsRoot(
    "leaves the registry as it was, says so, robs nobody, and is over when there is space [G1, G3, G7]",
    async () => {
      const { lab, disk } = smallDisk();
      const holder = await NodeProcess.over(lab.location, LONG);
      const held = await holder.call("claim", "held");
      const registry = await lab.open();
      const first = await registry.claim("robot", NODE);
      await first.release();
      disk.fill(0);
      // What is left in the last blocks of its files is used up as well.
      let failure: unknown;
      const names: string[] = [];
      for (let i = 0; failure === undefined && i < 5_000; i += 1) {
        failure = await registry.resolve(`filler ${i}`, { ...NODE, metadata: { text: "x".repeat(900) } }).then(
          () => void names.push(`filler ${i}`),
          (error: unknown) => error,
        );
      }
      expect(failure).toMatchObject({ code: "storage-failed", message: expect.stringContaining("disk is full") });
      expect(await registry.lookup("robot")).toBe(first.id);
      for (const name of names) expect(await registry.lookup(name)).not.toBeNull();
      await expect(registry.claim("held", NODE)).rejects.toMatchObject({ code: "held" });
      expect(await holder.call("state", "held")).toMatchObject({ held: true });
      disk.free();
      expect(await holder.call("refresh", "held")).toBeNull();
      const again = await registry.claim("robot", NODE);
      expect([again.id, again.token > first.token]).toEqual([first.id, true]);
      await holder.kill();
      const taken = await registry.claim("held", NODE);
      expect([taken.id, taken.token > held.token]).toEqual([held.id, true]);
      expect(lab.database().pragma("integrity_check", { simple: true })).toBe("ok");
    },
  );

  itAsRoot("that fills up at any step of a claim leaves it given or not taken at all [G1, G2, G3]", async () => {
    const { lab, disk } = smallDisk();
    const store = lab.store();
    await done(store.commit({ holder: newHolder(), parts: [creation("first")] }));
    const outcomes = new Set<string>();
    for (let freePages = 0; freePages < 40; freePages += 1) {
      disk.free();
      disk.fill(freePages);
      const holder = newHolder();
      const name = `name ${freePages}`;
      const write = { lock: { kind: "grant" }, metadata: { text: "x".repeat(20_000) } } as const;
      const outcome = await store.commit({ holder, parts: [creation(name, write)] }).then(
        ({ kind }) => kind,
        (error: { readonly code: string }) => error.code,
      );
      outcomes.add(outcome);
      const { record } = await store.read(name);
      if (outcome === "done") expect(record?.entry.lock?.holderInstance).toBe(holder.instance);
      else expect([outcome, record]).toEqual(["storage-failed", null]);
    }
    disk.free();
    expect(outcomes).toEqual(new Set(["done", "storage-failed"]));
    expect(lab.database().pragma("integrity_check", { simple: true })).toBe("ok");
  });
});

async function* claims(registry: Awaited<ReturnType<SqliteLab["open"]>>, names: readonly string[]) {
  for (const name of names) yield await registry.claim(name, NODE);
}

function smallDisk(): { readonly lab: SqliteLab; readonly disk: SmallDisk } {
  const directory = join(temporaryDirectory(), "disk");
  const disk = SmallDisk.mount(directory);
  onTestFinished(() => disk[Symbol.dispose]());
  return { lab: new SqliteLab(directory), disk };
}
