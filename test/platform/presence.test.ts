import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, it, onTestFinished } from "vitest";
import { later, type MonotonicMs } from "../../src/core/timing.js";
import { systemClock } from "../../src/platform/clock.js";
import { Presence } from "../../src/platform/presence.js";
import { presenceFileName } from "../../src/platform/presence-path.js";
import { type PresenceReading, probePresence, sweepPresences } from "../../src/platform/presence-probe.js";
import { newUlid } from "../../src/platform/process-identity.js";
import { Puppet } from "./puppet-process.ts";
import { itAsRoot } from "./requirements.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const NOBODY = 65_534;

function holdersDirectory(mode = 0o755): string {
  return join(temporaryDirectory(mode), "registry.json.holders");
}

function now(): MonotonicMs {
  return systemClock.monotonicMs();
}

function createHere(directory: string, instance = newUlid()): { presence: Presence; instance: string } {
  const presence = Presence.create(directory, { instance, pid: 1, host: "lab", ttlMs: 30_000 }, { nowMs: now() });
  onTestFinished(() => presence.close());
  return { presence, instance };
}

/** A presence whose process is gone. */
function createDead(directory: string, instance?: string): string {
  const { presence, instance: made } = createHere(directory, instance);
  presence.close();
  return made;
}

async function puppetWithPresence(directory: string, instance: string, inside?: readonly string[]): Promise<Puppet> {
  const puppet = new Puppet(inside === undefined ? {} : { inside });
  await puppet.call("createPresence", directory, instance);
  return puppet;
}

function probe(directory: string, instance: string, nowMs = now()): PresenceReading {
  return probePresence(directory, instance, nowMs);
}

function aliveAt(directory: string, instance: string, nowMs: MonotonicMs): PresenceReading & { kind: "alive" } {
  const reading = probe(directory, instance, nowMs);
  if (reading.kind !== "alive") throw new Error(`read as ${JSON.stringify(reading)}`);
  return reading;
}

/** Changes the record in place: the inode stays. */
function rewrite(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, "utf8")), { flag: "r+" });
}

describe("the presence of a living process", () => {
  it("reads as alive with its age and TTL, in its own process too [G7]", () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    const beatAt = now();
    presence.beat(beatAt);
    const reading = aliveAt(directory, instance, later(beatAt, 4_000));
    expect(reading.beatAgeMs).toBeCloseTo(4_000, 1);
    expect(reading.ttlMs).toBe(30_000);
  });

  it("has another version after each beat, and the file keeps its length [G7]", () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    const size = statSync(presence.path).size;
    const versions = [probe(directory, instance).version];
    for (let i = 0; i < 12; i += 1) {
      presence.beat(now());
      versions.push(probe(directory, instance).version);
    }
    expect(new Set(versions).size).toBe(13);
    expect(probe(directory, instance).version).toBe(versions.at(-1));
    expect(statSync(presence.path).size).toBe(size);
  });

  it("reads as alive while its process is stopped, ever more silent [G7]", async () => {
    const directory = holdersDirectory();
    const instance = newUlid();
    const puppet = await puppetWithPresence(directory, instance);
    puppet.stop();
    expect(aliveAt(directory, instance, later(now(), 60_000)).beatAgeMs).toBeGreaterThanOrEqual(60_000);
  });

  it("is dead the moment its process was killed [G6]", async () => {
    const directory = holdersDirectory();
    const instance = newUlid();
    const puppet = await puppetWithPresence(directory, instance);
    expect(probe(directory, instance).kind).toBe("alive");
    await puppet.kill();
    expect(probe(directory, instance).kind).toBe("dead");
  });

  it("is alive as long as a child that was given its descriptor lives [G7]", async () => {
    const directory = holdersDirectory();
    const instance = newUlid();
    const puppet = await puppetWithPresence(directory, instance);
    const child = await spawnSleeper(puppet, instance, true);
    await puppet.kill();
    expect(probe(directory, instance).kind).toBe("alive");
    process.kill(child, "SIGKILL");
    await expect.poll(() => probe(directory, instance).kind).toBe("dead");
  });

  it("that was closed is alive as long as a child that was given its descriptor lives [G7]", async () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    const child = spawn("sleep", ["60"], { stdio: ["ignore", "ignore", "ignore", presence.fd] });
    onTestFinished(() => void child.kill("SIGKILL"));
    presence.close();
    expect(probe(directory, instance).kind).toBe("alive");
    child.kill("SIGKILL");
    await expect.poll(() => probe(directory, instance).kind).toBe("dead");
  });

  it("is not inherited by a child that was not given it [G6]", async () => {
    const directory = holdersDirectory();
    const instance = newUlid();
    const puppet = await puppetWithPresence(directory, instance);
    const child = await spawnSleeper(puppet, instance, false);
    await puppet.kill();
    expect(probe(directory, instance).kind).toBe("dead");
    expect(() => process.kill(child, 0)).not.toThrow();
  });

  it("of a worker thread ends with the thread [G6]", async () => {
    const directory = holdersDirectory();
    const instance = newUlid();
    const worker = new Worker(new URL("fixtures/presence-worker.ts", import.meta.url), {
      execArgv: ["--import", new URL("fixtures/resolve-ts.mjs", import.meta.url).href],
      workerData: { directory, instance },
    });
    await expect.poll(() => probe(directory, instance).kind, { timeout: 10_000 }).toBe("alive");
    await worker.terminate();
    expect(probe(directory, instance).kind).toBe("dead");
  });

  it("is not in place any more when somebody deleted it, and can be made anew beside the old descriptor", () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    expect(presence.isInPlace()).toBe(true);
    rmSync(directory, { recursive: true });
    expect(presence.isInPlace()).toBe(false);
    expect(probe(directory, instance)).toEqual({ kind: "none", version: "none" });
    createHere(directory, instance);
    presence.remove();
    expect(probe(directory, instance).kind).toBe("alive");
  });

  it("is gone after its removal, and removing or closing twice is fine", () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    presence.remove();
    presence.remove();
    presence.close();
    expect(probe(directory, instance).kind).toBe("none");
    expect(() => presence.beat(now())).toThrow(expect.objectContaining({ code: "closed" }));
  });

  itAsRoot("is seen from outside its PID namespace, alive and dead [G6, G7]", async () => {
    const directory = holdersDirectory();
    const instance = newUlid();
    const puppet = await puppetWithPresence(directory, instance, ["unshare", "--pid", "--fork", "--kill-child"]);
    expect(await puppet.call("pid")).toBe(1);
    expect(probe(directory, instance).kind).toBe("alive");
    await puppet.kill();
    await expect.poll(() => probe(directory, instance).kind).toBe("dead");
  });

  itAsRoot("is seen from inside another PID namespace, alive and dead [G6, G7]", async () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    const inside = new Puppet({ inside: ["unshare", "--pid", "--fork", "--kill-child"] });
    expect(await inside.call("probe", directory, instance)).toMatchObject({ kind: "alive", ttlMs: 30_000 });
    presence.close();
    expect((await inside.call("probe", directory, instance)).kind).toBe("dead");
  });

  itAsRoot("is seen by another user, alive and dead, whatever the umask [G6, G7]", async () => {
    const directory = holdersDirectory();
    const instance = newUlid();
    const owner = new Puppet();
    await owner.call("umask", 0o077);
    await owner.call("createPresence", directory, instance);
    const nobody = new Puppet();
    await nobody.call("becomeNobody");
    expect((await nobody.call("probe", directory, instance)).kind).toBe("alive");
    await owner.kill();
    expect((await nobody.call("probe", directory, instance)).kind).toBe("dead");
  });

  itAsRoot("can be made by another user where the registry's directory is open to all", async () => {
    const directory = holdersDirectory(0o777);
    const root = new Puppet();
    await root.call("umask", 0o077);
    await root.call("createPresence", directory, newUlid());
    const nobody = new Puppet();
    await nobody.call("becomeNobody");
    const instance = newUlid();
    await nobody.call("createPresence", directory, instance);
    expect(probe(directory, instance).kind).toBe("alive");
  });

  itAsRoot("belongs to the owner of the registry's directory, and so does the directory of holders", () => {
    const directory = holdersDirectory();
    chownSync(join(directory, ".."), NOBODY, NOBODY);
    const { presence } = createHere(directory);
    expect([statSync(directory).uid, statSync(presence.path).uid]).toEqual([NOBODY, NOBODY]);
  });

  itAsRoot("of another time namespace has no age here, but lives [G7]", async () => {
    const directory = holdersDirectory();
    const instance = newUlid();
    await puppetWithPresence(directory, instance, [
      "unshare",
      "--time",
      "--boottime",
      "1000000",
      "--fork",
      "--kill-child",
    ]);
    expect(aliveAt(directory, instance, now()).beatAgeMs).toBeUndefined();
  });
});

describe("making a presence", () => {
  it("is refused while a process of the same instance lives, which is named [G2]", async () => {
    const directory = holdersDirectory();
    const puppet = await puppetWithPresence(directory, "robot-1");
    const pid = await puppet.call("pid");
    const attempt = () => createHere(directory, "robot-1");
    expect(attempt).toThrow(
      expect.objectContaining({ code: "held", details: { heldBy: { pid, host: "lab", instance: "robot-1" } } }),
    );
    await puppet.kill();
    expect(attempt).not.toThrow();
    expect(probe(directory, "robot-1").kind).toBe("alive");
  });

  it("replaces a dead one's file with a new one, and leaves nothing else behind", () => {
    const directory = holdersDirectory();
    const instance = createDead(directory);
    const before = probe(directory, instance).version;
    createHere(directory, instance);
    expect(probe(directory, instance).version).not.toBe(before);
    expect(readdirSync(directory)).toEqual([instance]);
  });

  it("is won by one of several processes that start as the same instance at once [G2]", async () => {
    const directory = holdersDirectory();
    createDead(directory, "robot-1");
    const puppets = [new Puppet(), new Puppet(), new Puppet(), new Puppet()];
    await Promise.all(puppets.map((puppet) => puppet.call("pid")));
    const outcomes = await Promise.allSettled(
      puppets.map((puppet) => puppet.call("createPresence", directory, "robot-1")),
    );
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(1);
    expect(readdirSync(directory)).toHaveLength(1);
  });

  it("is refused beside a copy of its file, with the remedy [G7]", () => {
    const directory = holdersDirectory();
    const instance = createDead(directory);
    const path = join(directory, instance);
    copyFileSync(path, `${path}.copy`);
    renameSync(`${path}.copy`, path);
    expect(() => createHere(directory, instance)).toThrow(/it is a copy.*delete/s);
  });

  itAsRoot("says read-only where this user may not write [G11]", async () => {
    const nobody = new Puppet();
    await nobody.call("becomeNobody");
    expect((await nobody.failure("createPresence", holdersDirectory(), newUlid())).code).toBe("read-only");
  });

  it("never makes a path of an instance [G12]", () => {
    const directory = holdersDirectory();
    for (const instance of ["../../evil", "", "a/b", "\0", "01ARZ3NDEKTSV4RRFFQ69G5FA!", "é".repeat(500)]) {
      expect(presenceFileName(instance)).toMatch(/^x[0-9a-f]{32}$/);
      createHere(directory, instance);
      expect(probe(directory, instance).kind).toBe("alive");
    }
    expect(readdirSync(join(directory, ".."))).toEqual(["registry.json.holders"]);
    expect(() => createHere(directory, "x".repeat(10_000))).toThrow(expect.objectContaining({ code: "invalid-input" }));
  });
});

describe("no proof of death", () => {
  it("is a missing file, and nothing is created by looking [G7]", () => {
    const directory = holdersDirectory();
    expect(probe(directory, newUlid()).kind).toBe("none");
    expect(existsSync(directory)).toBe(false);
  });

  it("is a copied or restored file, though nobody holds its lock [G7]", () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    const path = presence.path;
    copyFileSync(path, `${path}.backup`);
    unlinkSync(path);
    renameSync(`${path}.backup`, path);
    expect(probe(directory, instance)).toMatchObject({ kind: "doubt", beatAgeMs: undefined, ttlMs: undefined });
  });

  it("is a hard link under another instance's name [G7]", () => {
    const directory = holdersDirectory();
    const instance = createDead(directory);
    const other = newUlid();
    linkSync(join(directory, instance), join(directory, other));
    expect(probe(directory, other).kind).toBe("doubt");
  });

  it("is a living process's own file that was moved away and linked back: it lives [G7]", () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    renameSync(presence.path, `${presence.path}.away`);
    linkSync(`${presence.path}.away`, presence.path);
    expect(probe(directory, instance).kind).toBe("alive");
  });

  it.each([
    ["a symbolic link", (path: string, dead: string) => symlinkSync(dead, path)],
    ["a FIFO", (path: string) => spawnSync("mkfifo", [path])],
    ["a directory", (path: string) => mkdirSync(path)],
    ["an empty file", (path: string) => writeFileSync(path, "")],
    ["garbage", (path: string) => writeFileSync(path, "{}\n{}\n")],
  ])("is %s in place of the file [G7]", (_, make) => {
    const directory = holdersDirectory();
    const dead = createDead(directory);
    const instance = newUlid();
    make(join(directory, instance), join(directory, dead));
    expect(probe(directory, instance).kind).toBe("doubt");
  });

  itAsRoot("is a file that this user may not open [G7]", async () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    chmodSync(presence.path, 0o600);
    const nobody = new Puppet();
    await nobody.call("becomeNobody");
    expect(await nobody.call("probe", directory, instance)).toMatchObject({
      kind: "doubt",
      why: expect.stringContaining("EACCES"),
    });
  });

  it("is a beat that was written on another boot: it has no age, but its process lives [G7]", () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    rewrite(presence.path, (text) => text.replace(/"bootId":"[^"]{8}/, '"bootId":"00000000'));
    expect(aliveAt(directory, instance, now()).beatAgeMs).toBeUndefined();
    presence.close();
    expect(probe(directory, instance).kind).toBe("dead");
  });

  it("is half a beat: it has no age [G7]", () => {
    const directory = holdersDirectory();
    const { presence, instance } = createHere(directory);
    rewrite(presence.path, (text) => text.replace('{"seq":               1', '{"seq":               7'));
    expect(aliveAt(directory, instance, now()).beatAgeMs).toBeUndefined();
  });
});

describe("sweeping presences", () => {
  it("deletes the files of the dead that no lock names, and no other [G6, G7]", () => {
    const directory = holdersDirectory();
    const { instance: living } = createHere(directory);
    const named = createDead(directory);
    const namedByHash = createDead(directory, "robot-1");
    createDead(directory);
    createDead(directory, "robot-2");
    const restored = createDead(directory);
    const away = join(directory, "..", "backup");
    renameSync(join(directory, restored), away);
    copyFileSync(away, join(directory, restored));
    const isNamed = (instance: string) => instance === named || instance === "robot-1";
    expect(sweepPresences(directory, isNamed, 100)).toBe(2);
    const kept = [living, named, presenceFileName(namedByHash), restored];
    expect(readdirSync(directory).toSorted()).toEqual(kept.toSorted());
  });

  it("leaves what others are at work on, of which no lock tells", () => {
    const directory = holdersDirectory();
    createDead(directory);
    writeFileSync(join(directory, ".namehold-tmp-not-locked"), "");
    expect(sweepPresences(directory, () => false, 100)).toBe(1);
    expect(readdirSync(directory)).toEqual([".namehold-tmp-not-locked"]);
  });

  it("looks at no more files than it was told to [G12]", () => {
    const directory = holdersDirectory();
    for (let i = 0; i < 5; i += 1) createDead(directory);
    expect(sweepPresences(directory, () => false, 2)).toBe(2);
    expect(readdirSync(directory)).toHaveLength(3);
  });

  it("finds nothing where there never was a holder", () => {
    expect(sweepPresences(holdersDirectory(), () => false, 10)).toBe(0);
  });
});

async function spawnSleeper(puppet: Puppet, instance: string, inherits: boolean): Promise<number> {
  const child = await puppet.call("spawnSleeper", instance, inherits);
  if (child === undefined) throw new Error("no child was started");
  onTestFinished(() => {
    try {
      process.kill(child, "SIGKILL");
    } catch {
      // The test has killed it already.
    }
  });
  return child;
}
