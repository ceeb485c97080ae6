import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Clock, wallMs } from "../../../src/core/timing.js";
import { openRegistry } from "../../../src/index.js";
import { systemClock } from "../../../src/platform/clock.js";
import { JsonFileStore } from "../../../src/stores/json-file/json-file-store.js";
import { SmallDisk } from "../../chaos/small-disk.js";
import { itAsRoot } from "../../platform/requirements.js";
import { LabFiles, temporaryDirectory } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const NODE = { type: "node" } as const;
const NOBODY = 65_534;

describe("a registry file", () => {
  it("is made with all its directories when the first name is [G1]", async () => {
    const lab = new LabFiles(join(temporaryDirectory(), "deep", "er"));
    const registry = await lab.open();
    expect(await registry.lookup("robot")).toBeNull();
    expect(registry.store.capabilities.deathProof).toBe(true);
    const id = await registry.resolve("robot", NODE);
    expect(lab.entry("robot")).toMatchObject({ id, lock: null });
  });

  it("was made no later than it was changed, however long that took", async () => {
    const lab = new LabFiles(join(temporaryDirectory(), "lab"));
    let at = Date.UTC(2026, 0, 1);
    const clock: Clock = { ...systemClock, wallMs: () => wallMs(at++) };
    const store = new JsonFileStore(lab.path, { clock });
    onTestFinished(() => store.close());
    const write = { id: "01JQ000000000000000000000A", componentType: "node" } as const;
    const holder = { pid: 1, host: "lab", instance: "01JQ000000000000000000000B", ttlMs: 30_000 };
    await store.commit({ holder, parts: [{ kind: "put", name: "arm", expect: "absent", write }] });
    const { created_at, updated_at } = JSON.parse(readFileSync(lab.path, "utf8")) as Record<string, string>;
    expect(updated_at && created_at && updated_at >= created_at).toBe(true);
  });

  itAsRoot("keeps its owner and its mode, whoever changes it [G10]", async () => {
    const lab = new LabFiles(temporaryDirectory(0o777));
    await (await lab.open()).resolve("robot", NODE);
    chownSync(lab.path, NOBODY, NOBODY);
    chmodSync(lab.path, 0o664);
    const claim = await (await lab.open()).claim("robot", NODE);
    await claim.release();
    const { uid, gid, mode } = statSync(lab.path);
    expect([uid, gid, mode & 0o777]).toEqual([NOBODY, NOBODY, 0o664]);
    const nobody = await NodeProcess.start();
    await nobody.call("becomeNobody");
    await nobody.call("open", lab.path, {});
    await nobody.call("claim", "robot");
  });

  itAsRoot.each([
    ["whose permissions forbid to write", () => asNobody()],
    ["that is mounted read-only", (lab: LabFiles) => NodeProcess.start({ inside: inMount(READ_ONLY, lab.directory) })],
  ])("in a directory %s can be read, and refuses to be changed with the remedy [G11]", async (_, startReader) => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const { id } = await registry.claim("robot", NODE);
    const reader = await startReader(lab);
    await reader.call("open", lab.path, {});
    expect(await reader.call("lookup", "robot")).toBe(id);
    expect(await reader.call("lookup", "nobody")).toBeNull();
    expect(await reader.call("names")).toEqual(["robot"]);
    expect(await reader.failure("claim", "robot")).toMatchObject({ code: "held" });
    await registry.claimed("robot")?.release();
    for (const failure of [await reader.failure("claim", "robot"), await reader.failure("resolve", "new")]) {
      expect(failure).toMatchObject({ code: "read-only", message: expect.stringMatching(/access|read-only/) });
    }
  });

  itAsRoot("that is a mount of its own can be read, and refuses to be changed with the remedy [G2, G11]", async () => {
    const lab = new LabFiles();
    const id = await (await lab.open()).resolve("robot", NODE);
    const container = new LabFiles();
    writeFileSync(container.path, "");
    const inside = inMount(`mount --bind ${lab.path} "$0"`, container.path);
    const process = await NodeProcess.over(container.path, { inside });
    expect(await process.call("lookup", "robot")).toBe(id);
    const before = lab.text;
    for (const failure of [await process.failure("claim", "robot"), await process.failure("resolve", "new")]) {
      expect(failure).toMatchObject({
        code: "read-only",
        message: expect.stringContaining(`Mount the directory ${container.directory}`),
      });
    }
    expect(lab.text).toBe(before);
  });

  it("is one, whether it is spelled through a symbolic link or not [G2, G9]", async () => {
    const lab = new LabFiles();
    await (await lab.open()).resolve("robot", NODE);
    const linked = new LabFiles();
    symlinkSync(lab.path, linked.path);
    const direct = await NodeProcess.over(lab.path, LONG);
    const throughLink = await NodeProcess.over(linked.path, LONG);
    await direct.call("claim", "robot");
    expect(await throughLink.failure("claim", "robot")).toMatchObject({ code: "held" });
    await Promise.all([direct, throughLink].map((one) => one.call("countUp", "robot", 25)));
    expect(lab.entry("robot")?.metadata).toEqual({ count: 50 });
    expect(statSync(linked.path).ino).toBe(statSync(lab.path).ino);
    expect(readdirSync(linked.directory).sort()).toEqual(["registry.json", "registry.json.lock"]);
    await direct.kill();
    await throughLink.call("claim", "robot");
  });

  it("gives a name to one of several processes that claim it at once, new or of a dead holder [G1, G2]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    const processes = await Promise.all(Array.from({ length: 4 }, () => NodeProcess.over(lab.path, LONG)));
    const names = Array.from({ length: 10 }, (_, i) => `robot ${i}`);
    const oldNames = names.slice(0, 5);
    const before = await Promise.all(oldNames.map((name) => holder.call("claim", name)));
    await holder.kill();
    const outcomes = await Promise.all(
      names.map((name) => Promise.allSettled(processes.map((one) => one.call("claim", name)))),
    );
    const winners = outcomes.map((all) => all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])));
    expect(winners.map(({ length }) => length)).toEqual(names.map(() => 1));
    for (const [i, { id, token }] of before.entries()) {
      expect(winners[i]?.[0]?.id).toBe(id);
      expect(winners[i]?.[0]?.token).toBeGreaterThan(token);
    }
  });

  it("is whole at every moment, though processes are killed while they write it [G1, G9]", async () => {
    const lab = new LabFiles();
    const id = await (await lab.open()).resolve("robot", { ...NODE, metadata: { text: "x".repeat(100_000) } });
    let count = 0;
    for (let kill = 0; kill < 5; kill += 1) {
      const writer = await NodeProcess.over(lab.path);
      writer.call("countUp", "robot", 1_000_000).catch(() => undefined);
      const enough = count + 5;
      for (const until = performance.now() + 30 + kill * 7; count < enough || performance.now() < until; ) {
        const entry = lab.entry("robot");
        expect(entry?.id).toBe(id);
        const now = Number(entry?.metadata["count"] ?? 0);
        expect(now).toBeGreaterThanOrEqual(count);
        count = now;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await writer.kill();
    }
    expect(await (await lab.open()).lookup("robot")).toBe(id);
  });

  it("with 10,000 names works [G12]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const names = Array.from({ length: 10_000 }, (_, i) => `component ${i}`);
    const ids = await Promise.all(names.map((name) => registry.resolve(name, NODE)));
    expect(new Set(ids).size).toBe(10_000);
    const claim = await registry.claim("component 9999", NODE);
    expect(claim.id).toBe(ids[9_999]);
    expect(await Array.fromAsync(registry.list())).toHaveLength(10_000);
    await claim.release();
  });
});

describe.each([
  [
    "of a type that this version does not know",
    '"spaceship"',
    (text: string) => text.replace('"node"', '"spaceship"'),
    [],
  ],
  ["whose metadata are none", '"metadata": 7', (text: string) => text.replace('"metadata": {}', '"metadata": 7'), []],
  ["whose lock is none", '"lock": 7', (text: string) => text.replace(/"lock": \{[^}]*\}/, '"lock": 7'), ["odd"]],
  [
    "whose lock ends at no time",
    '"expires_at": "soon"',
    (text: string) => text.replace(/"expires_at": "[^"]*"/, '"expires_at": "soon"'),
    ["odd"],
  ],
])("an entry %s", (_, oddity, spoil, lost) => {
  it("is an error of its own: other names are claimed, kept and released, and its oddity stays [G8, G10]", async () => {
    const lab = new LabFiles();
    const registry = await openRegistry(lab.path, LONG);
    for (const name of ["odd", "fine"]) await registry.claim(name, NODE);
    lab.text = spoil(lab.text);
    expect([...(await registry.refreshLocks(["odd", "fine"])).keys()]).toEqual(lost);
    const another = await lab.open(LONG);
    await expect(another.claim("odd", { ...NODE, waitMs: 5_000 })).rejects.toMatchObject({ code: "damaged" });
    await another.claim("other", NODE);
    await expect(another.claim("fine", NODE)).rejects.toMatchObject({ code: "held" });
    await expect(registry.close()).rejects.toMatchObject({ code: "damaged" });
    await another.claim("fine", NODE);
    expect(lab.text).toContain(oddity);
  });
});

describe("an entry that cannot be read any more", () => {
  it("ends the waiting for its name, and nothing else [G8, G11]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "robot");
    const waiter = await NodeProcess.over(lab.path, LONG);
    await waiter.call("beginWait", "robot", 60_000);
    const ended = waiter.failure("endWait", "robot");
    lab.text = lab.text.replace(/"expires_at": "[^"]*"/, '"expires_at": "soon"');
    expect(await ended).toMatchObject({ code: "damaged" });
    expect(waiter.stderr).toBe("");
    await waiter.call("claim", "other");
    await holder.kill();
  });
});

describe("watching all names", () => {
  it("tells of the death of a holder [G6]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "robot");
    const { store } = await lab.open(LONG);
    const controller = new AbortController();
    let told = 0;
    const watching = (async () => {
      for await (const _ of store.watch({ signal: controller.signal })) told += 1;
    })();
    // Long enough for what the watch has to tell when it begins.
    await sleep(200);
    const toldBefore = told;
    await holder.kill();
    await expect.poll(() => told, { timeout: 5_000 }).toBeGreaterThan(toldBefore);
    expect((await store.read("robot")).record?.holder?.evidence).toEqual({ kind: "dead" });
    controller.abort();
    await watching;
  });
});

describe("a full disk", () => {
  itAsRoot(
    "leaves the registry as it was, says so, robs nobody, and is over when there is space [G1, G3, G7]",
    async () => {
      const { lab, disk } = smallDisk();
      const holder = await NodeProcess.over(lab.path, LONG);
      const held = await holder.call("claim", "held");
      const registry = await lab.open(LONG);
      const first = await registry.claim("robot", NODE);
      await first.release();
      const before = lab.text;

      disk.fill(0);
      for (const attempt of [registry.claim("robot", NODE), registry.resolve("new", NODE)]) {
        await expect(attempt).rejects.toMatchObject({
          code: "storage-failed",
          message: expect.stringContaining("disk is full"),
        });
      }
      await expect(registry.claim("held", NODE)).rejects.toMatchObject({ code: "held" });
      expect(lab.text).toBe(before);
      expect(await registry.lookup("robot")).toBe(first.id);
      expect(await holder.call("state", "held")).toMatchObject({ held: true });

      disk.free();
      expect(await holder.call("refresh", "held")).toBeNull();
      const again = await registry.claim("robot", NODE);
      expect([again.id, again.token > first.token]).toEqual([first.id, true]);
      await holder.kill();
      const taken = await registry.claim("held", NODE);
      expect([taken.id, taken.token > held.token]).toEqual([held.id, true]);
      expect(readdirSync(lab.directory).filter((name) => name.startsWith(".namehold-tmp"))).toEqual([]);
    },
  );

  itAsRoot("that fills up at any step of a claim leaves it given or not taken at all [G1, G2, G3]", async () => {
    const { lab, disk } = smallDisk();
    const registry = await lab.open(LONG);
    // Some pages more with each claim, so that what is freed by one file is not enough for the next.
    const growing = { ...NODE, metadata: { text: "x".repeat(8_000) } };
    await registry.resolve("first", growing);
    const outcomes = new Set<string>();
    let lastToken = 0;
    for (let freePages = 0; freePages < 64; freePages += 1) {
      disk.free();
      disk.fill(freePages);
      const name = `robot ${freePages}`;
      const claim = await registry.claim(name, growing).catch((error: { readonly code: string }) => error.code);
      outcomes.add(typeof claim === "string" ? claim : "claimed");
      disk.free();
      if (typeof claim === "string") expect(lab.text).not.toContain(JSON.stringify(name));
      const own = typeof claim === "string" ? await registry.claim(name, NODE) : claim;
      expect(lab.entry(name)?.lock?.holder_instance).toBe(registry.lockManager.instanceId);
      expect(own.token).toBeGreaterThan(lastToken);
      lastToken = own.token;
    }
    expect([...outcomes].sort()).toEqual(["claimed", "storage-failed"]);
  });
});

describe("a closed store", () => {
  it("refuses everything, and may be closed again [G11]", async () => {
    const store = new JsonFileStore(new LabFiles().path);
    await store.close();
    await store.close();
    const closed = { code: "closed" };
    await expect(store.read("robot")).rejects.toMatchObject(closed);
    const holder = { instance: "one", pid: 1, host: "lab", ttlMs: 1_000 };
    await expect(store.commit({ holder, parts: [] })).rejects.toMatchObject(closed);
    await expect(store.heartbeat(holder, new Map())).rejects.toMatchObject(closed);
    await expect(Array.fromAsync(store.list())).rejects.toMatchObject(closed);
    expect(() => store.watch({ signal: new AbortController().signal })).toThrow(expect.objectContaining(closed));
  });
});

/** A lab on a small file system of its own. */
function smallDisk(): { readonly lab: LabFiles; readonly disk: SmallDisk } {
  const disk = SmallDisk.mount(join(temporaryDirectory(), "disk"));
  onTestFinished(() => disk[Symbol.dispose]());
  const directory = join(disk.path, "lab");
  mkdirSync(directory);
  return { lab: new LabFiles(directory), disk };
}

async function asNobody(): Promise<NodeProcess> {
  const one = await NodeProcess.start();
  await one.call("becomeNobody");
  return one;
}

const READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"';

/** A command that runs another one among mounts of its own, which `mount` makes at the path `$0`. */
function inMount(mount: string, path: string): readonly string[] {
  return ["unshare", "--mount", "sh", "-c", `${mount} && exec "$@"`, path];
}
