import { chmodSync, existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { wallMs } from "../../../src/core/timing.js";
import { BeatPlan } from "../../../src/stores/json-file/beat-plan.js";
import { JsonFileStore } from "../../../src/stores/json-file/json-file-store.js";
import { LabFiles } from "./lab-files.js";
import { pythonEdits, pythonTakes } from "./regressions/python-file.js";
import { NODE } from "./regressions/registry-on-clock.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const NOW = wallMs(1_900_000_000_123);

describe("a heartbeat after one of the same holder", () => {
  it("changes the times of its locks in the file, and nothing else", async () => {
    const { lab, beat } = await holding(["a", "b"], ["free"]);
    await beat();
    const first = JSON.parse(lab.text) as object;
    const before = lab.entry("a")?.lock?.heartbeat_at ?? "";
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await beat()).size).toBe(0);
    const { acquired_at, heartbeat_at, expires_at } = lab.entry("b")?.lock ?? {
      acquired_at: "",
      heartbeat_at: "",
      expires_at: "",
    };
    expect(heartbeat_at > before && heartbeat_at > acquired_at).toBe(true);
    expect(Date.parse(expires_at) - Date.parse(heartbeat_at)).toBe(LONG.lockTtlMs);
    expect(withoutTimes(JSON.parse(lab.text))).toEqual(withoutTimes(first));
    expect(lab.entry("free")).toEqual((first as { entries: Record<string, unknown> }).entries["free"]);
  });

  it("is told of a name that Python took in between [G4, G5]", async () => {
    const { lab, beat } = await holding(["a", "b"]);
    for (let beats = 0; beats < 2; beats += 1) await beat();
    pythonTakes(lab, "b");
    expect([...(await beat())]).toMatchObject([["b", { reason: "taken" }]]);
  });

  it("is told of a name that an operator revoked in between [G4, G5]", async () => {
    const { lab, beat } = await holding(["a", "b"]);
    for (let beats = 0; beats < 2; beats += 1) await beat();
    await (await lab.open()).revoke("a", { reason: "maintenance" });
    expect([...(await beat())]).toMatchObject([["a", { reason: "revoked" }]]);
  });

  it("leaves what others have written in between as it is [G9, G10]", async () => {
    const { lab, beat } = await holding(["a"]);
    for (let beats = 0; beats < 2; beats += 1) await beat();
    pythonEdits(lab, (entries) => {
      const { a } = entries;
      if (a !== undefined) entries["a"] = { ...a, metadata: { big: 1 } };
    });
    for (let beats = 0; beats < 2; beats += 1) expect((await beat()).size).toBe(0);
    expect(lab.entry("a")?.metadata).toEqual({ big: 1 });
  });

  it("sees damage, and a copy that is gone, as any turn does [G8]", async () => {
    const { lab, beat } = await holding(["a"]);
    for (let beats = 0; beats < 2; beats += 1) await beat();
    lab.text = lab.text.slice(0, 60);
    expect((await beat()).size).toBe(0);
    expect(lab.entry("a")?.lock).not.toBeNull();
    await beat();
    rmSync(lab.copyPath);
    await beat();
    expect(existsSync(lab.copyPath)).toBe(true);
  });

  it("keeps the file's mode", async () => {
    const { lab, beat } = await holding(["a"]);
    chmodSync(lab.path, 0o640);
    for (let beats = 0; beats < 3; beats += 1) await beat();
    expect(statSync(lab.path).mode & 0o777).toBe(0o640);
  });
});

describe("a plan of the next heartbeat", () => {
  it("puts every time in its place, whatever names stand around", async () => {
    const { lab, names } = await holding(["a", 'quo"ted', "last_seen"]);
    const bytes = readFileSync(lab.path);
    const retimed = BeatPlan.of(bytes, { instance: "any", ttlMs: 30_000, names })?.retimed(bytes, NOW);
    const { updated_at, entries } = JSON.parse(String(retimed)) as {
      updated_at: string;
      entries: Record<string, Entry>;
    };
    for (const { last_seen, lock } of Object.values(entries)) {
      for (const time of [updated_at, last_seen, lock.heartbeat_at]) expect(time).toBe("2030-03-17T17:46:40.123000Z");
      expect(lock.expires_at).toBe("2030-03-17T17:47:10.123000Z");
    }
  });

  it.each<readonly [string, (text: string) => string]>([
    ["a time is spelled otherwise", (text) => text.replace(/("heartbeat_at": ".*)000Z"/, '$1Z"')],
    ["a lock is gone", (text) => text.replace(/"lock": \{[^}]*\}/, '"lock": null')],
    ["a time is missing", (text) => text.replace(/"last_seen": "[^"]*",/, "")],
    ["letters take more than a byte", (text) => text.replace('"metadata": {}', '"metadata": {"ort": "Köln"}')],
  ])("is none where %s", async (_, change) => {
    const { lab, names } = await holding(["a"]);
    const bytes = Buffer.from(change(lab.text));
    expect(bytes.equals(readFileSync(lab.path))).toBe(false);
    expect(BeatPlan.of(bytes, { instance: "any", ttlMs: 30_000, names })).toBeUndefined();
  });
});

interface Entry {
  readonly last_seen: string;
  readonly lock: { readonly heartbeat_at: string; readonly expires_at: string };
}

/** A store whose one holder holds the names, and its heartbeat. */
async function holding(held: readonly string[], free: readonly string[] = []) {
  const lab = new LabFiles();
  const maker = await lab.open();
  for (const name of [...held, ...free]) await maker.resolve(name, NODE);
  const store = new JsonFileStore(lab.path);
  onTestFinished(() => store.close());
  const holder = { instance: "01JW0000000000000000000001", pid: process.pid, host: "lab", ttlMs: LONG.lockTtlMs };
  const names = new Map<string, number>();
  for (const name of held) {
    const { record } = await store.read(name);
    if (record === null) throw new Error(`${name} is not there`);
    const part = { kind: "put", name, expect: record.version, write: { lock: { kind: "grant" } } } as const;
    const result = await store.commit({ holder, parts: [part] });
    if (result.kind !== "done") throw new Error(`${name} was not granted`);
    names.set(name, result.snapshots.get(name)?.record?.token ?? 0);
  }
  return { lab, names, beat: () => store.heartbeat(holder, names) };
}

function withoutTimes(registry: unknown): unknown {
  const times = new Set(["updated_at", "last_seen", "heartbeat_at", "expires_at"]);
  return JSON.parse(JSON.stringify(registry, (key, value: unknown) => (times.has(key) ? undefined : value)));
}
