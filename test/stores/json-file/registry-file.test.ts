import { existsSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { isNameholdError } from "../../../src/index.js";
import { FileTurn } from "../../../src/stores/json-file/file-turn.js";
import { itAsRoot } from "../../platform/requirements.js";
import { LabFiles } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };
const NODE = { type: "node" } as const;
const NAMES = ["a", "b", "c"];

type Spoil = (lab: LabFiles) => void;

const DAMAGES: readonly (readonly [what: string, spoil: Spoil])[] = [
  ["torn in its middle", (lab) => write(lab, lab.text.slice(0, lab.text.length / 2))],
  ["torn at its last byte", (lab) => write(lab, lab.text.slice(0, -1))],
  ["empty", (lab) => write(lab, "")],
  ["null", (lab) => write(lab, "null")],
  ["behind a byte-order mark", (lab) => write(lab, `\uFEFF${lab.text}`)],
  ["not UTF-8", (lab) => writeFileSync(lab.path, Buffer.from([0x7b, 0xff, 0xfe, 0x7d]))],
  ["missing", (lab) => unlinkSync(lab.path)],
  ["another registry", (lab) => write(lab, '{"version": 1, "created_at": "2031-01-01T00:00:00Z", "entries": {}}')],
];

describe.each(DAMAGES)("a registry file that is %s, beside its last good copy,", (_, spoil) => {
  it("gives known names their IDs, and makes no new ones until an operator has confirmed [G1, G8]", async () => {
    const lab = new LabFiles();
    const ids = await register(lab);
    spoil(lab);
    const damaged = existsSync(lab.path) ? readFileSync(lab.path) : null;

    const registry = await lab.open();
    for (const name of NAMES) expect(await registry.lookup(name)).toBe(ids.get(name));
    await expect(registry.lookup("new")).rejects.toMatchObject({ code: "damaged" });
    await expect(registry.resolve("new", NODE)).rejects.toMatchObject({ code: "damaged" });
    await expect(registry.claim("new", NODE)).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringContaining("namehold recover"),
    });
    await registry.resolve("a", { ...NODE, metadata: { seen: true } });
    expect(lab.entry("a")).toMatchObject({ id: ids.get("a"), metadata: { seen: true } });

    const report = await registry.recovery?.inspect();
    expect(report).toMatchObject({ recovered: NAMES, conflicts: [] });
    const evidence = report?.evidencePath ?? null;
    expect(evidence === null ? null : readFileSync(evidence)).toEqual(damaged);

    expect(await (await lab.open()).recovery?.accept()).toEqual(report);
    expect(await registry.recovery?.inspect()).toBeNull();
    await expect(registry.recovery?.accept()).rejects.toMatchObject({ code: "invalid-input" });
    expect([...ids.values()]).not.toContain(await registry.resolve("new", NODE));
    for (const name of NAMES) expect(await registry.lookup(name)).toBe(ids.get(name));
  });
});

describe("a registry file torn at any offset", () => {
  it("gives known names their IDs, whichever entries it still holds [G1, G8]", async () => {
    const lab = new LabFiles();
    const ids = await register(lab);
    const { text } = lab;
    const registry = await lab.open();
    for (let length = 0; length < text.length; length += 37) {
      write(lab, text.slice(0, length));
      for (const name of NAMES) expect(await registry.lookup(name)).toBe(ids.get(name));
    }
  });
});

describe("a damaged registry file", () => {
  it.each([
    ["without a copy", (lab: LabFiles) => rmSync(lab.holders, { recursive: true })],
    ["beside a damaged copy", (lab: LabFiles) => writeFileSync(lab.copyPath, "{")],
  ])("%s is not gone on from before an operator has confirmed what can be read [G1, G8]", async (_, spoil) => {
    const lab = new LabFiles();
    const ids = await register(lab);
    const { text } = lab;
    const torn = text.slice(0, text.indexOf('"c"'));
    spoil(lab);
    write(lab, torn);
    const registry = await lab.open();
    for (const attempt of [registry.lookup("a"), registry.resolve("a", NODE), registry.resolve("new", NODE)]) {
      await expect(attempt).rejects.toMatchObject({
        code: "damaged",
        message: expect.stringContaining("namehold recover"),
      });
    }
    expect(lab.text).toBe(torn);
    expect(await registry.recovery?.inspect()).toMatchObject({ recovered: ["a", "b"], evidencePath: lab.path });

    const report = await registry.recovery?.accept();
    expect(report).toMatchObject({ recovered: ["a", "b"] });
    expect(readFileSync(report?.evidencePath ?? "", "utf8")).toBe(torn);
    for (const name of ["a", "b"]) expect(await registry.lookup(name)).toBe(ids.get(name));
    expect(await registry.resolve("c", NODE)).not.toBe(ids.get("c"));
  });

  it("keeps each damage's evidence, and what both reported [G8]", async () => {
    const lab = new LabFiles();
    await register(lab);
    const registry = await lab.open();
    write(lab, "first");
    await registry.lookup("a");
    write(lab, "second");
    await registry.lookup("a");
    const evidence = readdirSync(lab.holders).filter((name) => name.startsWith("damaged-"));
    expect(evidence.map((name) => readFileSync(join(lab.holders, name), "utf8")).sort()).toEqual(["first", "second"]);
  });

  it("goes on from entries that are newer in it than in the copy, and reports the others [G2, G8]", async () => {
    const lab = new LabFiles();
    const ids = await register(lab);
    const foreignId = "01JQ0000000000000000000077";
    const changed = lab.text.replace('"metadata": {}', '"metadata": {"x": 1.0}').replace(ids.get("b") ?? "", foreignId);
    write(lab, changed.slice(0, changed.indexOf('"c"')));
    const registry = await lab.open();
    expect(await registry.lookup("b")).toBe(ids.get("b"));
    expect(lab.text).toContain('"metadata": {"x": 1.0}');
    expect(await registry.recovery?.inspect()).toMatchObject({ conflicts: ["b"] });
    // Read from the file, so nobody's lock can have been lost.
    await registry.claim("a", NODE);
  });

  it("is mended by the heartbeat of a process that holds names, which keeps them [G4, G8]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, { lockTtlMs: 60_000, heartbeatIntervalMs: 100 });
    const { id } = await holder.call("claim", "a");
    write(lab, lab.text.slice(0, 100));
    await expect.poll(() => readable(lab), { timeout: 5_000 }).toBe(true);
    expect(await holder.call("state", "a")).toMatchObject({ held: true });
    expect(await holder.call("refresh", "a")).toBeNull();
    expect(lab.entry("a")?.id).toBe(id);
  });

  it("robs no living holder of another process when it is recovered [G7, G8]", async () => {
    const lab = new LabFiles();
    const holder = await NodeProcess.over(lab.path, LONG);
    await holder.call("claim", "a");
    write(lab, "");
    const registry = await lab.open(LONG);
    await expect(registry.claim("a", NODE)).rejects.toMatchObject({ code: "held" });
    expect(await holder.call("refresh", "a")).toBeNull();
    await holder.kill();
    await registry.claim("a", NODE);
  });

  itAsRoot.each([
    ["whose permissions forbid it", async () => asNobody(await NodeProcess.start())],
    ["that is mounted read-only", (lab: LabFiles) => NodeProcess.start({ inside: inReadOnlyMount(lab.directory) })],
  ])("in a directory %s is still not read as empty [G8, G11]", async (_, startReader) => {
    const lab = new LabFiles();
    const ids = await register(lab);
    write(lab, lab.text.slice(0, 60));
    const reader = await startReader(lab);
    await reader.call("open", lab.path, {});
    expect(await reader.call("lookup", "a")).toBe(ids.get("a"));
    expect(await reader.call("names")).toEqual(NAMES);
    expect(await reader.failure("lookup", "new")).toMatchObject({ code: "damaged" });
    expect(await reader.failure("resolve", "a")).toMatchObject({ code: "read-only" });
  });
});

describe("the last good copy", () => {
  it("is made anew where it is missing or damaged, from a sound registry [G8]", async () => {
    const lab = new LabFiles();
    const ids = await register(lab);
    for (const spoil of [() => unlinkSync(lab.copyPath), () => writeFileSync(lab.copyPath, "{")]) {
      spoil();
      const registry = await lab.open();
      expect(await registry.lookup("a")).toBe(ids.get("a"));
      await registry.resolve("a", NODE);
      expect(JSON.parse(readFileSync(lab.copyPath, "utf8"))).toMatchObject({ entries: { a: { id: ids.get("a") } } });
    }
  });

  it("takes in what Python wrote, as soon as anybody of us writes [G8]", async () => {
    const lab = new LabFiles();
    const ids = await register(lab);
    const theirs = "01JPYTHQNPYTHQNPYTHQNPYTHQ";
    write(lab, lab.text.replace('"c": {', '"python\'s": {').replace(ids.get("c") ?? "", theirs));
    const registry = await lab.open();
    await registry.resolve("a", NODE);
    write(lab, "");
    expect(await registry.lookup("python's")).toBe(theirs);
  });

  it("alone, of a registry whose names were all removed, is accepted like any other [G8]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open();
    await registry.resolve("a", NODE);
    await registry.importEntries({ version: 1, entries: {} }, { merge: false });
    unlinkSync(lab.path);
    await expect(registry.resolve("a", NODE)).rejects.toMatchObject({ code: "damaged" });
    await registry.recovery?.accept();
    await registry.resolve("a", NODE);
  });

  it("and registry both missing are a new registry [G8]", async () => {
    const lab = new LabFiles();
    await register(lab);
    unlinkSync(lab.path);
    rmSync(lab.holders, { recursive: true });
    const registry = await lab.open();
    expect(await registry.lookup("a")).toBeNull();
    await registry.resolve("a", NODE);
  });
});

describe("operations of one process at the same time", () => {
  it("share few turns at the file, claims as well as heartbeats [G9]", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const turns = vi.spyOn(FileTurn.prototype, "take");
    const names = Array.from({ length: 400 }, (_, i) => `name ${i}`);
    const claims = await Promise.all(names.map((name) => registry.claim(name, NODE)));
    expect(new Set(claims.map(({ id }) => id)).size).toBe(400);
    expect(new Set(claims.map(({ token }) => token)).size).toBe(400);
    expect(turns.mock.calls.length).toBeLessThan(10);
    turns.mockClear();
    expect((await registry.refreshLocks(names)).size).toBe(0);
    expect(turns).toHaveBeenCalledTimes(1);
    await registry.releaseAll();
    expect(turns.mock.calls.length).toBeLessThan(10);
    turns.mockRestore();
    expect(names.filter((name) => lab.entry(name)?.lock !== null)).toEqual([]);
  });

  it("fail alone: one that is refused changes nothing for the others [G11]", async () => {
    const lab = new LabFiles();
    await register(lab);
    const registry = await lab.open();
    await registry.claim("a", NODE);
    const outcomes = await Promise.allSettled([
      registry.claim("b", NODE),
      registry.claim("a", NODE),
      registry.resolve("c", { type: "manager" }),
      registry.resolve("d", NODE),
    ]);
    const codes = outcomes.map((one) =>
      one.status === "rejected" && isNameholdError(one.reason) ? one.reason.code : "done",
    );
    expect(codes).toEqual(["done", "held", "type-mismatch", "done"]);
  });

  it("of four processes lose no update, with a hundred increments each of one number [G9]", async () => {
    const lab = new LabFiles();
    await register(lab);
    const processes = await Promise.all(Array.from({ length: 4 }, () => NodeProcess.over(lab.path)));
    await Promise.all(processes.map((one) => one.call("countUp", "a", 100)));
    expect(lab.entry("a")?.metadata).toEqual({ count: 400 });
  });
});

async function register(lab: LabFiles): Promise<ReadonlyMap<string, string>> {
  const registry = await lab.open();
  const ids = new Map<string, string>();
  for (const name of NAMES) ids.set(name, await registry.resolve(name, NODE));
  return ids;
}

function write(lab: LabFiles, text: string): void {
  lab.text = text;
}

function readable(lab: LabFiles): boolean {
  try {
    return typeof JSON.parse(lab.text) === "object";
  } catch {
    return false;
  }
}

async function asNobody(one: NodeProcess): Promise<NodeProcess> {
  await one.call("becomeNobody");
  return one;
}

/** A command that runs another one to which `directory` is read-only. */
function inReadOnlyMount(directory: string): readonly string[] {
  const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  return ["unshare", "--mount", "sh", "-c", script, directory];
}
