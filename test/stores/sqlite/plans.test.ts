import { describe, expect, it } from "vitest";
import { SQL } from "../../../src/stores/sqlite/statements.js";
import { SqliteLab } from "./sqlite-lab.js";

/** What goes through a whole table, but ends after a few rows, or has a few rows only. */
const SHORT_SCANS: Readonly<Record<string, RegExp>> = {
  // The first of the rows is enough.
  anyFormer: /^SCAN formers/,
  // Ends at the row that is wanted.
  pruneChanges: /^SCAN changes$/,
  // As many as there are processes, and no more than are asked for.
  instances: /^SCAN holders$/,
};

describe("the statement", () => {
  const statements = Object.entries(SQL).filter(([name]) => !["begin", "commit", "rollback"].includes(name));

  it.each(statements)("%s finds its rows by an index, however many names there are [G12]", async (name, sql) => {
    const lab = new SqliteLab();
    const registry = await lab.open();
    await registry.resolve("robot", { type: "node" });
    const db = lab.database();
    const parameters = Array.from({ length: [...sql].filter((letter) => letter === "?").length }, () => 1);
    const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as readonly { readonly detail: string }[];
    const long = plan.filter(
      ({ detail }) => /^SCAN|AUTOMATIC/.test(detail) && SHORT_SCANS[name]?.test(detail) !== true,
    );
    expect(long).toEqual([]);
  });
});
