import { describe, expect, it } from "vitest";
import { findInEntries } from "../../src/core/entry-findings.js";

const [ID, OTHER, THIRD] = ["01JYFH2Q4N6Z0V5X1T8R3C7W9K", "01JYFH2Q4N6Z0V5X1T8R3C7W9M", "01JYFH2Q4N6Z0V5X1T8R3C7W9N"];
const AWARE = "2026-01-05T08:00:00.000000Z";
const BY_HAND = "Edit it.";

describe("entries", () => {
  it("that are well have no findings", () => {
    expect(
      find({ a: { id: ID }, b: { id: OTHER, lock: lockUntil(AWARE) }, c: { id: THIRD, last_seen: 1.5e9 } }),
    ).toEqual([]);
  });

  it("that share an ID are a problem that names them all, and when they were last seen [G2]", () => {
    const [finding, ...others] = find({
      a: { id: ID },
      b: { id: OTHER },
      c: { id: ID, last_seen: "2027-01-05T08:00:00Z" },
    });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      code: "names.shared-id",
      severity: "problem",
      what: `"a" and "c" have one ID: ${ID}. Last seen: "a" ${AWARE}; "c" 2027-01-05T08:00:00Z.`,
      remedy: expect.stringContaining(BY_HAND),
    });
  });

  it.each([
    ["case", ["arm", "Arm"], '"arm" and "Arm" differ by case only.'],
    [
      "normal form",
      ["caf\u00e9", "cafe\u0301"],
      String.raw`"caf\u00e9" and "cafe\u0301" differ by the normal form of their Unicode characters only.`,
    ],
    ["space", ["arm", "arm "], '"arm" and "arm " differ by space at an end only.'],
    [
      "more than one of these",
      ["arm", "ARM "],
      '"arm" and "ARM " differ by case, space at an end or the normal form of their Unicode characters only.',
    ],
  ])("whose names differ by %s alone are a warning", (_by, [one = "", other = ""], what) => {
    expect(find({ [one]: { id: ID }, [other]: { id: OTHER } })).toMatchObject([
      { code: "names.lookalike", severity: "warning", what },
    ]);
  });

  it.each([
    ["of a type that there is not", { component_type: "robot" }, "component_type"],
    ["with a lock that is none", { lock: { holder_pid: "x" } }, "lock"],
    ["without a type", { component_type: undefined }, "component_type"],
    ["last seen at no time", { last_seen: "yesterday" }, "last_seen"],
  ])("%s make Python refuse the whole registry: a problem", (_how, members, named) => {
    const found = find({ a: { id: ID, ...members }, b: { id: OTHER } });
    expect(found).toMatchObject([{ code: "names.unreadable-entry", severity: "problem", remedy: BY_HAND }]);
    expect(found[0]?.what).toMatch(new RegExp(`^"a" is no valid entry: .*${named}`));
  });

  it.each([
    ["last_seen", { last_seen: "2026-01-05T08:00:00" }],
    ["last_seen", { last_seen: "2026-01-05" }],
    ["lock.expires_at", { lock: lockUntil("2026-01-05 08:00:00.123456") }],
  ])("with a %s without a time zone are a problem, with the command that mends it", (member, members) => {
    expect(find({ "my arm": { id: ID, component_type: "module", ...members } })).toMatchObject([
      {
        code: "names.naive-time",
        severity: "problem",
        what: `"my arm" has a time without a time zone: ${member}.`,
        remedy: expect.stringContaining("namehold run 'my arm' --type module -r lab.json -- true"),
      },
    ]);
  });

  it("may lack a time zone where Python compares nothing", () => {
    expect(find({ a: { id: ID, created_at: "2026-01-05T08:00:00" } })).toEqual([]);
  });
});

function find(entries: Readonly<Record<string, Readonly<Record<string, unknown>>>>) {
  const texts = Object.entries(entries).map(([name, members]) => ({
    name,
    text: JSON.stringify({ component_type: "node", created_at: AWARE, last_seen: AWARE, lock: null, ...members }),
  }));
  return findInEntries(texts, { byHand: BY_HAND, option: "-r lab.json" });
}

function lockUntil(expiresAt: string): object {
  return {
    holder_pid: 1,
    holder_host: "lab",
    holder_instance: "01JPYTHQNPYTHQNPYTHQNPYTHQ",
    acquired_at: AWARE,
    heartbeat_at: AWARE,
    expires_at: expiresAt,
  };
}
