/** Real registries of both stores, moved by real commands. */
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect } from "vitest";
import { type ErrorCode, FAILURES } from "../../src/core/errors.js";
import { openRegistry } from "../../src/registry/open-registry.js";
import { type Lab, test, until } from "./cli-process.js";
import { runAsMereUser } from "./mere-user.js";
import { CTRL_C, startOnTerminal } from "./terminal.js";

const DATABASE = "sqlite:lab.db";
const ID = "01JQ000000000000000000000A";
const OTHER_ID = "01JQ000000000000000000000B";
/** More than are moved in one write. */
const MANY = 5_000;
const HOUR_MICROS = 3_600_000_000;

/** What a JavaScript object could not carry. */
const FOREIGN_ENTRY = `{ "id": "${ID}", "component_type": "module", "created_at": "2024-02-29T23:59:59.123456Z",
  "last_seen": "2025-12-31 01:02:03+01:00", "metadata": {"volume": 1.0, "serial": 123456789012345678901234567890},
  "lock": null, "workcell_id": "wc_1", "from_the_future": [1.50, -0.0] }`;

function writeRegistry(lab: Lab, entries: Readonly<Record<string, string>>): void {
  const members = Object.entries(entries).map(([name, entry]) => `${JSON.stringify(name)}: ${entry}`);
  mkdirSync(dirname(lab.path), { recursive: true });
  writeFileSync(lab.path, `{"version": 1, "created_at": "2025-01-01T00:00:00Z", "entries": {${members.join(", ")}}}`);
}

function writeMany(lab: Lab): void {
  const entry = (index: number): string =>
    `{"id": "01JQ0000000000000000${String(index).padStart(6, "0")}", "component_type": "node"}`;
  writeRegistry(lab, Object.fromEntries(Array.from({ length: MANY }, (_, index) => [`node_${index}`, entry(index)])));
}

async function tokenOf(lab: Lab, location: string, name: string): Promise<number> {
  const command = ["sh", "-c", 'echo "$NAMEHOLD_TOKEN"'];
  return Number((await lab.run("-r", location, "run", name, "--", ...command)).stdout);
}

async function idsIn(lab: Lab, location: string): Promise<Readonly<Record<string, string>>> {
  const [, scheme = "", path = ""] = /^(sqlite:)?(.*)$/.exec(location) ?? [];
  await using registry = await openRegistry(scheme + resolve(lab.directory, path));
  const ids: Record<string, string> = {};
  for await (const { name, entry } of registry.list()) ids[name] = entry.id;
  return ids;
}

/** That the target has all of the source, and that it is told so. */
async function expectAllMoved(lab: Lab): Promise<void> {
  expect(await lab.json("migrate", lab.path, DATABASE)).toMatchObject({ entries: MANY, held_names: [] });
  expect(await idsIn(lab, DATABASE)).toEqual(await idsIn(lab, lab.path));
}

describe.concurrent("namehold migrate", () => {
  test("moves IDs, entries to the letter, history and tokens into a database and back [G1, G3, G10]", async ({
    lab,
  }) => {
    writeRegistry(lab, { "foreign arm": FOREIGN_ENTRY, "": `{"id": "${OTHER_ID}", "component_type": "node"}` });
    await using source = await openRegistry(lab.path);
    const ahead = (await tokenOf(lab, lab.path, "robot")) + 9 * HOUR_MICROS;
    await source.store.commit({ holder: source.lockManager.holder, parts: [], tokenFloor: ahead });
    const lastToken = await tokenOf(lab, lab.path, "robot");
    expect(lastToken).toBeGreaterThan(ahead);
    const before = readFileSync(lab.path, "utf8");
    const ids = await idsIn(lab, lab.path);
    const holds = await lab.json("-r", lab.path, "history");

    const there = await lab.run("migrate", lab.path, DATABASE);
    expect(there).toMatchObject({ status: 0, stderr: "" });
    expect(there.stdout).toMatch(
      /^Moved \S+ to sqlite:lab\.db: 3 names \(3 now, 0 before\), 2 ended holds\.\nSHA-256 sum of the entries in both: [0-9a-f]{64}\n/,
    );
    expect(readFileSync(lab.path, "utf8")).toBe(before);
    expect(await idsIn(lab, DATABASE)).toEqual(ids);
    expect(await lab.json("-r", DATABASE, "history")).toEqual(holds);

    const back = (await lab.json("migrate", DATABASE, "back.json")) as { readonly checksum: string };
    expect(back).toEqual({
      entries: 3,
      moved: 3,
      holds: 2,
      holds_lost: 0,
      checksum: expect.any(String),
      held_names: [],
    });
    expect(there.stdout).toContain(back.checksum);
    expect(readFileSync(join(lab.directory, "back.json"), "utf8")).toContain(`"foreign arm": ${FOREIGN_ENTRY}`);
    expect(await idsIn(lab, "back.json")).toEqual(ids);
    expect(await lab.json("-r", "back.json", "history")).toEqual(holds);
    for (const location of [DATABASE, "back.json"]) {
      expect(await tokenOf(lab, location, "robot")).toBeGreaterThan(lastToken);
      expect(await tokenOf(lab, location, "a new name")).toBeGreaterThan(lastToken);
    }
  });

  test("is refused while a name is held, and --force tells the holder to stop [G2, G4]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--ttl", "3s", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const refused = await lab.run("migrate", lab.path, DATABASE);
    expect(refused).toMatchObject({ status: FAILURES.held.exitStatus, stdout: "" });
    expect(refused.stderr).toMatch(/"arm" is held by .* force the move/);
    expect(existsSync(join(lab.directory, "lab.db"))).toBe(false);
    const forced = await lab.run("migrate", "--force", lab.path, DATABASE);
    expect(forced.status).toBe(0);
    expect(forced.stderr).toMatch(/^namehold: Held in the source when it was moved: arm\. See that their holders end/);
    const { status, stderr } = await run.ended;
    expect(status).toBe(FAILURES.lost.exitStatus);
    expect(stderr).toMatch(/the registry moves to sqlite:.*lab\.db/);
    expect(await lab.json("-r", DATABASE, "show", "arm")).toMatchObject({ status: "free", holder: null });
  });

  test("done again says what was there already, and leaves it alone", async ({ lab }) => {
    writeRegistry(lab, { arm: FOREIGN_ENTRY });
    const first = (await lab.json("migrate", lab.path, DATABASE)) as object;
    expect(first).toMatchObject({ entries: 1, moved: 1 });
    expect(await lab.json("migrate", lab.path, DATABASE)).toEqual({ ...first, moved: 0 });
  });

  test("into a registry that has another ID for a name is refused, by --force too [G1]", async ({ lab }) => {
    writeRegistry(lab, { arm: FOREIGN_ENTRY });
    await lab.run("-r", DATABASE, "run", "arm", "--", "true");
    const before = await idsIn(lab, DATABASE);
    for (const options of [[], ["--force"]]) {
      const { status, stderr } = await lab.run("migrate", ...options, lab.path, DATABASE);
      expect(status).toBe(FAILURES["already-exists"].exitStatus);
      expect(stderr).toMatch(/"arm" has the ID \w{26}, but in sqlite:.* it has .*Nothing was moved/);
    }
    expect(await idsIn(lab, DATABASE)).toEqual(before);
  });

  test.for<readonly [what: string, to: string]>([
    ["the same words", ".madsci/registry.json"],
    ["a longer path", "./.madsci/../.madsci/registry.json"],
    ["a file: location", "file:.madsci/registry.json"],
    ["a link to it", "link.json"],
    ["a link to its directory", "linked/registry.json"],
    ["a second name of the file", "hard.json"],
    ["another store's location", "sqlite:.madsci/registry.json"],
  ])("to itself is refused, under whatever spelling: %s [G11]", async ([, to], { lab }) => {
    writeRegistry(lab, { arm: FOREIGN_ENTRY });
    symlinkSync(lab.path, join(lab.directory, "link.json"));
    symlinkSync(dirname(lab.path), join(lab.directory, "linked"));
    linkSync(lab.path, join(lab.directory, "hard.json"));
    const before = readFileSync(lab.path, "utf8");
    for (const args of [
      [".madsci/registry.json", to],
      [to, lab.path],
    ]) {
      const { status, stdout, stderr } = await lab.run("migrate", "--force", ...args);
      expect({ args, status, stdout }).toEqual({ args, status: FAILURES["invalid-input"].exitStatus, stdout: "" });
      expect(stderr).toContain("cannot be moved to itself. Name another location.");
    }
    expect(readFileSync(lab.path, "utf8")).toBe(before);
  });

  test.for(["nodir/missing.json", "sqlite:nodir/missing.db"])(
    "from %s, where there is nothing, fails and makes nothing [G11]",
    async (from, { lab }) => {
      const { status, stdout, stderr } = await lab.run("migrate", from, "target.json");
      expect({ status, stdout }).toEqual({ status: FAILURES["not-found"].exitStatus, stdout: "" });
      expect(stderr).toMatch(/There is no registry at \S*nodir\/missing\.\w+\. Nothing was moved\./);
      expect(readdirSync(lab.directory)).toEqual([]);
    },
  );

  test.for<readonly [what: string, args: readonly string[], code: ErrorCode, message: RegExp]>([
    ["no target", ["a.json"], "invalid-input", /missing required argument 'to'/],
    ["a third place", ["a.json", "b.json", "c.json"], "invalid-input", /too many arguments/],
    ["-r", ["-r", "x.json", "a.json", "b.json"], "invalid-input", /leave -r away/],
    ["an unknown store", ["names.json", "redis:x"], "unsupported", /behind redis: locations/],
    ["an empty path", ["names.json", ""], "invalid-input", /path of the registry is empty/],
    ["a wrong database location", ["names.json", "sqlite://host/x"], "invalid-input", /names a host/],
    ["a database that is a registry file", ["sqlite:names.json", "b.json"], "invalid-input", /not an SQLite database/],
  ])("refuses %s with the reason, and makes nothing [G11]", async ([, args, code, message], { lab }) => {
    writeFileSync(join(lab.directory, "names.json"), `{"entries": {"arm": ${FOREIGN_ENTRY}}}`);
    const { status, stdout, stderr } = await lab.run("migrate", ...args);
    expect({ status, stdout }).toEqual({ status: FAILURES[code].exitStatus, stdout: "" });
    expect(stderr).toMatch(message);
    expect(readdirSync(lab.directory).filter((file) => !file.startsWith("names.json"))).toEqual([]);
  });

  test("from a damaged registry is refused: names may be missing [G8, G11]", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    await lab.run("run", "leg", "--", "true");
    truncateSync(lab.path, 300);
    for (const options of [[], ["--force"]]) {
      const { status, stdout, stderr } = await lab.run("migrate", ...options, lab.path, DATABASE);
      expect({ status, stdout }).toEqual({ status: FAILURES.damaged.exitStatus, stdout: "" });
      expect(stderr).toMatch(/was damaged .* nothing was moved\. See 'namehold -r \S+ recover'/);
    }
    expect(existsSync(join(lab.directory, "lab.db"))).toBe(false);
    await lab.run("recover", "--accept");
    const { status, stderr } = await lab.run("migrate", lab.path, DATABASE);
    expect(status).toBe(FAILURES.held.exitStatus);
    expect(stderr).toMatch(/is held back until .* Wait for it\./);
  });

  test("from a damaged database is refused, with what to do [G8, G11]", async ({ lab }) => {
    await lab.run("-r", DATABASE, "run", "arm", "--", "true");
    truncateSync(join(lab.directory, "lab.db"), 6_000);
    const { status, stdout, stderr } = await lab.run("migrate", "--force", DATABASE, "target.json");
    expect({ status, stdout }).toEqual({ status: FAILURES.damaged.exitStatus, stdout: "" });
    expect(stderr).toContain(join(lab.directory, "lab.db"));
    expect(existsSync(join(lab.directory, "target.json"))).toBe(false);
  });

  test("from a registry with an entry that cannot be read is refused, by its name [G8, G11]", async ({ lab }) => {
    writeRegistry(lab, { arm: FOREIGN_ENTRY, odd: `{"id": "${OTHER_ID}", "component_type": "robot"}` });
    const { status, stdout } = await lab.run("migrate", "--force", lab.path, DATABASE);
    expect({ status, stdout }).toEqual({ status: FAILURES.damaged.exitStatus, stdout: "" });
    expect(existsSync(join(lab.directory, "lab.db"))).toBe(false);
  });

  test.for(["closed/target.json", "sqlite:closed/target.db"])(
    "into %s, which may not be written, fails and leaves nothing there [G11]",
    async (to, { lab }) => {
      writeRegistry(lab, { arm: FOREIGN_ENTRY });
      const closed = join(lab.directory, "closed");
      mkdirSync(closed);
      chmodSync(closed, 0o555);
      const target = to.replace("closed", closed);
      const { status, stdout, stderr } = runAsMereUser(lab, "migrate", lab.path, target);
      expect({ status, stdout }).toEqual({ status: FAILURES["read-only"].exitStatus, stdout: "" });
      expect(stderr).toContain(closed);
      expect(readdirSync(closed)).toEqual([]);
    },
  );

  test("that was killed in the middle goes on when it is repeated [G1, G9]", async ({ lab }) => {
    writeMany(lab);
    for (const [file, least] of [
      ["lab.db", 0],
      ["lab.db-wal", 100_000],
    ] as const) {
      const move = lab.start("migrate", lab.path, DATABASE);
      await until(`${least} bytes in ${file}`, () => sizeOf(join(lab.directory, file)) > least);
      move.kill("SIGKILL");
      expect(await move.ended).toMatchObject({ signal: "SIGKILL", stdout: "" });
      // On a busy machine it may have got as far as the check at the end: it has told nobody that it was done.
      expect(await idsIn(lab, lab.path)).toMatchObject(await idsIn(lab, DATABASE));
    }
    await expectAllMoved(lab);
  });

  test("that is interrupted by Ctrl-C says what is so, and what to do [G12]", async ({ lab }) => {
    writeMany(lab);
    const move = startOnTerminal(lab, 120, "migrate", lab.path, DATABASE);
    await until("the first write", () => sizeOf(join(lab.directory, "lab.db")) > 0);
    move.type(CTRL_C);
    expect(await move.ended).toMatchObject({ status: 130 });
    expect(move.shown).toMatch(
      /namehold: The move was cancelled\. The source is as it was; .* Repeat the move: it goes on where it ended\.\n$/,
    );
    await expectAllMoved(lab);
  });

  test.for(["SIGINT", "SIGTERM"] as const)("on %s tells a program so in JSON [G12]", async (signal, { lab }) => {
    writeMany(lab);
    const move = lab.start("migrate", "--json", lab.path, DATABASE);
    await until("the first write", () => sizeOf(join(lab.directory, "lab.db")) > 0);
    move.kill(signal);
    const { status, stdout, stderr } = await move.ended;
    expect({ status, stdout }).toEqual({ status: signal === "SIGINT" ? 130 : 143, stdout: "" });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "aborted" } });
    await expectAllMoved(lab);
  });

  test("moves more names than one write takes into a registry file, without progress in a pipe [G1]", async ({
    lab,
  }) => {
    writeMany(lab);
    const { status, stderr } = await lab.run("migrate", lab.path, "target.json");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(await idsIn(lab, "target.json")).toEqual(await idsIn(lab, lab.path));
  });
});

function sizeOf(path: string): number {
  return existsSync(path) ? readFileSync(path).length : -1;
}
