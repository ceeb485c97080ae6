import { expect, test } from "vitest";
import { eventually, Lab } from "./lab.js";

/** What Python writes or leaves standing, and what JavaScript would change if it were parsed and written again. */
const FOREIGN_METADATA = `{
        "one": 1.0,
        "minus_zero": -0.0,
        "big": 123456789012345678901234567890,
        "exponent": 1e-07,
        "large": 1e+16,
        "precise": 123456789.12345679,
        "tiny": 5e-324,
        "not_a_number": NaN,
        "infinite": -Infinity,
        "beyond": 1e400,
        "written_long": 0.1000,
        "half_a_pair": "\\ud800",
        "escaped": "\\u00e9\\u2028\\/\\u007f",
        "__proto__": {
          "polluted": true
        },
        "10": "ten",
        "2": "two",
        "": null,
        "nested": [
          [],
          {},
          [
            1.50
          ]
        ]
      }`;

const ODD_NAMES = [
  "",
  "__proto__",
  "10",
  "2",
  "a/b\\\\c",
  "line\\nbreak",
  "\\u00e9",
  "e\\u0301",
  "\\ud83e\\uddea",
  "../x",
  "constructor",
];

function foreignEntry(id: string, lastSeen: string): string {
  return `{
      "id": "${id}",
      "component_type": "module",
      "created_at": "${lastSeen}",
      "last_seen": "${lastSeen}",
      "metadata": ${FOREIGN_METADATA},
      "lock": {
        "holder_pid": 4194305,
        "holder_host": "another-host",
        "holder_instance": "not a ULID",
        "acquired_at": "2026-01-02T03:04:05.000006Z",
        "heartbeat_at": "2026-01-02T03:04:05.1Z",
        "expires_at": "2126-01-02T05:04:35.123456+02:00",
        "unknown_in_lock": 2.0
      },
      "workcell_id": null,
      "unknown_in_entry": {
        "kept": 1.0
      }
    }`;
}

/** Datetimes that pydantic takes, and one without an offset, which makes Python's own `clean` fail. */
const ODD_TIMES = [
  "2026-11-23T12:49:44Z",
  "2026-11-23T12:49:44.5Z",
  "2026-11-23T12:49:44.123456789Z",
  "2026-11-23T14:49:44.123456+02:00",
  "2026-11-23 12:49:44Z",
  "2026-11-23T12:49Z",
  "1795438184",
  "2026-11-23",
  "2026-11-23T12:49:44",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999999Z",
];

function foreignFile(): string {
  const entries = ODD_NAMES.map((name, index) => {
    const id = `01M847927WRRS4A9KN7ZPFG${String(index).padStart(3, "0")}`;
    return `    "${name}": ${foreignEntry(id, ODD_TIMES[index] ?? "2026-11-23T12:49:44Z")}`;
  });
  return `{
  "version": 1,
  "created_at": "2026-11-23T12:49:44.700264Z",
  "updated_at": "2026-11-23T12:49:46.707282Z",
  "unknown_at_top": 3.0,
  "entries": {
${entries.join(",\n")}
  }
}`;
}

test("all that others wrote stands to the letter after our claim, heartbeats and release [G10]", async () => {
  await using lab = new Lab();
  const before = foreignFile();
  lab.write(before);
  const ours = await lab.namehold({ lockTtlMs: 3000, heartbeatIntervalMs: 200 });
  await ours.claim("ours");
  const claimed = lab.text();
  await eventually(5000, () => heartbeatOfOurs(lab.text()) !== heartbeatOfOurs(claimed));
  const refreshed = lab.text();
  await ours.release("ours");
  for (const after of [claimed, refreshed, lab.text()]) expect(withoutOurs(after)).toBe(withoutUpdatedAt(before));

  const python = await lab.python();
  const names = ODD_NAMES.map((name) => JSON.parse(`"${name}"`) as string);
  expect((await python.list(true)).map(([name]) => name)).toEqual([...names, "ours"]);
  for (const name of names) expect(await ours.lookup(name)).toBe(await python.lookup(name));
});

test("a file in another layout keeps every number, string and order that is not ours [G10]", async () => {
  await using lab = new Lab();
  const before = compact(foreignFile());
  lab.write(before);
  const ours = await lab.namehold();
  await ours.claim("ours");
  await ours.release("ours");
  expect(compact(lab.text())).toMatch(/,"ours":\{"id":"[^{}]+"metadata":\{\},"lock":null,"workcell_id":null\}\}\}$/);
  expect(withoutUpdatedAt(compact(lab.text()).replace(/,"ours":.*$/, "}}"))).toBe(withoutUpdatedAt(before));
});

test("what Python writes and we write again, Python reads as it was [G10]", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold()]);
  const metadata = { count: 12345678901234567890n, text: "\u00e9\u2028\u0000", list: [1, [], {}, null, true], "": {} };
  const literal = JSON.stringify(metadata, (_, value: unknown) => (typeof value === "bigint" ? `big${value}` : value));
  lab.write(
    `{"entries": {"theirs": {"id": "01M847927WRRS4A9KN7ZPFG081", "component_type": "node", "metadata": ${literal.replace(/"big(\d+)"/, "$1.0")}}}}`,
  );
  await python.resolve("other"); // Python has now laid the file out in its own way.
  const before = await python.entry("theirs");
  const text = lab.text();
  await ours.claim("ours");
  await ours.release("ours");
  expect(await python.entry("theirs")).toEqual(before);
  expect(withoutUpdatedAt(lab.text())).toContain(between(text, '    "theirs": {', '\n    "other"'));
});

test("what we write is what Python would have written, odd names and metadata included", async () => {
  await using lab = new Lab();
  const [python, ours] = await Promise.all([lab.python(), lab.namehold()]);
  const metadata = { text: '\u00e9 \u{1f9ea} \u2028 \u007f "\\/\b', nested: { list: [1, -1.5, [], {}, null, false] } };
  const names = ODD_NAMES.map((name) => JSON.parse(`"${name}"`) as string);
  const ids = new Map<string, string>();
  for (const name of names) ids.set(name, (await ours.claim(name, { metadata })).id);
  for (const name of names) expect(await python.entry(name)).toMatchObject({ id: ids.get(name), metadata });
  // Python leaves out a fraction of zero.
  expect(await python.asPythonWrites()).toBe(lab.text().replaceAll('.000000Z"', 'Z"'));
});

test("each side imports what the other exports, with the same ids [G1]", async () => {
  await using first = new Lab();
  await using second = new Lab();
  const [python, ours] = await Promise.all([first.python(), second.namehold()]);
  await python.resolve("theirs", { metadata: { module: "arm" } });
  await ours.claim("ours", { metadata: { module: "gripper" } });
  const [theirExport, ourExport] = [await python.export(), await ours.export()];
  await python.importEntries(ourExport, true);
  await ours.importEntries(JSON.stringify(theirExport), { merge: true });
  for (const name of ["theirs", "ours"]) {
    const [inFirst, inSecond] = await Promise.all([first.entry(name), second.entry(name)]);
    expect(inFirst).toMatchObject({ id: inSecond?.id, metadata: { module: expect.any(String) } });
    expect(inFirst?.metadata).toEqual(inSecond?.metadata);
    expect([await ours.lookup(name), await python.lookup(name)]).toEqual([inFirst?.id, inFirst?.id]);
  }
  // Locks are not imported by us: the name is free here.
  expect((await ours.claim("theirs")).id).toBe((await first.entry("theirs"))?.id);
});

function withoutOurs(text: string): string {
  return withoutUpdatedAt(text.replace(/,\n {4}"ours": \{\n[\s\S]*?\n {4}\}/, ""));
}

/** `updated_at` of the whole file is the one thing that every writer changes. */
function withoutUpdatedAt(text: string): string {
  return text.replace(/("updated_at": ?)"[^"]*"/, '$1"..."');
}

function heartbeatOfOurs(text: string): string | undefined {
  return /"ours": \{[\s\S]*?"heartbeat_at": "([^"]*)"/.exec(text)?.[1];
}

function between(text: string, from: string, to: string): string {
  return text.slice(text.indexOf(from), text.indexOf(to));
}

/** Without the white space outside strings. */
function compact(json: string): string {
  return json.replaceAll(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
}
