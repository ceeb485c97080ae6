import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../src/platform/clock.js";
import { type Driver, loadDriver } from "../../../src/stores/sqlite/driver.js";
import { openDatabase } from "../../../src/stores/sqlite/open-database.js";
import { RegistryIdFile } from "../../../src/stores/sqlite/registry-id.js";
import { NODE, SqliteLab } from "./sqlite-lab.js";

afterEach(() => vi.restoreAllMocks());

describe("a registry that another process makes while this one opens it", () => {
  const begun: readonly (readonly [what: string, begin: (lab: SqliteLab) => void])[] = [
    ["missing", () => undefined],
    ["empty", ({ path }) => writeFileSync(path, "")],
  ];
  for (const [what, begin] of begun) {
    for (const toWrite of [true, false]) {
      it(`is opened to ${toWrite ? "write" : "read"}, though its file was ${what} and its ID is there a moment later [G8]`, () => {
        const lab = new SqliteLab();
        begin(lab);
        const read = RegistryIdFile.prototype.read;
        vi.spyOn(RegistryIdFile.prototype, "read").mockImplementationOnce(function (this: RegistryIdFile) {
          open(lab)?.close();
          return read.call(this);
        });
        const connection = open(lab, { toWrite });
        expect(connection?.id).toBe(lab.database().prepare("SELECT id FROM registry").pluck().get());
        connection?.close();
      });
    }
  }

  it("is not taken for another program's, though its tables come after the look at its mark [G8]", () => {
    const lab = new SqliteLab();
    writeFileSync(lab.path, "");
    let isMade = false;
    const Original = loadDriver();
    class Overtaken extends Original {
      override pragma(...args: Parameters<InstanceType<Driver>["pragma"]>): unknown {
        const answer = super.pragma(...args);
        if (args[0] !== "application_id" || isMade) return answer;
        isMade = true;
        open(lab)?.close();
        return answer;
      }
    }
    const connection = open(lab, { driver: Overtaken as unknown as Driver });
    expect(isMade).toBe(true);
    expect(connection?.id).toBe(lab.database().prepare("SELECT id FROM registry").pluck().get());
    connection?.close();
  });
});

describe("a process that begins", () => {
  it("leaves the files that others are at work on, and deletes what the crashed have left [G6, G8]", async () => {
    const lab = new SqliteLab();
    const first = await lab.open();
    await first.resolve("robot", NODE);
    const [atWork, left] = [".namehold-tmp-at-work", ".namehold-tmp-left"].map((name) => join(lab.holders, name));
    for (const path of [atWork, left]) writeFileSync(path ?? "", "");
    utimesSync(left ?? "", 1_000, 1_000);
    await (await lab.open()).claim("robot", NODE);
    expect([atWork, left].map((path) => existsSync(path ?? ""))).toEqual([true, false]);
    expect(readdirSync(lab.holders)).toContain("registry-id");
  });
});

function open(lab: SqliteLab, { toWrite = true, driver = loadDriver() } = {}) {
  return openDatabase({
    path: lab.path,
    driver,
    clock: systemClock,
    isAlwaysDurable: false,
    toWrite,
    mayMake: toWrite,
  });
}
