import { describe, expect, it } from "vitest";
import type { RegistryLock } from "../../../src/core/entry.js";
import { entryIdOf } from "../../../src/core/text/entry-id.js";
import { editEntry } from "../../../src/core/text/entry-text.js";
import { RegistryDocument } from "../../../src/core/text/registry-document.js";
import { wallMs } from "../../../src/core/timing.js";
import { assess, type Copy, readCopy } from "../../../src/stores/json-file/damage.js";

const NOW = wallMs(1_800_000_000_000);
const IDS: Readonly<Record<string, string>> = { a: id(1), b: id(2), "ä\n": id(3) };

describe("a registry file", () => {
  it("that is missing without a copy is a new registry [G8]", () => {
    const found = assess(undefined, NO_COPY, NOW);
    expect(found).toMatchObject({ kind: "sound" });
    expect(found.document.size).toBe(0);
  });

  it("that is whole is sound, whatever names came, changed or were removed since the copy [G8]", () => {
    const changed = registry();
    changed.removeEntry("a");
    changed.setEntry("new", entry(9));
    expect(assess(bytes(changed), good(registry()), NOW)).toMatchObject({ kind: "sound" });
    expect(assess(bytes(registry()), NO_COPY, NOW)).toMatchObject({ kind: "sound" });
  });

  it("torn at any byte is damaged, known names keep their IDs, and nothing is invented [G1, G8]", () => {
    const newer = registry();
    newer.setEntry("b", editEntry(entry(2), { metadata: { newer: true } }));
    newer.setEntry("new", entry(9));
    const whole = bytes(newer);
    for (let length = 0; length < whole.length; length += 1) {
      const found = assess(whole.subarray(0, length), good(registry()), NOW);
      expect(found.kind).toBe("damaged");
      expect(idsOf(found.document)).toEqual(expect.objectContaining(IDS));
      const added = Object.entries(idsOf(found.document)).filter(([name]) => !(name in IDS));
      expect(added.length === 0 || (added.length === 1 && added[0]?.join() === `new,${id(9)}`)).toBe(true);
    }
    const last = assess(whole.subarray(0, -2), good(registry()), NOW);
    expect(last.document.entryText("b")).toContain("newer");
    expect(idsOf(last.document)).toHaveProperty("new");
  });

  it("torn at any byte over its longer predecessor is damaged, and known names keep their IDs [G1, G8]", () => {
    const older = registry();
    for (let i = 20; i < 24; i += 1) older.setEntry(`more ${i}`, entry(i));
    const [before, after] = [bytes(older), bytes(registry())];
    for (let length = 1; length < after.length; length += 1) {
      const torn = Buffer.concat([after.subarray(0, length), before.subarray(length)]);
      const found = assess(torn, good(older), NOW);
      expect(idsOf(found.document)).toEqual(expect.objectContaining(IDS));
    }
  });

  it.each([
    ["missing", undefined],
    ["empty", ""],
    ["null", "null"],
    ["a number", "7"],
    ["an array", "[]"],
    ["behind a byte-order mark", `\uFEFF${registry()}`],
    ["full of zeros", "\0".repeat(500)],
    ["of entries that are none", '{"entries": 7}'],
    ["of an entry without an ID", '{"entries": {"a": {}}}'],
    ["not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  ])("%s beside a copy is damage, and the copy goes on [G8]", (_, file) => {
    const found = assess(file === undefined ? undefined : Buffer.from(file as string), good(registry()), NOW);
    expect(found).toMatchObject({ kind: "damaged", conflicts: [] });
    expect(idsOf(found.document)).toEqual(IDS);
  });

  it.each(["", "null", "{", "[]"])("damaged as %j without a copy leaves nothing to go on from [G8]", (text) => {
    const found = assess(Buffer.from(text), NO_COPY, NOW);
    expect(found).toMatchObject({ kind: "damaged", hasCopy: false });
    expect(found.document.size).toBe(0);
  });

  it("torn without a copy offers what can be read for an operator to confirm [G8]", () => {
    const found = assess(bytes(registry()).subarray(0, -2), NO_COPY, NOW);
    expect(found).toMatchObject({ kind: "damaged", hasCopy: false });
    expect(idsOf(found.document)).toEqual(IDS);
  });

  it.each([
    ["begun anew", '{"version": 1, "created_at": "2030-01-01T00:00:00.000000Z", "entries": {}}'],
    ["of nothing", "{}"],
    ["without entries", '{"entries": {}}'],
  ])("%s, in which known names are gone, is another one than before [G8]", (_, text) => {
    const found = assess(Buffer.from(text), good(registry()), NOW);
    expect(found.kind).toBe("damaged");
    expect(idsOf(found.document)).toEqual(IDS);
  });

  it("of nothing, in which names were made and are gone again, is another one than before [G8]", () => {
    const grown = RegistryDocument.parse("{}");
    grown.setEntry("a", entry(1));
    expect(assess(Buffer.from("{}"), good(grown), NOW).kind).toBe("damaged");
  });

  it("that is older than the copy and lacks names is damage: the copy's entries go on, and locks that stayed [G1, G7, G8]", () => {
    const copy = registry();
    copy.setUpdatedAt(wallMs(NOW + 5_000));
    copy.setEntry("b", editEntry(entry(2), { lock: lockOf("held before and since") }));
    copy.setEntry("since", editEntry(entry(4), { lock: lockOf("held since") }));
    const older = registry();
    older.setEntry("a", editEntry(entry(1), { metadata: { old: true }, lock: lockOf("held before") }));
    older.setEntry("b", editEntry(entry(2), { metadata: { old: true }, lock: lockOf("held before and since") }));
    older.setEntry("removed", entry(5));
    older.setEntry("renamed since", entry(4));
    const found = assess(bytes(older), good(copy), NOW);
    expect(found).toMatchObject({ kind: "damaged", unread: ["a", "ä\n", "since"], conflicts: ["renamed since"] });
    expect(idsOf(found.document)).toEqual({ ...IDS, since: id(4), removed: id(5) });
    for (const name of copy.names()) expect(found.document.entryText(name)).toBe(copy.entryText(name));
  });

  it("that is older than the copy and has all its names, or newer and lacks some, is sound [G8]", () => {
    const copy = registry();
    copy.setUpdatedAt(wallMs(NOW + 5_000));
    expect(assess(bytes(registry()), good(copy), NOW).kind).toBe("sound");
    const cleaned = registry();
    cleaned.removeEntry("a");
    cleaned.setUpdatedAt(wallMs(NOW + 5_001));
    expect(assess(bytes(cleaned), good(copy), NOW).kind).toBe("sound");
  });

  it.each(['{"name": "pkg"}', '{"version": 1, "dependencies": {}}'])(
    "of %s is another program's, and no registry without names [G8]",
    (text) => {
      expect(assess(Buffer.from(text), NO_COPY, NOW)).toMatchObject({ kind: "damaged", hasCopy: false });
      expect(assess(Buffer.from(text), good(registry()), NOW)).toMatchObject({ kind: "damaged", hasCopy: true });
    },
  );

  it.each(["2", "0", "null", '"2"', "[1]"])("of version %s is left alone, copy or not [G8, G10]", (version) => {
    const file = Buffer.from(`{"version": ${version}, "entries": {}}`);
    for (const copy of [NO_COPY, good(registry())]) expect(() => assess(file, copy, NOW)).toThrow(/version/);
  });

  it("begun anew by an exporter, with all known names and IDs, is sound [G8]", () => {
    const other = registry(wallMs(NOW + 5_000));
    other.setEntry("new", entry(9));
    expect(assess(bytes(other), good(registry()), NOW).kind).toBe("sound");
  });

  it("that is another registry gives its new names, and its IDs for known ones are conflicts [G1, G2, G8]", () => {
    const foreign = RegistryDocument.empty(wallMs(NOW + 5_000));
    foreign.setEntry("a", entry(77));
    foreign.setEntry("theirs", entry(78));
    foreign.setEntry("thief", entry(2));
    const found = assess(bytes(foreign), good(registry()), NOW);
    expect(found).toMatchObject({ kind: "damaged", conflicts: ["a", "thief"] });
    expect(idsOf(found.document)).toEqual({ ...IDS, theirs: id(78) });
  });
});

describe("the last good copy", () => {
  it("is known from a missing and from a damaged one [G8]", () => {
    expect(readCopy(undefined)).toEqual({ kind: "absent" });
    for (const text of ["", "null", `\uFEFF${registry()}`, bytes(registry()).toString().slice(0, -1)]) {
      expect(readCopy(Buffer.from(text))).toEqual({ kind: "damaged", text });
    }
    expect(readCopy(Buffer.from([0xff, 0xfe]))).toMatchObject({ kind: "damaged" });
    const found = readCopy(bytes(registry()));
    expect(idsOf(found.kind === "good" ? found.document : null)).toEqual(IDS);
  });

  it("when it is damaged as well, offers what can be read of both for an operator to confirm [G8]", () => {
    const copy: Copy = { kind: "damaged", text: registry().toString().slice(0, -2) };
    for (const file of [undefined, Buffer.from("")]) {
      const found = assess(file, copy, NOW);
      expect(found).toMatchObject({ kind: "damaged", hasCopy: false });
      expect(idsOf(found.document)).toEqual(IDS);
    }
    expect(assess(bytes(registry()), copy, NOW).kind).toBe("sound");
  });
});

const NO_COPY: Copy = { kind: "absent" };

function good(document: RegistryDocument): Copy {
  return { kind: "good", document };
}

function registry(createdAt = NOW): RegistryDocument {
  const document = RegistryDocument.empty(createdAt);
  Object.keys(IDS).forEach((name, i) => {
    document.setEntry(name, entry(i + 1));
  });
  return document;
}

function lockOf(holderInstance: string): RegistryLock {
  return { holderPid: 1, holderHost: "lab", holderInstance, acquiredAt: NOW, heartbeatAt: NOW, expiresAt: NOW };
}

function id(n: number): string {
  return `01JQ0000000000000000000${String(n).padStart(3, "0")}`;
}

function entry(n: number): string {
  const at = "2027-01-15T08:00:00.000000Z";
  const rest = { component_type: "node", created_at: at, last_seen: at, metadata: {}, lock: null, workcell_id: null };
  return JSON.stringify({ id: id(n), ...rest });
}

function bytes(document: RegistryDocument): Buffer {
  return Buffer.from(document.toString(), "utf8");
}

function idsOf(document: RegistryDocument | null): Readonly<Record<string, string>> {
  if (document === null) return {};
  return Object.fromEntries([...document.names()].map((name) => [name, entryIdOf(document.entryText(name) ?? "")]));
}
