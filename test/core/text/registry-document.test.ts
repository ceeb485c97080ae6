import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RegistryError } from "../../../src/core/errors.js";
import { editEntry, readEntry, writeEntry } from "../../../src/core/text/entry-text.js";
import { parseJson } from "../../../src/core/text/json-scan.js";
import { RegistryDocument } from "../../../src/core/text/registry-document.js";
import { RegistryDamage } from "../../../src/core/text/registry-scan.js";
import { wallMs } from "../../../src/core/timing.js";
import { fixture } from "./fixtures/fixture.js";
import { entryText, type RegistryText, registryText } from "./json-texts.js";

const PYTHON_FILES = ["python-registry", "python-oddities", "python-empty"].map(fixture);
const AT = wallMs(Date.UTC(2026, 10, 23, 12, 0, 0, 123) + 0.456);

function entriesOf(document: RegistryDocument): [name: string, text: string | undefined][] {
  return [...document.names()].map((name) => [name, document.entryText(name)]);
}

/** What the text says, as Python's dict would have it: of equal names the last. */
function modelOf({ text, entries }: RegistryText): Map<string, string> {
  const model = new Map<string, string>();
  for (const { name, start, end } of entries) {
    model.delete(name);
    model.set(name, text.slice(start, end));
  }
  return model;
}

function damageOf(text: string): string | undefined {
  try {
    RegistryDocument.parse(text);
  } catch (error) {
    if (error instanceof RegistryDamage && error.code === "damaged") return error.reason;
    throw error;
  }
  return undefined;
}

describe("a registry document", () => {
  it.each(PYTHON_FILES)("gives back what Python wrote byte for byte [G10]", (text) => {
    expect(RegistryDocument.parse(text).toString()).toBe(text);
  });

  it("gives back any registry that Python can read byte for byte [G10]", () => {
    fc.assert(
      fc.property(registryText, (sample) => {
        const document = RegistryDocument.parse(sample.text);
        expect(document.toString()).toBe(sample.text);
        expect(entriesOf(document)).toEqual([...modelOf(sample)]);
        expect(document.size).toBe(modelOf(sample).size);
      }),
    );
  });

  it("changes no other byte when one entry is replaced [G10]", () => {
    fc.assert(
      fc.property(registryText, entryText, fc.nat(), (sample, replacement, choice) => {
        fc.pre(sample.entries.length > 0);
        const { name } = sample.entries[choice % sample.entries.length] ?? { name: "" };
        const span = sample.entries.findLast((entry) => entry.name === name);
        const document = RegistryDocument.parse(sample.text);
        document.setEntry(name, replacement);
        expect(document.toString()).toBe(
          sample.text.slice(0, span?.start) + replacement + sample.text.slice(span?.end ?? 0),
        );
      }),
    );
  });

  it("stays valid and keeps all other entries to the letter, whatever is done to it [G10]", () => {
    const name = fc.constantFrom("", "__proto__", "10", "2", "same", "né\ud800w\n");
    const operation = fc.oneof(
      fc.record({ kind: fc.constant("set" as const), name, text: entryText }),
      fc.record({ kind: fc.constant("remove" as const), name }),
      fc.record({ kind: fc.constant("rename" as const), name, to: name }),
      fc.record({ kind: fc.constant("touch" as const) }),
    );
    fc.assert(
      fc.property(registryText, fc.array(operation, { maxLength: 8 }), (sample, operations) => {
        const model = modelOf(sample);
        const document = RegistryDocument.parse(sample.text);
        for (const step of operations) {
          if (step.kind === "set") {
            document.setEntry(step.name, step.text);
            model.set(step.name, step.text);
          } else if (step.kind === "remove") {
            expect(document.removeEntry(step.name)).toBe(model.delete(step.name));
          } else if (step.kind === "touch") {
            document.setUpdatedAt(AT);
          } else if (model.has(step.name) && !model.has(step.to)) {
            document.renameEntry(step.name, step.to);
            model.set(step.to, model.get(step.name) ?? "");
            model.delete(step.name);
          }
          expect(entriesOf(RegistryDocument.parse(document.toString()))).toEqual([...model]);
          expect(document.size).toBe(model.size);
        }
      }),
    );
  });

  it("removes a name for good when the file has it twice [G10]", () => {
    const document = RegistryDocument.parse('{"entries":{"a":{"id":"old"},"b":{"id":"b"},"a":{"id":"new"}}}');
    expect(document.entryText("a")).toBe('{"id":"new"}');
    document.removeEntry("a");
    expect(document.toString()).toBe('{"entries":{"b":{"id":"b"}}}');
  });

  it("lays out a new registry as Python does [G10]", () => {
    const python = fixture("python-registry");
    const source = RegistryDocument.parse(python);
    const document = RegistryDocument.empty(AT);
    expect(document.toString()).toBe(fixture("python-empty"));
    for (const name of source.names()) {
      document.setEntry(name, writeEntry(readEntry(source.entryText(name) ?? "", AT)));
    }
    expect(document.toString()).toBe(python);
  });

  it("edits an entry as Python does [G10]", () => {
    const { before, after } = JSON.parse(fixture("python-edit")) as { before: string; after: string };
    const document = RegistryDocument.parse(before);
    const target = readEntry(RegistryDocument.parse(after).entryText("n") ?? "", AT);
    const text = editEntry(document.entryText("n") ?? "", {
      lastSeen: target.lastSeen,
      lock: target.lock,
      workcellId: target.workcellId,
      metadata: { changed: "new", added: { a: [1] } },
    });
    document.setEntry("n", text);
    expect(document.toString()).toBe(after);
  });

  it("is Python's empty registry again when the last entry goes, and takes entries again [G10]", () => {
    const document = RegistryDocument.empty(AT);
    document.setEntry("a", '{"id": "x"}');
    const one = document.toString();
    expect(one).toContain('"entries": {\n    "a": {"id": "x"}\n  }\n}');
    document.removeEntry("a");
    expect(document.toString()).toBe(fixture("python-empty"));
    document.setEntry("a", '{"id": "x"}');
    expect(document.toString()).toBe(one);
  });

  it("takes its entries in the layout that the file has [G10]", () => {
    const add = (text: string) => {
      const document = RegistryDocument.parse(text);
      document.setEntry("b", '{"id":"b"}');
      document.setUpdatedAt(AT);
      return document.toString();
    };
    const time = '"2026-11-23T12:00:00.123456Z"';
    expect(add("{}")).toBe(`{\n  "updated_at": ${time},\n  "entries": {\n    "b": {"id":"b"}\n  }\n}`);
    expect(add('{"entries":{}}')).toBe(`{"updated_at":${time},"entries":{"b":{"id":"b"}}}`);
    expect(add('{"version":1,"entries":{"a":{"id":"a"}},"x":1}')).toBe(
      `{"version":1,"updated_at":${time},"entries":{"a":{"id":"a"},"b":{"id":"b"}},"x":1}`,
    );
    expect(add('{\n\t"updated_at" : 5,\n\t"entries" : {}\n}\n')).toBe(
      `{\n\t"updated_at" : ${time},\n\t"entries" : {\n\t\t"b" : {"id":"b"}\n\t}\n}\n`,
    );
  });

  it("moves a renamed entry to the end with its text to the letter [G1, G10]", () => {
    const document = RegistryDocument.parse('{"entries": {"a": { "id":"1" , "n":1.0 }, "b": {"id":"2"}}}');
    document.renameEntry("a", "é");
    expect(document.toString()).toBe('{"entries": { "b": {"id":"2"},"\\u00e9": { "id":"1" , "n":1.0 }}}');
  });

  it("refuses to rename what is not there, or onto what is [G2, G11]", () => {
    const document = RegistryDocument.parse('{"entries": {"a": {"id":"1"}, "b": {"id":"2"}}}');
    const codeOf = (from: string, to: string) => {
      try {
        document.renameEntry(from, to);
      } catch (error) {
        return error instanceof RegistryError && error.code;
      }
      return undefined;
    };
    expect([codeOf("c", "d"), codeOf("a", "b"), codeOf("a", "a")]).toEqual([
      "not-found",
      "already-exists",
      "already-exists",
    ]);
    expect(document.size).toBe(2);
  });

  it("leaves the original alone when a copy is changed [G9]", () => {
    const text = '{"entries": {"a": {"id":"1"}, "a": {"id":"2"}, "b": {"id":"3"}}}';
    const original = RegistryDocument.parse(text);
    const copy = original.clone();
    copy.setEntry("b", '{"id":"9"}');
    copy.setEntry("c", '{"id":"4"}');
    copy.removeEntry("a");
    copy.setUpdatedAt(AT);
    expect(original.toString()).toBe(text);
    expect(original.size).toBe(3 - 1);
    expect(entriesOf(copy)).toEqual([
      ["b", '{"id":"9"}'],
      ["c", '{"id":"4"}'],
    ]);
  });

  it("tells when it was created, as it is written [G10]", () => {
    expect(RegistryDocument.parse('{"created_at" : "2026-01-01T00:00" }').createdAt).toBe('"2026-01-01T00:00"');
    expect(RegistryDocument.parse("{}").createdAt).toBeUndefined();
  });

  it.each([
    ["", "empty"],
    [" \n", "empty"],
    ["null", "null"],
    [" null ", "null"],
    ['\ufeff{"entries": {}}', "byte-order-mark"],
    ["[]", "not-an-object"],
    ["1.0", "not-an-object"],
    ["{", "not-json"],
    ["\0\0\0", "not-json"],
    ["{}{}", "not-json"],
    ['{"entries": null}', "entries-not-an-object"],
    ['{"entries": []}', "entries-not-an-object"],
    ['{"entries": {}, "entries": 1}', "entries-not-an-object"],
    ['{"entries": {"a": {"id": "x"}, "b": null}}', "entry-not-an-object"],
    ['{"entries": {"a": {}}}', "entry-without-id"],
    ['{"entries": {"a": {"id": "x", "id": 5}}}', "entry-without-id"],
    ['{"entries": {"a": {"id": "x"}, "b": {"metadata": {"id": "y"}}}}', "entry-without-id"],
  ])("tells the damage of %j apart: %s [G8, G11]", (text, reason) => {
    expect(damageOf(text)).toBe(reason);
  });

  it("names the entry that is damaged [G11]", () => {
    expect(() => RegistryDocument.parse('{"entries": {"arm": {"id": null}}}')).toThrow(
      expect.objectContaining({ details: { name: "arm" }, message: "entry 'arm' has no id that is a string" }),
    );
  });

  it.each(["{}", '{"entries": {}}', '{"entries": {"a": 1, "a": {"id": "x"}}}', '{"entries": 1, "entries": {}}'])(
    "reads %s as a registry, as Python does [G8]",
    (text) => {
      expect(damageOf(text)).toBeUndefined();
      expect(RegistryDocument.parse(text).toString()).toBe(text);
    },
  );

  it("reads the last of several members named entries, as Python does [G10]", () => {
    const text = '{"entries": {"a": {"id": "x"}}, "entries": {"b": {"id": "y"}}}';
    const document = RegistryDocument.parse(text);
    expect([...document.names()]).toEqual(["b"]);
    expect(document.toString()).toBe(text);
    expect([...RegistryDocument.salvage(text).keys()]).toEqual(["b"]);
  });

  it("leaves the judgement of an odd entry to its reader, and all others usable [G8]", () => {
    const odd = '{"id": "x", "component_type": "robot", "created_at": "yesterday", "lock": 5}';
    const document = RegistryDocument.parse(`{"entries": {"odd": ${odd}}}`);
    document.setEntry("new", '{"id": "y"}');
    expect(document.entryText("odd")).toBe(odd);
  });

  it.each(["", "null", "[]", "{}", '{"id": 1}', '{"id": "x"', '{"id": "x"}}', '{"id": "x"}, "b": {"id": "y"}'])(
    "refuses to take %j for an entry, and stays as it was [G8]",
    (text) => {
      const document = RegistryDocument.parse('{"entries": {"a": {"id": "x"}}}');
      expect(() => document.setEntry("a", text)).toThrow(RegistryDamage);
      expect(() => document.setEntry("b", text)).toThrow(RegistryDamage);
      expect(document.toString()).toBe('{"entries": {"a": {"id": "x"}}}');
    },
  );
});

describe("a torn registry", () => {
  const compact = JSON.stringify({
    ...(JSON.parse(fixture("python-registry")) as object),
    tail: { entries: { x: 1 } },
  });

  it.each([...PYTHON_FILES, compact])("is damage wherever it was cut [G8]", (text) => {
    for (let length = 0; length < text.length; length++) {
      expect(damageOf(text.slice(0, length)), `cut at ${length}`).toBe(length === 0 ? "empty" : "not-json");
    }
  });

  it.each([...PYTHON_FILES, compact])("yields the entries before the cut, all of them and no other [G8]", (text) => {
    const whole = new Map(entriesOf(RegistryDocument.parse(text)));
    let end = 0;
    const ends = [...whole].map(([name, entry]) => {
      end = text.indexOf(entry ?? "", end) + (entry?.length ?? 0);
      return { name, entry, end };
    });
    // After the cut: nothing, a hole of zero bytes, another write from the start, the end of another write.
    for (const garbage of ["", "\0".repeat(8), text, '"', "}\n  }\n}"]) {
      for (let length = garbage === text ? 1 : 0; length < text.length; length++) {
        const expected = ends.filter((entry) => entry.end <= length).map(({ name, entry }) => [name, entry]);
        const salvaged = [...RegistryDocument.salvage(text.slice(0, length) + garbage)];
        // The foreign end closes the entry that was cut just before its own.
        const closed = garbage.startsWith("}") ? salvaged.slice(0, expected.length) : salvaged;
        expect(closed, `cut at ${length}`).toEqual(expected);
      }
    }
  });

  it("yields what is an entry in a whole text that is damage [G8]", () => {
    const text = '\ufeff{"entries": {"a": {"id": "1"}, "b": 5, "c": {"id": 6}, "d": {"id": "2"}, "d": null}, "x": 1}';
    expect([...RegistryDocument.salvage(text)]).toEqual([["a", '{"id": "1"}']]);
    expect(["", "null", "[]", "\0\0", '{"entries": 1}'].map((other) => RegistryDocument.salvage(other).size)).toEqual([
      0, 0, 0, 0, 0,
    ]);
  });

  it("reads only the entries of the registry itself [G8]", () => {
    const text =
      '{"other": {"entries": {"a": {"id": "1"}}}, "entries": {"b": {"id": "2"}, "c": {"metadata": {"entries": {"d"';
    expect([...RegistryDocument.salvage(text).keys()]).toEqual(["b"]);
  });

  it("keeps the values of the entries readable [G8]", () => {
    const salvaged = RegistryDocument.salvage(`${fixture("python-oddities").slice(0, -3)}\0`);
    expect([...salvaged].map(([name, text]) => [name, (parseJson(text) as { id: string }).id])).toEqual([
      ["numbers", "01KAAAAAAAAAAAAAAAAAAAAA01"],
      ["naive", "01KAAAAAAAAAAAAAAAAAAAAA02"],
    ]);
  });
});
