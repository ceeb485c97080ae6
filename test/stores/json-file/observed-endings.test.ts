import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Registry } from "../../../src/index.js";
import type { EndedHold } from "../../../src/registry/history.js";
import { LabFiles } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";
import {
  PYTHON_INSTANCE,
  pythonEdits,
  pythonEntry,
  pythonReleases,
  pythonRenames,
  pythonTakes,
} from "./regressions/python-file.js";
import { NODE, registryOn, TTL_MS } from "./regressions/registry-on-clock.js";
import { ShiftedClock } from "./shifted-clock.js";

const PYTHON = { instance: PYTHON_INSTANCE, pid: 4_711, host: "elsewhere" };
const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const SECOND = "01JPYTHQNPYTHQNPYTHQNPYTH2";

describe("a hold of a Python process", () => {
  it("that released it is told of as observed, within a TTL of its last heartbeat", async () => {
    const { lab, clock, registry } = await heldByPython();
    clock.pass(10 * TTL_MS);
    // Each heartbeat of the reference sets when its entry was last seen; its release does not.
    const lastHeartbeat = clock.wallMs() - 5 * TTL_MS;
    pythonEdits(lab, (entries) => {
      const { arm } = entries;
      if (arm !== undefined) entries["arm"] = { ...arm, last_seen: new Date(lastHeartbeat).toISOString(), lock: null };
    });
    const hold = await theHold(registry, "arm");
    expect(hold).toMatchObject({ ending: { how: "released" }, observed: true, token: null, holder: PYTHON });
    expect([hold.lastHeartbeat, hold.until]).toEqual([Math.trunc(lastHeartbeat), Math.trunc(lastHeartbeat) + TTL_MS]);
  });

  it("that another one took over after its expiry was silent until then", async () => {
    const { lab, clock, registry } = await heldByPython();
    clock.pass(2 * TTL_MS);
    const takenAt = clock.wallMs() - 10;
    writeLock(lab, "arm", { instance: SECOND, at: takenAt });
    const hold = await theHold(registry, "arm");
    expect(hold).toMatchObject({ ending: { how: "silent" }, observed: true, holder: PYTHON, until: takenAt });
  });

  it("that another one whose clock is ahead took over is lost to it", async () => {
    const { lab, clock, registry } = await heldByPython();
    clock.pass(1_000);
    writeLock(lab, "arm", { instance: SECOND, at: clock.wallMs() + 2 * TTL_MS });
    const ending = { how: "lost", detail: "taken by elsewhere (PID 4712)" };
    const hold = await theHold(registry, "arm");
    expect(hold).toMatchObject({ ending, observed: true, holder: PYTHON });
    expect(hold.until).toBeLessThanOrEqual(clock.wallMs());
  });

  it("that another one has now, taken before its expiry, was released before", async () => {
    const { lab, clock, registry } = await heldByPython();
    clock.pass(1_000);
    writeLock(lab, "arm", { instance: SECOND, at: clock.wallMs() - 100 });
    expect(await theHold(registry, "arm")).toMatchObject({ ending: { how: "released" }, observed: true });
  });

  it("is judged by the latest heartbeat that this process has seen", async () => {
    const { lab, clock, registry } = await heldByPython();
    const at = acquiredAt(lab, "arm");
    clock.pass(3 * TTL_MS);
    writeLock(lab, "arm", { instance: PYTHON_INSTANCE, at, heartbeatAt: clock.wallMs() });
    // A turn that changes no more than times.
    await registry.resolve("arm", NODE);
    clock.pass(1_000);
    writeLock(lab, "arm", { instance: SECOND, at: clock.wallMs() - 100 });
    const hold = await theHold(registry, "arm");
    expect(hold).toMatchObject({ ending: { how: "released" }, observed: true });
    expect(hold.lastHeartbeat - hold.since).toBeGreaterThan(2.9 * TTL_MS);
  });

  it("that was taken again by the same process goes on as a hold of its own", async () => {
    const { lab, clock, registry } = await heldByPython();
    clock.pass(2 * TTL_MS);
    writeLock(lab, "arm", { instance: PYTHON_INSTANCE, at: clock.wallMs() });
    const [standing, ended, ...others] = await registry.history("arm");
    expect(others).toEqual([]);
    expect([standing?.kind, ended?.kind]).toEqual(["standing", "ended"]);
    expect(ended).toMatchObject({ ending: { how: "released" }, until: standing?.since });
  });

  it("that it renamed by force has ended as renamed", async () => {
    const { lab, registry } = await heldByPython();
    pythonRenames(lab, "arm", "left_arm");
    expect(await theHold(registry, "arm")).toMatchObject({
      ending: { how: "renamed", detail: "left_arm" },
      observed: true,
    });
    expect(await registry.history("left_arm")).toEqual(await registry.history("arm"));
  });

  it("of which Python has removed the entry is lost", async () => {
    const { lab, registry } = await heldByPython();
    pythonEdits(lab, (entries) => delete entries["arm"]);
    const ending = { how: "lost", detail: "its entry was removed" };
    expect(await theHold(registry, "arm")).toMatchObject({ ending, observed: true });
  });

  it("of which an import by Python has replaced the entry is lost, whether the new one is held or not", async () => {
    for (const isHeld of [false, true]) {
      const { lab, clock, registry } = await heldByPython();
      clock.pass(1_000);
      pythonEdits(lab, (entries) => {
        entries["arm"] = pythonEntry("01JQ0000000000000000000099");
      });
      const takenAt = clock.wallMs() - 100;
      if (isHeld) writeLock(lab, "arm", { instance: SECOND, at: takenAt });
      const ending = { how: "lost", detail: "its entry was replaced" };
      const hold = await theHold(registry, "arm");
      expect(hold).toMatchObject({ ending, observed: true, holder: PYTHON });
      if (isHeld) expect(hold.until).toBe(Math.trunc(takenAt));
      else expect(hold.until).toBeGreaterThan(takenAt);
    }
  });

  it("that it renamed by force to a name which was another's has ended as renamed", async () => {
    const { lab, registry } = await heldByPython();
    for (const [from, to] of [
      ["arm", "spare"],
      ["witness", "arm"],
      ["spare", "witness"],
    ] as const)
      pythonRenames(lab, from, to);
    const ending = { how: "renamed", detail: "witness" };
    expect(await theHold(registry, "arm")).toMatchObject({ ending, observed: true });
  });

  it("that a namehold process took over when it had expired is told by that one", async () => {
    const { clock, registry } = await heldByPython();
    clock.pass(TTL_MS + 1_000);
    await registry.claim("arm", NODE);
    const [, ended] = await registry.history("arm");
    expect(ended).toMatchObject({ ending: { how: "silent" }, observed: false, token: null, holder: PYTHON });
  });

  it("whose lock was lost in damage is lost, and the lock that holds its name back is nobody's hold [G8]", async () => {
    const { lab, clock, registry } = await heldByPython();
    lab.text = lab.text.slice(0, lab.text.indexOf('"arm"'));
    await registry.resolve("arm", NODE);
    const ending = { how: "lost", detail: "its lock was lost in damage" };
    expect(await theHold(registry, "arm")).toMatchObject({ ending, observed: true, holder: PYTHON });
    // Whether the clock can be trusted or not: the lock has been seen unchanged.
    await registry.entry("arm");
    clock.pass(TTL_MS + 1_000);
    await (await registry.claim("arm", NODE)).release();
    expect((await endedHolds(registry, "arm")).map(({ ending: { how } }) => how)).toEqual(["released", "lost"]);
  });

  it("that took over the lock by which a name is held back has ended nobody's hold [G8]", async () => {
    const { lab, clock, registry } = await heldByPython();
    lab.text = lab.text.slice(0, lab.text.indexOf('"arm"'));
    await registry.resolve("arm", NODE);
    clock.pass(TTL_MS + 1_000);
    writeLock(lab, "arm", { instance: SECOND, at: clock.wallMs() - 100 });
    const story = (await registry.history("arm")).map(({ kind, holder }) => [kind, holder.instance]);
    expect(story).toEqual([
      ["standing", SECOND],
      ["ended", PYTHON_INSTANCE],
    ]);
  });
});

describe("a hold of a namehold process", () => {
  it("that Python took while it lived is lost to Python, with its token", async () => {
    const { lab, clock, registry, token } = await heldByUs();
    clock.pass(1_000);
    pythonTakes(lab, "arm");
    expect(await theHold(registry, "arm")).toMatchObject({
      token,
      ending: { how: "lost", detail: "taken by elsewhere (PID 4711)" },
      observed: true,
    });
  });

  it("is judged by its presence's beats, which the copy does not know", async () => {
    const { lab, clock, holder, registry } = await heldByUs();
    clock.pass(20_000);
    await holder.refresh("arm");
    const lastHeartbeat = clock.wallMs();
    clock.pass(20_000);
    writeLock(lab, "arm", { instance: PYTHON_INSTANCE, at: clock.wallMs() - 100 });
    const hold = await theHold(registry, "arm");
    expect(hold).toMatchObject({ ending: { how: "lost" }, observed: true });
    expect(Math.abs(hold.lastHeartbeat - lastHeartbeat)).toBeLessThan(1_000);
  });

  it("that Python took when it had been silent past its TTL was silent", async () => {
    const { lab, clock, registry, token } = await heldByUs();
    clock.pass(TTL_MS + 1_000);
    writeLock(lab, "arm", { instance: PYTHON_INSTANCE, at: clock.wallMs() - 500 });
    expect(await theHold(registry, "arm")).toMatchObject({ token, ending: { how: "silent" }, observed: true });
  });

  it("whose process is dead when Python has taken it after its expiry has crashed", async () => {
    const lab = new LabFiles();
    const clock = new ShiftedClock();
    const registry = registryOn(lab, clock);
    const doomed = await NodeProcess.over(lab.path, {});
    const { token } = await doomed.call("claim", "arm");
    await doomed.kill();
    clock.pass(TTL_MS + 1_000);
    writeLock(lab, "arm", { instance: PYTHON_INSTANCE, at: clock.wallMs() - 500 });
    expect(await theHold(registry, "arm")).toMatchObject({ token, ending: { how: "crashed" }, observed: true });
  });

  it("of which Python has removed the lock is lost", async () => {
    const { lab, registry, token } = await heldByUs();
    pythonReleases(lab, "arm");
    const ending = { how: "lost", detail: "its lock was removed" };
    expect(await theHold(registry, "arm")).toMatchObject({ token, ending, observed: true });
  });

  it("that Python renamed by force has ended as renamed", async () => {
    const { lab, registry, token } = await heldByUs();
    pythonRenames(lab, "arm", "left_arm");
    const ending = { how: "renamed", detail: "left_arm" };
    expect(await theHold(registry, "arm")).toMatchObject({ token, ending, observed: true });
  });

  it("that ended in a process which was killed before it could record that is told of as far as can be seen", async () => {
    const lab = new LabFiles();
    const doomed = await NodeProcess.over(lab.path, LONG);
    const { token } = await doomed.call("claim", "arm");
    const held = leftIn(lab);
    const presence = join(lab.holders, lab.entry("arm")?.lock?.holder_instance ?? "");
    linkSync(presence, `${presence} kept`);
    await doomed.kill();
    const registry = await lab.open(LONG);
    const next = await registry.claim("arm", NODE);
    forgetLastTurn(lab, held);
    renameSync(`${presence} kept`, presence);
    expect(await theHold(await lab.open(), "arm")).toMatchObject({ ending: { how: "crashed" }, observed: true });
    const heldAnew = leftIn(lab);
    await next.release();
    forgetLastTurn(lab, heldAnew);
    const { lockManager } = registry;
    expect(await theHold(await lab.open(), "arm")).toMatchObject({
      holder: { instance: lockManager.instanceId },
      ending: { how: "released" },
      observed: true,
    });
    expect(token).toBeLessThan(next.token);
  });
});

describe("observing", () => {
  it("records each end once, whoever looks first and how often", async () => {
    const { lab, registry } = await heldByPython();
    pythonReleases(lab, "arm");
    const other = await lab.open();
    const found = await endedHolds(other, "arm");
    expect(found).toHaveLength(1);
    for (const asked of [registry, other, await lab.open()]) expect(await endedHolds(asked, "arm")).toEqual(found);
    await registry.resolve("new", NODE);
    expect(await endedHolds(other, "arm")).toEqual(found);
  });

  it("makes no records of heartbeats, new names and new holders", async () => {
    const { lab, clock, registry } = await heldByPython();
    clock.pass(5_000);
    writeLock(lab, "arm", { instance: PYTHON_INSTANCE, at: acquiredAt(lab, "arm"), heartbeatAt: clock.wallMs() });
    pythonEdits(lab, (entries) => {
      entries["new"] = pythonEntry("01JQ0000000000000000000099");
    });
    pythonTakes(lab, "new");
    await registry.resolve("third", NODE);
    expect((await registry.history()).map(({ kind }) => kind)).toEqual(["standing", "standing"]);
  });
});

interface Scene {
  readonly lab: LabFiles;
  readonly clock: ShiftedClock;
  readonly registry: Registry;
}

/** A Python process holds `arm`, and a turn of ours has seen it. */
async function heldByPython(): Promise<Scene> {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  const registry = registryOn(lab, clock);
  await registry.resolve("arm", NODE);
  pythonTakes(lab, "arm");
  await registry.resolve("witness", NODE);
  return { lab, clock, registry };
}

async function heldByUs(): Promise<Scene & { readonly holder: Registry; readonly token: number }> {
  const lab = new LabFiles();
  const clock = new ShiftedClock();
  const holder = registryOn(lab, clock);
  const { token } = await holder.claim("arm", NODE);
  return { lab, clock, holder, registry: registryOn(lab, clock), token };
}

async function endedHolds(registry: Registry, name: string): Promise<readonly EndedHold[]> {
  return (await registry.history(name)).filter((hold) => hold.kind === "ended");
}

async function theHold(registry: Registry, name: string): Promise<EndedHold> {
  const [hold, ...others] = await endedHolds(registry, name);
  expect(others).toEqual([]);
  if (hold === undefined) throw new Error(`no hold of ${name} is on record`);
  return hold;
}

/** What a turn has left: the copy, and the locks since. */
interface Left {
  readonly copy: Buffer;
  readonly locks: Buffer | undefined;
}

function leftIn({ copyPath, leftPath }: LabFiles): Left {
  return { copy: readFileSync(copyPath), locks: existsSync(leftPath) ? readFileSync(leftPath) : undefined };
}

/** As after a kill between the writing of the registry and that of what is remembered of it. */
function forgetLastTurn(lab: LabFiles, { copy, locks }: Left): void {
  writeFileSync(lab.copyPath, copy);
  if (locks === undefined) rmSync(lab.leftPath, { force: true });
  else writeFileSync(lab.leftPath, locks);
  rmSync(join(lab.holders, "history.jsonl"));
}

interface ForeignLock {
  readonly instance: string;
  readonly at: number;
  readonly heartbeatAt?: number;
}

function writeLock(lab: LabFiles, name: string, { instance, at, heartbeatAt = at }: ForeignLock): void {
  const time = (ms: number) => new Date(ms).toISOString().replace("Z", "000Z");
  lab.writeLock(name, {
    holder_pid: instance === PYTHON_INSTANCE ? PYTHON.pid : 4_712,
    holder_host: "elsewhere",
    holder_instance: instance,
    acquired_at: time(at),
    heartbeat_at: time(heartbeatAt),
    expires_at: time(heartbeatAt + TTL_MS),
  });
}

function acquiredAt(lab: LabFiles, name: string): number {
  return Date.parse(lab.entry(name)?.lock?.acquired_at ?? "");
}
