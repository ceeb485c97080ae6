import BetterSqlite3 from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { migrateSchema, schemaVersion } from "../../../src/stores/sqlite/schema.js";

const STEPS = [
  "CREATE TABLE steps (n INTEGER) STRICT; INSERT INTO steps VALUES (1)",
  "INSERT INTO steps SELECT 2 FROM steps WHERE n = 1",
  "INSERT INTO steps SELECT 3 FROM steps WHERE n = 2",
];

describe("a migration of the layout", () => {
  it.each([0, 1, 2, 3])("takes a database from version %i to the newest, step by step in order", (from) => {
    const db = database();
    migrateSchema(db, "lab.db", STEPS.slice(0, from));
    expect(migrateSchema(db, "lab.db", STEPS)).toBe(from);
    expect(schemaVersion(db)).toBe(3);
    expect(db.prepare("SELECT n FROM steps ORDER BY rowid").pluck().all()).toEqual([1, 2, 3]);
  });

  it("refuses a version that it does not know, and changes nothing [G11]", () => {
    const db = database();
    migrateSchema(db, "lab.db", STEPS);
    expect(() => migrateSchema(db, "lab.db", STEPS.slice(0, 2))).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringContaining("layout 3; this one knows 2") }),
    );
    expect(schemaVersion(db)).toBe(3);
  });

  it("of which a step fails leaves the version from before with its transaction", () => {
    const db = database();
    migrateSchema(db, "lab.db", STEPS.slice(0, 1));
    db.exec("BEGIN");
    expect(() => migrateSchema(db, "lab.db", [...STEPS, "INSERT INTO nowhere VALUES (1)"])).toThrow("nowhere");
    db.exec("ROLLBACK");
    expect(schemaVersion(db)).toBe(1);
    expect(db.prepare("SELECT n FROM steps").pluck().all()).toEqual([1]);
  });
});

function database(): BetterSqlite3.Database {
  const db = new BetterSqlite3(":memory:");
  onTestFinished(() => void db.close());
  return db;
}
