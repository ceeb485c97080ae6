import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/core/entry.js";
import type { Registry } from "../../src/registry/registry.js";
import type { CleanOptions } from "../../src/registry/transfer.js";
import { HEARTBEAT_MS, Lab, type LabProcess, TTL_MS } from "./lab.js";

const NODE = { type: "node" } as const;
const DAY_MS = 24 * 60 * 60 * 1000;
const [ID_A, ID_B, ID_C] = [
  "01JQ000000000000000000000A",
  "01JQ000000000000000000000B",
  "01JQ000000000000000000000C",
] as const;

/** What a JavaScript object could not carry, as Python writes it. */
const FOREIGN_ENTRY = `{
      "id": "${ID_A}",
      "component_type": "module",
      "created_at": "2024-02-29T23:59:59.123456Z",
      "last_seen": "2025-12-31 01:02:03+01:00",
      "metadata": {
        "volume": 1.0,
        "serial": 123456789012345678901234567890,
        "tiny": 1e-7,
        "none": NaN,
        "text": "\\u00e9\\ud83d\\ude00"
      },
      "lock": null,
      "workcell_id": "wc_1",
      "from_the_future": [1.50, {"x": -0.0}]
    }`;

function registryText(entries: Readonly<Record<string, string>>): string {
  const members = Object.entries(entries).map(([name, entry]) => `${JSON.stringify(name)}: ${entry}`);
  return `{"version": 1, "entries": {${members.join(", ")}}}`;
}

function entryText(id: string, members = ""): string {
  return `{"id": "${id}", "component_type": "node"${members}}`;
}

/** Last seen long before the tests' clock begins. */
const OLD = ', "last_seen": "2020-01-01T00:00:00Z"';

async function nameAndIds(registry: Registry): Promise<Readonly<Record<string, string>>> {
  const ids: Record<string, string> = {};
  for await (const { name, entry } of registry.list()) ids[name] = entry.id;
  return ids;
}

/** The names that a clean removed, or would remove. */
async function cleaned(registry: Registry, options: CleanOptions = {}): Promise<readonly string[]> {
  return (await registry.clean(options)).removed.map(({ name }) => name);
}

/** Another process changes something between the reading and the writing of `work`. */
async function interrupted<T>(worker: LabProcess, work: () => Promise<T>, change: () => Promise<unknown>): Promise<T> {
  const pause = worker.store.pauseNext("before", "commit");
  const result = work();
  result.catch(() => undefined);
  await Promise.race([pause.reached, result]);
  await change();
  pause.resume();
  return result;
}

describe("clean", () => {
  it("removes what nobody has used for longer than the days given, to the millisecond", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.resolve("old", NODE);
    await lab.clock.advance(1);
    await registry.resolve("seen", NODE);
    await lab.clock.advance(3 * DAY_MS - 1);
    expect(await cleaned(registry, { olderThanDays: 3 })).toEqual([]);
    await lab.clock.advance(1);
    expect(await cleaned(registry, { olderThanDays: 3 })).toEqual(["old"]);
    expect(Object.keys(await nameAndIds(registry))).toEqual(["seen"]);
    expect(await cleaned(registry, { olderThanDays: 0.5 })).toEqual(["seen"]);
  });

  it("takes 7 days when not told", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.resolve("robot", NODE);
    await lab.clock.advance(7 * DAY_MS);
    expect(await cleaned(registry)).toEqual([]);
    await lab.clock.advance(1);
    expect(await cleaned(registry)).toEqual(["robot"]);
  });

  it("as a dry run tells the same and removes nothing", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.resolve("robot", NODE);
    await registry.resolve("arm", NODE);
    await lab.clock.advance(1);
    const before = await lab.everything();
    expect(await cleaned(registry, { olderThanDays: 0, dryRun: true })).toEqual(["robot", "arm"]);
    expect(await lab.everything()).toEqual(before);
    expect(await cleaned(registry, { olderThanDays: 0 })).toEqual(["robot", "arm"]);
    expect(await lab.everything()).toEqual([]);
  });

  it("keeps what is held, and removes what a dead or silent holder left [G6, G7]", async () => {
    const lab = new Lab();
    const [a, b, c] = [lab.open(), lab.open(), lab.open()];
    await a.claim("dead");
    await b.claim("silent");
    const held = await c.claim("held");
    a.kill();
    b.store.freeze();
    await lab.clock.advance(TTL_MS);
    expect(await cleaned(c.registry, { olderThanDays: 0 })).toEqual(["dead", "silent"]);
    expect(await nameAndIds(c.registry)).toEqual({ held: held.id });
    await lab.clock.advance(TTL_MS);
    expect(held.held).toBe(true);
  });

  it("keeps what was used in between [G9]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.registry.resolve("used", NODE);
    await a.registry.resolve("unused", NODE);
    await lab.clock.advance(1);
    const clean = interrupted(
      a,
      () => cleaned(a.registry, { olderThanDays: 0 }),
      () => b.claim("used"),
    );
    expect(await clean).toEqual(["unused"]);
    expect(Object.keys(await nameAndIds(a.registry))).toEqual(["used"]);
  });

  it("keeps a name whose silent holder comes back in between [G7]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    const id = claim.id;
    a.store.freeze();
    await lab.clock.advance(TTL_MS);
    const clean = interrupted(
      b,
      () => cleaned(b.registry, { olderThanDays: 0 }),
      async () => {
        a.store.thaw();
        await a.registry.refreshLocks(["robot"]);
      },
    );
    expect(await clean).toEqual([]);
    expect(await nameAndIds(b.registry)).toEqual({ robot: id });
  });

  it("of what a dry run has told alone, keeps what has come alive, is new, or has another ID by now [G1, G9]", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    for (const name of ["stale", "used", "remade"]) await registry.resolve(name, NODE);
    await lab.clock.advance(1);
    const shown = await registry.clean({ olderThanDays: 0, dryRun: true });
    await registry.importEntries(registryText({ remade: entryText(ID_A, OLD), used: entryText(ID_B, OLD) }), {
      merge: false,
    });
    await registry.importEntries(registryText({ new: entryText(ID_C, OLD) }));
    const stale = shown.removed.filter(({ name }) => name === "stale");
    await registry.importEntries(registryText({ stale: entryText(stale[0]?.entry.id ?? "", OLD) }));
    await (await lab.open().claim("used")).release();
    expect(await cleaned(registry, { olderThanDays: 0, only: shown.removed })).toEqual(["stale"]);
    expect(await nameAndIds(registry)).toEqual({ remade: ID_A, used: ID_B, new: ID_C });
  });

  it("lets a removed name be made anew, with another ID and a greater token [G3]", async () => {
    const lab = new Lab();
    const a = lab.open();
    const first = await a.claim("robot");
    await first.release();
    await lab.clock.advance(1);
    expect(await cleaned(a.registry, { olderThanDays: 0 })).toEqual(["robot"]);
    lab.clock.stepWall(-DAY_MS);
    const second = await a.claim("robot");
    expect(second).toMatchObject({ isNew: true });
    expect(second.id).not.toBe(first.id);
    expect(second.token).toBeGreaterThan(first.token);
  });

  it.each([-1, Number.NaN, undefined as unknown as number])(
    "with %s days removes nothing that was just used [G12]",
    async (days) => {
      const lab = new Lab();
      const { registry } = lab.open();
      await registry.resolve("robot", NODE);
      const names = cleaned(registry, { olderThanDays: days });
      if (days === undefined) await expect(names).resolves.toEqual([]);
      else await expect(names).rejects.toMatchObject({ code: "invalid-input" });
      expect(Object.keys(await nameAndIds(registry))).toEqual(["robot"]);
    },
  );
});

describe("export", () => {
  it("of nothing is a registry without entries", async () => {
    const text = await new Lab().open().registry.exportText();
    expect(JSON.parse(text)).toEqual({
      version: 1,
      created_at: "2026-01-01T00:00:00.000000Z",
      updated_at: "2026-01-01T00:00:00.000000Z",
      entries: {},
    });
  });

  it("has every entry to the letter, and no lock [G10]", async () => {
    const lab = new Lab();
    const a = lab.open();
    await a.registry.importEntries(registryText({ arm: FOREIGN_ENTRY }));
    await a.claim("robot");
    const text = await a.registry.exportText();
    expect(text).toContain(`"arm": ${FOREIGN_ENTRY}`);
    const { entries } = JSON.parse(text.replace("NaN", "null")) as { entries: Record<string, { lock: unknown }> };
    expect(entries["robot"]).toMatchObject({ component_type: "node", lock: null });
    expect((await lab.record("robot")).entry.lock).not.toBeNull();
  });

  it("that cannot read the registry fails, and is never an empty one [G8, G11]", async () => {
    const lab = new Lab();
    const a = lab.open();
    await a.claim("robot");
    await a.registry.close();
    await expect(a.registry.exportText()).rejects.toMatchObject({ code: "closed" });
  });

  it("and import give the same registry elsewhere, to the letter [G1, G10]", async () => {
    const [from, to] = [new Lab(), new Lab()];
    const { registry } = from.open();
    await registry.importEntries(registryText({ arm: FOREIGN_ENTRY, __proto__x: entryText(ID_B) }));
    for (const name of ["", "10", "2", "__proto__", "two\nlines"]) await registry.resolve(name, NODE);
    const text = await registry.exportText();
    const other = to.open().registry;
    const report = await other.importEntries(text);
    expect(report.added).toEqual(["arm", "__proto__x", "", "10", "2", "__proto__", "two\nlines"]);
    expect(await other.exportText()).toBe(text);
  });
});

describe("import", () => {
  it("adds what is new and keeps what is there, and tells which is which [G1]", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    const id = await registry.resolve("robot", { ...NODE, metadata: { mine: true } });
    const data = registryText({ robot: entryText(ID_A), arm: entryText(ID_B, ', "metadata": {"a": 1}') });
    expect(await registry.importEntries(data)).toMatchObject({
      added: ["arm"],
      replaced: [],
      removed: [],
      kept: ["robot"],
    });
    expect(await nameAndIds(registry)).toEqual({ robot: id, arm: ID_B });
    expect((await lab.record("robot")).entry.metadata).toEqual({ mine: true });
    expect((await registry.claim("arm", NODE)).id).toBe(ID_B);
    expect(await registry.importEntries(data)).toMatchObject({
      added: [],
      replaced: [],
      removed: [],
      kept: ["robot", "arm"],
    });
  });

  it("takes an object as well as text", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    const entries = JSON.parse(`{"arm": ${entryText(ID_A)}, "__proto__": ${entryText(ID_B)}}`) as JsonObject;
    expect((await registry.importEntries({ entries })).added).toEqual(["arm", "__proto__"]);
    expect(await registry.lookup("__proto__")).toBe(ID_B);
  });

  it("does not bring locks in [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const lock = `, "lock": {"holder_pid": 1, "holder_host": "elsewhere", "holder_instance": "${a.instance}",
      "acquired_at": "2026-01-01T00:00:00Z", "heartbeat_at": "2026-01-01T00:00:00Z", "expires_at": "2099-01-01T00:00:00Z"}`;
    const data = registryText({ robot: entryText(ID_A, lock) });
    for (const merge of [true, false]) {
      await a.registry.importEntries(data, { merge });
      expect((await lab.record("robot")).entry.lock).toBeNull();
    }
    expect((await b.claim("robot")).id).toBe(ID_A);
  });

  it("as a replacement makes the registry what the data are, and tells what it did", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    for (const name of ["robot", "gone"]) await registry.resolve(name, NODE);
    const data = registryText({ robot: entryText(ID_A), arm: entryText(ID_B) });
    expect(await registry.importEntries(data, { merge: false })).toMatchObject({
      added: ["arm"],
      replaced: ["robot"],
      removed: ["gone"],
      kept: [],
    });
    expect(await nameAndIds(registry)).toEqual({ robot: ID_A, arm: ID_B });
    await registry.importEntries('{"entries": {}}', { merge: false });
    expect(await nameAndIds(registry)).toEqual({});
  });

  it("as a replacement may swap the IDs of two names [G2]", async () => {
    const { registry } = new Lab().open();
    await registry.importEntries(registryText({ robot: entryText(ID_A), arm: entryText(ID_B) }));
    await registry.importEntries(registryText({ robot: entryText(ID_B), arm: entryText(ID_A) }), { merge: false });
    expect(await nameAndIds(registry)).toEqual({ robot: ID_B, arm: ID_A });
  });

  it.each(["robot", "another"])(
    "as a replacement is refused while a name is held, with %s in the data, and changes nothing [G2]",
    async (name) => {
      const lab = new Lab();
      const [a, b] = [lab.open(), lab.open()];
      await b.registry.resolve("free", NODE);
      await a.claim("robot");
      const before = await lab.everything();
      const refused = b.registry.importEntries(registryText({ [name]: entryText(ID_A) }), { merge: false });
      await expect(refused).rejects.toMatchObject({
        code: "held",
        details: { name: "robot", heldBy: { instance: a.instance } },
      });
      await expect(refused).rejects.toThrow("Nothing was imported");
      expect(await lab.everything()).toEqual(before);
    },
  );

  it("as a replacement by force tells the holders, and leaves the names to them until their TTL [G2, G4]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const replaced = await a.claim("replaced");
    const removed = await a.claim("removed");
    const data = registryText({ replaced: entryText(ID_A) });
    expect(await b.registry.importEntries(data, { merge: false, force: true })).toMatchObject({
      replaced: ["replaced"],
      removed: ["removed"],
    });
    await expect(b.claim("replaced")).rejects.toMatchObject({
      code: "held",
      details: { heldBy: { instance: a.instance } },
    });
    await expect(b.claim("removed")).rejects.toMatchObject({
      code: "held",
      details: { heldBy: { instance: a.instance } },
    });
    await lab.clock.advance(HEARTBEAT_MS);
    expect(replaced.loss).toEqual({ reason: "revoked", detail: "replaced by a forced import" });
    expect(removed.loss).toEqual({ reason: "removed", detail: "replaced by a forced import" });
    await lab.clock.advance(TTL_MS - HEARTBEAT_MS);
    expect((await b.claim("replaced")).id).toBe(ID_A);
    expect(await b.claim("removed")).toMatchObject({ isNew: true });
  });

  it("as a replacement needs no force where the holder is dead [G6]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.claim("robot");
    a.kill();
    await b.registry.importEntries(registryText({ robot: entryText(ID_A) }), { merge: false });
    expect((await b.claim("robot")).id).toBe(ID_A);
  });

  it("that merges leaves held names alone, and needs no force [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const claim = await a.claim("robot");
    await b.registry.importEntries(registryText({ robot: entryText(ID_A), arm: entryText(ID_B) }));
    expect(await nameAndIds(b.registry)).toEqual({ robot: claim.id, arm: ID_B });
    await lab.clock.advance(TTL_MS);
    expect(claim.held).toBe(true);
  });

  it("refuses two names with one ID, within the data or with what is there, and changes nothing [G2]", async () => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.importEntries(registryText({ robot: entryText(ID_A) }));
    const before = await lab.everything();
    const exists = { code: "already-exists" };
    const twice = registryText({ x: entryText(ID_B), y: entryText(ID_B) });
    for (const merge of [true, false]) {
      const refused = registry.importEntries(twice, { merge });
      await expect(refused).rejects.toMatchObject({ code: "invalid-input", details: { name: "y" } });
      await expect(refused).rejects.toThrow(`In the data, "x" and "y" have one ID, ${ID_B}.`);
    }
    const taken = registry.importEntries(registryText({ x: entryText(ID_C), y: entryText(ID_A) }));
    await expect(taken).rejects.toMatchObject({ ...exists, details: { name: "y" } });
    expect(await lab.everything()).toEqual(before);
  });

  it("as a dry run tells what it would do, and what would refuse it, and changes nothing [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await b.registry.importEntries(
      registryText({ same: entryText(ID_C), moved: entryText(ID_A), gone: entryText("X") }),
    );
    await a.claim("gone");
    const before = await lab.everything();
    const data = registryText({
      same: entryText(ID_C).replaceAll(" ", "\n"),
      moved: entryText(ID_B, ', "metadata": {"volume": 1.0}'),
      new: entryText("Y"),
    });
    const report = await b.registry.importEntries(data, { merge: false, dryRun: true });
    expect(report).toMatchObject({
      added: ["new"],
      replaced: ["moved"],
      removed: ["gone"],
      kept: ["same"],
      backup: null,
    });
    expect(report.refusal).toMatchObject({ code: "held", details: { name: "gone" } });
    expect(report.changes).toEqual([
      { name: "same", kind: "kept", idBefore: ID_C, idInData: ID_C, differences: [], heldBy: null },
      {
        name: "moved",
        kind: "replaced",
        idBefore: ID_A,
        idInData: ID_B,
        differences: ["id", "metadata"],
        heldBy: null,
      },
      expect.objectContaining({ name: "gone", kind: "removed", idBefore: "X", idInData: null }),
      { name: "new", kind: "added", idBefore: null, idInData: "Y", differences: [], heldBy: null },
    ]);
    expect(report.changes[2]?.heldBy).toMatchObject({ instance: a.instance });
    expect((await b.registry.importEntries(data, { merge: false, force: true, dryRun: true })).refusal).toBeNull();
    expect(await lab.everything()).toEqual(before);
  });

  it("does what was previewed, or nothing at all [G9]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const data = registryText({ robot: entryText(ID_A), arm: entryText(ID_B) });
    for (const merge of [true, false]) {
      const preview = await a.registry.importEntries(data, { merge, dryRun: true });
      await b.registry.resolve(`arm${merge ? "" : " 2"}`, NODE);
      if (merge) await b.registry.resolve("robot", NODE);
      const before = await lab.everything();
      const refused = a.registry.importEntries(data, { merge, preview });
      await expect(refused).rejects.toMatchObject({ code: "aborted" });
      await expect(refused).rejects.toThrow("Nothing was imported");
      expect(await lab.everything()).toEqual(before);
    }
    const preview = await a.registry.importEntries(data, { merge: false, dryRun: true });
    expect(await a.registry.importEntries(data, { merge: false, preview })).toMatchObject({
      replaced: preview.replaced,
      removed: preview.removed,
    });
  });

  it("does what was previewed although held names that stay were refreshed meanwhile", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    await a.claim("robot");
    const data = registryText({ robot: entryText(ID_A), arm: entryText(ID_B) });
    const preview = await b.registry.importEntries(data, { dryRun: true });
    await lab.clock.advance(HEARTBEAT_MS);
    expect(await b.registry.importEntries(data, { preview })).toMatchObject({ added: ["arm"], kept: ["robot"] });
  });

  it("as a replacement keeps a held name that is the same but for when it was last seen [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const text = await (async () => {
      await b.registry.resolve("robot", NODE);
      return b.registry.exportText();
    })();
    await lab.clock.advance(1);
    const claim = await a.claim("robot");
    expect(await b.registry.importEntries(text, { merge: false })).toMatchObject({ kept: ["robot"], replaced: [] });
    await lab.clock.advance(TTL_MS);
    expect(claim.held).toBe(true);
    await claim.release();
    expect(await b.registry.importEntries(text, { merge: false })).toMatchObject({ kept: [], replaced: ["robot"] });
  });

  it("as a replacement is refused when a silent holder comes back in between [G7]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const { id } = await a.claim("robot");
    for (const name of ["robot", "another"]) {
      a.store.freeze();
      await lab.clock.advance(TTL_MS);
      const refused = interrupted(
        b,
        () => b.registry.importEntries(registryText({ [name]: entryText(ID_A) }), { merge: false }),
        async () => {
          a.store.thaw();
          await a.registry.refreshLocks(["robot"]);
        },
      );
      await expect(refused).rejects.toMatchObject({ code: "held" });
    }
    expect(await nameAndIds(b.registry)).toEqual({ robot: id });
  });

  it("never gives the ID of a held name to another name, by force neither [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const { id } = await a.claim("robot");
    const before = await lab.everything();
    for (const data of [
      registryText({ arm: entryText(id) }),
      registryText({ robot: entryText(ID_A), arm: entryText(id) }),
    ]) {
      const refused = b.registry.importEntries(data, { merge: false, force: true });
      await expect(refused).rejects.toMatchObject({ code: "held", details: { name: "robot" } });
      await expect(refused).rejects.toThrow('the ID of "robot" would pass to "arm"');
    }
    expect(await lab.everything()).toEqual(before);
  });

  const NONSENSE: readonly (readonly [what: string, data: unknown])[] = [
    ["no text", ""],
    ["no JSON", "not json"],
    ["torn JSON", registryText({ robot: entryText(ID_A) }).slice(0, -3)],
    ["a list", "[]"],
    ["null", "null"],
    ["a null object", null],
    ["another program's object", '{"name": "namehold"}'],
    ["entries that are a list", '{"entries": []}'],
    ["an entry that is no object", '{"entries": {"robot": 1}}'],
    ["an entry without an ID", '{"entries": {"robot": {"component_type": "node"}}}'],
    ["an unknown type", '{"entries": {"robot": {"id": "x", "component_type": "robot"}}}'],
    ["no type", '{"entries": {"robot": {"id": "x"}}}'],
    ["a time that is none", registryText({ robot: entryText(ID_A, ', "last_seen": "yesterday"') })],
    ["metadata that are none", registryText({ robot: entryText(ID_A, ', "metadata": []') })],
    ["a lock that is none", registryText({ robot: entryText(ID_A, ', "lock": {"holder_pid": "x"}') })],
    ["a name that is too long", registryText({ ["x".repeat(1025)]: entryText(ID_A) })],
    [
      "an object with a function",
      { entries: { robot: { id: ID_A, component_type: "node", metadata: { f: () => 1 } } } },
    ],
    ["text that nests without an end", '{"entries": '.repeat(200_000)],
  ];

  it.each(NONSENSE)("refuses %s as invalid input, and changes nothing [G8, G11, G12]", async (_, data) => {
    const lab = new Lab();
    const { registry } = lab.open();
    await registry.resolve("robot", NODE);
    const before = await lab.everything();
    for (const merge of [true, false]) {
      const refused = registry.importEntries(data as string, { merge });
      await expect(refused).rejects.toMatchObject({ code: "invalid-input" });
    }
    expect(await lab.everything()).toEqual(before);
  });

  it("says what is wrong with the data, and in which entry", async () => {
    const { registry } = new Lab().open();
    const data = registryText({ arm: entryText(ID_A), robot: entryText(ID_B, ', "last_seen": "yesterday"') });
    await expect(registry.importEntries(data)).rejects.toThrow(
      /^The data to import are no registry: in "robot", the entry's last_seen is not .*Nothing was imported\.$/,
    );
    await expect(registry.importEntries("[]")).rejects.toThrow(
      "The data to import are no registry: the registry is not an object",
    );
  });

  it("plans anew when somebody changed something in between [G9]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    let id = "";
    const report = await interrupted(
      a,
      () => a.registry.importEntries(registryText({ robot: entryText(ID_A), arm: entryText(ID_B) })),
      async () => {
        id = await b.registry.resolve("robot", NODE);
      },
    );
    expect(report).toMatchObject({ added: ["arm"], kept: ["robot"] });
    expect(await nameAndIds(a.registry)).toEqual({ robot: id, arm: ID_B });
  });

  it("as a replacement does not replace what was claimed in between [G2]", async () => {
    const lab = new Lab();
    const [a, b] = [lab.open(), lab.open()];
    const id = await a.registry.resolve("robot", NODE);
    const refused = interrupted(
      a,
      () => a.registry.importEntries(registryText({ robot: entryText(ID_A) }), { merge: false }),
      () => b.claim("robot"),
    );
    await expect(refused).rejects.toMatchObject({ code: "held" });
    expect(await nameAndIds(a.registry)).toEqual({ robot: id });
  });
});
