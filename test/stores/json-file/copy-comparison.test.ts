import { describe, expect, it } from "vitest";
import { RegistryDocument } from "../../../src/core/text/registry-document.js";
import { isSameButTimes, knowsAllIds } from "../../../src/stores/json-file/copy-comparison.js";

type Change = (text: string) => string;

const LOCK =
  '{"holder_pid":1,"holder_host":"lab","holder_instance":"one","acquired_at":"2027-01-15T08:00:00.000000Z",' +
  '"heartbeat_at":"2027-01-15T08:00:00.000000Z","expires_at":"2027-01-15T08:00:30.000000Z"}';
const TEXT = registryText();
const BEAT: Change = (text) =>
  text
    .replace('"heartbeat_at":"2027-01-15T08:00', '"heartbeat_at":"2027-01-15T08:01')
    .replace('"expires_at":"2027-01-15T08:00:30', '"expires_at":"2027-01-15T08:01:30');
const SEEN: Change = (text) => text.replace('"last_seen":"2027-01-15T08:00', '"last_seen":"2027-01-15T08:01');

describe("a copy and its registry", () => {
  it.each<readonly [string, Change]>([
    ["nothing", (text) => text],
    ["the times of a heartbeat", (text) => SEEN(BEAT(text))],
    ["the last moment at which the registry was written", (text) => text.replace('"updated_at":"', '"updated_at":"2')],
  ])("are the same when they differ in %s [G8]", (_, change) => {
    expect(isSameButTimes(document(change(TEXT)), document(TEXT))).toBe(true);
  });

  it.each<readonly [string, Change]>([
    ["a name more", (text) => text.replace('"entries":{', `"entries":{"new":${entryText(9)},`)],
    ["another name", (text) => text.replace('"b":', '"c":')],
    ["another ID", (text) => text.replace(id(2), id(8))],
    ["another type", (text) => text.replace('"node"', '"workcell"')],
    ["metadata", (text) => text.replace('"metadata":{}', '"metadata":{"x":1.0}')],
    ["a lock that was given up", (text) => text.replace(/"lock":\{[^}]*\}/, '"lock":null')],
    ["another holder", (text) => text.replace('"holder_instance":"one"', '"holder_instance":"two"')],
    ["a later hold of the same holder", (text) => text.replace('"acquired_at":"2027', '"acquired_at":"2028')],
    ["the moment at which the registry was made", (text) => text.replace('"created_at":"2026', '"created_at":"2025')],
  ])("are not the same when they differ in %s [G7, G8]", (_, change) => {
    expect(change(TEXT)).not.toBe(TEXT);
    expect(isSameButTimes(document(change(TEXT)), document(TEXT))).toBe(false);
    expect(isSameButTimes(document(TEXT), document(change(TEXT)))).toBe(false);
  });

  it("are compared though an entry's lock cannot be read [G8]", () => {
    const odd = TEXT.replace(/"lock":\{[^}]*\}/, '"lock":7');
    expect(isSameButTimes(document(odd), document(odd))).toBe(true);
    expect(isSameButTimes(document(SEEN(odd)), document(odd))).toBe(true);
    expect(isSameButTimes(document(TEXT), document(odd))).toBe(false);
  });
});

describe("a copy knows all IDs of a registry", () => {
  it.each<readonly [string, Change]>([
    ["is the same", (text) => text],
    ["has other metadata, times and locks", (text) => SEEN(text).replace(/"lock":\{[^}]*\}/, '"lock":null')],
    ["lacks a name", (text) => text.replace(`,"b":${entryText(2)}`, "")],
    ["has no name at all", () => '{"entries":{}}'],
  ])("that %s [G1, G8]", (_, change) => {
    expect(knowsAllIds(document(TEXT), document(change(TEXT)))).toBe(true);
  });

  it.each<readonly [string, Change]>([
    ["has a name more", (text) => text.replace('"entries":{', `"entries":{"new":${entryText(9)},`)],
    ["has renamed one", (text) => text.replace('"b":', '"c":')],
    ["has another ID for one", (text) => text.replace(id(2), id(8))],
  ])("but not of one that %s [G1, G8]", (_, change) => {
    expect(change(TEXT)).not.toBe(TEXT);
    expect(knowsAllIds(document(TEXT), document(change(TEXT)))).toBe(false);
  });
});

function document(text: string): RegistryDocument {
  return RegistryDocument.parse(text);
}

function id(n: number): string {
  return `01JQ0000000000000000000${String(n).padStart(3, "0")}`;
}

function registryText(): string {
  const at = '"created_at":"2026-01-15T08:00:00.000000Z","updated_at":"027-01-15T08:00:00.000000Z"';
  return `{"version":1,${at},"entries":{"a":${entryText(1, LOCK)},"b":${entryText(2)}}}`;
}

function entryText(n: number, lock = "null"): string {
  const at = '"2027-01-15T08:00:00.000000Z"';
  return `{"id":"${id(n)}","component_type":"node","created_at":${at},"last_seen":${at},"metadata":{},"lock":${lock},"workcell_id":null}`;
}
