import { expect, test } from "vitest";
import { KnownNames } from "../../../src/stores/postgres/known-names.js";
import type { EntryRow, Looked } from "../../../src/stores/records/rows.js";

function looked(name: string, chars: number): Looked {
  return { name, row: { source: "x".repeat(chars) } as EntryRow, former: null, queue: [] };
}

test("what is remembered of names is bounded by their number and their size [G12]", () => {
  const known = new KnownNames();
  for (let i = 0; i < 40; i += 1) known.put(looked(`large ${i}`, 1024 * 1024));
  const kept = Array.from({ length: 40 }, (_, i) => known.get(`large ${i}`) !== undefined);
  expect(kept.filter(Boolean)).toHaveLength(15);
  expect(kept.at(-1)).toBe(true);
  for (let i = 0; i < 10_000; i += 1) known.put(looked(`small ${i}`, 10));
  expect(known.get("large 39")).toBeUndefined();
  expect(known.get("small 5903")).toBeUndefined();
  expect(known.get("small 5904")).toBeDefined();
  known.forget(["small 9999"]);
  expect(known.get("small 9999")).toBeUndefined();
});
