import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject, RegistryEntry, RegistryLock } from "../../../src/core/entry.js";
import { isNameholdError } from "../../../src/core/errors.js";
import { EntryDamage, editEntry, readEntry, writeEntry } from "../../../src/core/text/entry-text.js";
import { findMember, parseJson, scanObject } from "../../../src/core/text/json-scan.js";
import { later, wallMs } from "../../../src/core/timing.js";
import { entryText } from "./json-texts.js";

const AT = wallMs(Date.UTC(2026, 10, 23, 12) + 0.123);
const NOW = later(AT, 5_000);
const MEMBERS = ["id", "component_type", "created_at", "last_seen", "metadata", "lock", "workcell_id"];

const LOCK: RegistryLock = {
  holderPid: 4711,
  holderHost: "bench",
  holderInstance: "01KBBBBBBBBBBBBBBBBBBBBBBB",
  acquiredAt: AT,
  heartbeatAt: AT,
  expiresAt: later(AT, 30_000),
};

const ENTRY: RegistryEntry = {
  id: "01KAAAAAAAAAAAAAAAAAAAAAAA",
  componentType: "node",
  createdAt: AT,
  lastSeen: AT,
  metadata: { a: 1, "": { b: [null, "é"] } },
  lock: LOCK,
  workcellId: "cell",
};

/** Member by member what the text says, undecoded. */
function rawMembers(text: string): Record<string, string> {
  const { members } = scanObject(text);
  return Object.fromEntries(
    members.map((member) => [`${member.key}@${member.start}`, text.slice(member.start, member.end)]),
  );
}

function rawValue(text: string, ...path: string[]): string | undefined {
  let value: string | undefined = text;
  for (const key of path) {
    const member: ReturnType<typeof findMember> = value === undefined ? undefined : findMember(scanObject(value), key);
    value = member && value?.slice(member.valueStart, member.valueEnd);
  }
  return value;
}

function damagedMember(text: string): string {
  try {
    readEntry(text, NOW);
  } catch (error) {
    if (error instanceof EntryDamage && error.code === "damaged") return error.message;
    throw error;
  }
  return "no damage";
}

describe("reading an entry", () => {
  it("reads back what was written [G10]", () => {
    expect(readEntry(writeEntry(ENTRY), NOW)).toEqual(ENTRY);
    const bare = { ...ENTRY, metadata: {}, lock: null, workcellId: null };
    expect(readEntry(writeEntry(bare), NOW)).toEqual(bare);
  });

  it("gives missing members the reference's defaults, and passes over unknown ones [G10]", () => {
    expect(readEntry('{"new": {}, "component_type": "module", "id": ""}', NOW)).toEqual({
      id: "",
      componentType: "module",
      createdAt: NOW,
      lastSeen: NOW,
      metadata: {},
      lock: null,
      workcellId: null,
    });
  });

  it("reads a lock as pydantic does: pids of other forms, no instance, odd datetimes [G7]", () => {
    const lock = `{"holder_pid": "12", "holder_host": "h", "acquired_at": "2026-11-23 12:00:00", "new": 1,
      "heartbeat_at": 1795435200, "expires_at": "2026-11-23T13:00:00.5+01:00"}`;
    const noon = Date.UTC(2026, 10, 23, 12);
    expect(readEntry(`{"id": "x", "component_type": "node", "lock": ${lock}}`, NOW).lock).toEqual({
      holderPid: 12,
      holderHost: "h",
      holderInstance: "",
      acquiredAt: noon,
      heartbeatAt: noon,
      expiresAt: noon + 500,
    });
  });

  it("reads a member named __proto__ in metadata as any other [G10]", () => {
    const { metadata } = readEntry('{"id": "x", "component_type": "node", "metadata": {"__proto__": {"a": 1}}}', NOW);
    expect(Object.entries(metadata)).toEqual([["__proto__", { a: 1 }]]);
  });

  it("names the member that is wrong [G8, G11]", () => {
    const base = { id: "x", component_type: "node" };
    const lock = parseJson(rawValue(writeEntry(ENTRY), "lock") ?? "") as JsonObject;
    const without = (key: string) => Object.fromEntries(Object.entries(lock).filter(([name]) => name !== key));
    const samples: unknown[] = [
      [],
      { component_type: "node" },
      { ...base, id: 5 },
      { id: "x" },
      { ...base, component_type: "robot" },
      { ...base, created_at: "yesterday" },
      { ...base, last_seen: null },
      { ...base, metadata: null },
      { ...base, metadata: [] },
      { ...base, workcell_id: 5 },
      { ...base, lock: "me" },
      { ...base, lock: { ...lock, holder_pid: 1.5 } },
      { ...base, lock: without("holder_pid") },
      { ...base, lock: { ...lock, holder_instance: null } },
      { ...base, lock: without("expires_at") },
      { ...base, lock: { ...lock, heartbeat_at: true } },
    ];
    expect(samples.map((sample) => damagedMember(JSON.stringify(sample)))).toEqual([
      "the entry is not an object",
      "the entry's id is missing",
      "the entry's id is not a string",
      "the entry's component_type is missing",
      "the entry's component_type is none of node, module, manager, experiment, workcell",
      "the entry's created_at is not a datetime",
      "the entry's last_seen is not a datetime",
      "the entry's metadata is not an object",
      "the entry's metadata is not an object",
      "the entry's workcell_id is not a string",
      "the entry's lock is not an object",
      "the entry's lock.holder_pid is not an integer",
      "the entry's lock.holder_pid is missing",
      "the entry's lock.holder_instance is not a string",
      "the entry's lock.expires_at is missing",
      "the entry's lock.heartbeat_at is not a datetime",
    ]);
  });
});

describe("editing an entry", () => {
  it("returns the text itself when the patch says what is there, in whatever spelling [G10]", () => {
    fc.assert(
      fc.property(entryText, (text) => {
        const { componentType, lastSeen, metadata, lock, workcellId } = readEntry(text, NOW);
        expect(editEntry(text, {})).toBe(text);
        expect(editEntry(text, { componentType, lastSeen, metadata, workcellId })).toBe(text);
        if (lock === null) expect(editEntry(text, { lock })).toBe(text);
        else expect(editEntry(text, { lockTimes: lock })).toBe(text);
      }),
    );
  });

  it("touches no member but those that the patch names [G10]", () => {
    fc.assert(
      fc.property(entryText, fc.subarray(MEMBERS.slice(1), { minLength: 1 }), (text, chosen) => {
        const all = { component_type: "manager", last_seen: NOW, metadata: { added: 1 }, lock: LOCK, workcell_id: "n" };
        const patch = {
          ...(chosen.includes("component_type") ? { componentType: "manager" as const } : {}),
          ...(chosen.includes("last_seen") ? { lastSeen: NOW } : {}),
          ...(chosen.includes("metadata") ? { metadata: all.metadata } : {}),
          ...(chosen.includes("lock") ? { lock: LOCK } : {}),
          ...(chosen.includes("workcell_id") ? { workcellId: "n" } : {}),
        };
        const edited = editEntry(text, patch);
        const before = scanObject(text).members;
        const after = scanObject(edited).members;
        expect(after.map((member) => member.key)).toEqual(before.map((member) => member.key));
        for (const [index, member] of before.entries()) {
          const other = after[index] ?? member;
          expect(edited.slice(other.start, other.valueStart)).toBe(text.slice(member.start, member.valueStart));
          expect(edited.slice(other.valueEnd, other.end)).toBe(text.slice(member.valueEnd, member.end));
          if (chosen.includes(member.key)) continue;
          expect(edited.slice(other.valueStart, other.valueEnd)).toBe(text.slice(member.valueStart, member.valueEnd));
        }
        expect(readEntry(edited, NOW)).toEqual({
          ...readEntry(text, NOW),
          ...patch,
          metadata: { ...readEntry(text, NOW).metadata, ...patch.metadata },
        });
      }),
    );
  });

  it("sets two times of a lock and keeps the rest of it to the letter [G10]", () => {
    fc.assert(
      fc.property(entryText, (text) => {
        fc.pre(rawValue(text, "lock") !== "null");
        const times = { heartbeatAt: NOW, expiresAt: later(NOW, 30_000) };
        const edited = editEntry(text, { lockTimes: times });
        const [before, after] = [scanObject(rawValue(text, "lock") ?? ""), scanObject(rawValue(edited, "lock") ?? "")];
        expect(after.members.map(({ key }) => key)).toEqual(before.members.map(({ key }) => key));
        for (const { key } of before.members) {
          if (key === "heartbeat_at" || key === "expires_at") continue;
          expect(rawValue(edited, "lock", key)).toBe(rawValue(text, "lock", key));
        }
        expect(readEntry(edited, NOW).lock).toEqual({ ...readEntry(text, NOW).lock, ...times });
      }),
    );
  });

  it("merges metadata as dict.update does: other keys and their spelling stay [G10]", () => {
    const text = '{"id": "x", "metadata": {"f": 1.0, "big": 12345678901234567890, "n": NaN, "deep": {"a": 1, "b": 2}}}';
    expect(editEntry(text, { metadata: { deep: { c: 3 }, added: [], "10": 1 } })).toBe(
      '{"id": "x", "metadata": {"f": 1.0, "big": 12345678901234567890, "n": NaN, "deep": {\n  "c": 3\n},"10": 1,"added": []}}',
    );
    const { metadata } = readEntry(`{"component_type": "node",${text.slice(1)}`, NOW);
    expect(editEntry(text, { metadata })).toBe(text);
  });

  it("changes the member that counts when the text has it twice [G10]", () => {
    const text = '{"id":"x","metadata":{"a":1,"a":2},"last_seen":1,"last_seen":2}';
    expect(editEntry(text, { metadata: { a: 3 }, lastSeen: wallMs(1000) })).toBe(
      '{"id":"x","metadata":{"a":1,"a":3},"last_seen":1,"last_seen":"1970-01-01T00:00:01.000000Z"}',
    );
  });

  it("fills empty metadata in Python's layout [G10]", () => {
    const empty = { ...ENTRY, metadata: {} };
    expect(editEntry(writeEntry(empty), { metadata: ENTRY.metadata })).toBe(writeEntry(ENTRY));
  });

  it("puts missing members where the reference has them, in the layout around [G10]", () => {
    const full = writeEntry(ENTRY);
    const patch = {
      componentType: ENTRY.componentType,
      lastSeen: AT,
      metadata: ENTRY.metadata,
      lock: LOCK,
      workcellId: ENTRY.workcellId,
    };
    const created = rawValue(full, "created_at") ?? "";
    const bare = `{\n      "id": "${ENTRY.id}",\n      "created_at": ${created}\n    }`;
    expect(editEntry(bare, patch)).toBe(full);
    expect(editEntry(`{ "x":1, "id":"${ENTRY.id}","lock":null}`, { workcellId: "c", componentType: "node" })).toBe(
      `{ "x":1, "id":"${ENTRY.id}", "component_type":"node","lock":null, "workcell_id":"c"}`,
    );
    expect(editEntry('{\n\t"lock": {\n\t\t"expires_at": 5\n\t}\n}', { lockTimes: LOCK, lastSeen: AT })).toBe(
      '{\n\t"last_seen": "2026-11-23T12:00:00.000123Z",\n\t"lock": {\n\t\t"heartbeat_at": "2026-11-23T12:00:00.000123Z",' +
        '\n\t\t"expires_at": "2026-11-23T12:00:30.000123Z"\n\t}\n}',
    );
  });

  it("leaves out what a patch sets to nothing and is not there [G10]", () => {
    const text = '{"id":"x"}';
    expect(editEntry(text, { lock: null, workcellId: null, metadata: {} })).toBe(text);
  });

  it("replaces a lock whole, and takes it away [G5]", () => {
    const old = `{"id":"x","lock":{"holder_pid":1,"token":"theirs"},"workcell_id":null}`;
    const locked = editEntry(old, { lock: LOCK });
    expect(rawMembers(rawValue(locked, "lock") ?? "")).not.toHaveProperty("token");
    expect(rawValue(locked, "lock", "token")).toBeUndefined();
    expect(rawValue(locked, "lock", "holder_pid")).toBe("4711");
    expect(editEntry(locked, { lock: null })).toBe('{"id":"x","lock":null,"workcell_id":null}');
  });

  it.each([
    { holderPid: 1 },
    { holderHost: "other" },
    { holderInstance: "other" },
    { acquiredAt: NOW },
    { heartbeatAt: NOW },
    { expiresAt: NOW },
  ])("writes a lock that differs from the present one only in %o [G5]", (difference) => {
    const lock = { ...LOCK, ...difference };
    expect(readEntry(editEntry(writeEntry(ENTRY), { lock }), NOW).lock).toEqual(lock);
  });

  it("refuses to refresh a lock that is not there, or that is being replaced [G5, G11]", () => {
    const attempts = [
      () => editEntry('{"id":"x"}', { lockTimes: LOCK }),
      () => editEntry('{"id":"x","lock":null}', { lockTimes: LOCK }),
      () => editEntry(writeEntry(ENTRY), { lockTimes: LOCK, lock: null }),
    ];
    for (const attempt of attempts) {
      expect(attempt).toThrow(expect.toSatisfy((error) => isNameholdError(error, "invalid-input")));
    }
  });

  it("refuses metadata that JSON cannot carry, naming the path [G11]", () => {
    const merge = (metadata: unknown) => () => editEntry(writeEntry(ENTRY), { metadata: metadata as JsonObject });
    expect(merge({ a: undefined })).toThrow("metadata.a: a value of type undefined");
    expect(merge({ new: undefined })).toThrow("metadata.new: a value of type undefined");
    expect(merge({ "": { b: [1, Number.NaN] } })).toThrow('metadata[""].b[1]: NaN');
    expect(() => writeEntry({ ...ENTRY, metadata: { f: 1n } as unknown as JsonObject })).toThrow("metadata.f:");
    expect(() => editEntry('{"id":"x"}', { metadata: { f: 1n } as unknown as JsonObject })).toThrow("metadata.f:");
  });

  it("refuses to merge metadata into what is no object [G8]", () => {
    expect(() => editEntry('{"id":"x","metadata":[]}', { metadata: { a: 1 } })).toThrow(EntryDamage);
  });
});
