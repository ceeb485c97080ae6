/** The command line on an SQLite registry: as on the file, from the same commands. */
import { existsSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test as plainTest } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { onLinux } from "../platform/requirements.js";
import { type CliProcess, isAlive, Lab } from "./cli-process.js";
import { commandPids, expectNoneBesideNextHolder, RUN, STUBBORN } from "./stubborn-command.js";

class SqliteLab extends Lab {
  override startWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): CliProcess {
    return super.startWith(env, "-r", "sqlite:./lab.db", ...args);
  }
}

const test = plainTest.extend<{ lab: SqliteLab }>({
  lab: async ({ skip }, use) => {
    skip(!onLinux, "it must be Linux: a test finds its processes in /proc");
    const lab = new SqliteLab();
    try {
      await use(lab);
    } finally {
      await lab.cleanUp();
    }
  },
});

describe.concurrent("the commands", () => {
  test("tell an empty registry from a missing name, and make nothing by looking [G11]", async ({ lab }) => {
    expect(await lab.run("list")).toMatchObject({ status: 0, stdout: expect.stringContaining("lab.db") });
    expect(await lab.run("show", "arm")).toMatchObject({ status: FAILURES["not-found"].exitStatus });
    expect(existsSync(join(lab.directory, "lab.db"))).toBe(false);
  });

  test("resolve, show, rename, revoke and release names, and know their history [G1]", async ({ lab }) => {
    const id = await makeArm(lab);
    expect(await lab.json("resolve", "arm")).toMatchObject({ id });
    expect(await lab.json("show", "arm")).toMatchObject({ id, name: "arm" });
    expect(await lab.run("rename", "arm", "leg")).toMatchObject({ status: 0 });
    expect(await lab.run("show", "arm")).toMatchObject({ status: FAILURES["not-found"].exitStatus });
    const run = lab.start("run", "leg", "--ttl", "3s", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    await run.printedPid("near");
    expect(await lab.json("show", "leg")).toMatchObject({ id, status: "held" });
    expect(await lab.run("run", "leg", "--", "echo", "no")).toMatchObject({
      status: FAILURES.held.exitStatus,
      stdout: "",
    });
    expect(await lab.run("release", "leg")).toMatchObject({ status: FAILURES.held.exitStatus });
    expect(await lab.json("revoke", "leg", "--reason", "maintenance")).toMatchObject({ status: "revoked" });
    expect(await run.ended).toMatchObject({ status: FAILURES.lost.exitStatus });
    expect(await lab.run("run", "leg", "--", "sh", "-c", 'echo "$NAMEHOLD_ID"')).toMatchObject({ stdout: `${id}\n` });
    const history = await lab.run("history", "leg");
    expect(history.stdout).toMatch(/maintenance/);
  });

  test("export, import and clean the registry, and leave a backup [G1]", async ({ lab }) => {
    const id = await makeArm(lab);
    expect(await lab.run("export", "--output", "export.json")).toMatchObject({ status: 0 });
    for (const file of ["lab.db", "lab.db.holders"])
      renameSync(join(lab.directory, file), join(lab.directory, `old ${file}`));
    expect(await lab.run("import", "export.json", "--force")).toMatchObject({ status: 0 });
    expect(await lab.json("resolve", "arm")).toMatchObject({ id });
    expect(await lab.run("clean", "--older-than", "0", "--force")).toMatchObject({ status: 0 });
    expect(readdirSync(join(lab.directory, "lab.db.holders", "backups")).length).toBe(1);
  });

  test("refuse a database that is missing where one is known, with what to do [G8, G11]", async ({ lab }) => {
    await makeArm(lab);
    renameSync(join(lab.directory, "lab.db"), join(lab.directory, "lab.away"));
    const { status, stderr } = await lab.run("list");
    expect(status).toBe(FAILURES.damaged.exitStatus);
    expect(stderr).toMatch(/is missing.*restore a backup.*delete .*registry-id/s);
  });
});

describe.concurrent("namehold run", () => {
  test("holds the name for its command and leaves no process of it beside a new holder when it is killed [G2, G6]", async ({
    lab,
  }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    await expectNoneBesideNextHolder(lab, run, () => run.kill("SIGKILL"));
  });

  test("killed frees the name at once when the command heeds SIGTERM [G6]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--ttl", "60s", "--", "sh", "-c", "echo near=$$; exec sleep 60");
    await run.printedPid("near");
    run.kill("SIGKILL");
    expect(await lab.run("run", "arm", "--wait", "20s", "--", "echo", "next")).toMatchObject({
      status: 0,
      stdout: "next\n",
    });
  });

  test("stopped past its TTL: the command is gone before another holds the name [G2, G4]", async ({ lab }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    await expectNoneBesideNextHolder(lab, run, () => run.kill("SIGSTOP"));
    run.kill("SIGCONT");
    expect((await run.ended).status).toBe(FAILURES.lost.exitStatus);
  });

  test("ends the command in time when the database can be reached no more [G4]", async ({ lab }) => {
    const run = lab.start(...RUN, "sh", "-c", STUBBORN);
    const pids = await commandPids(run);
    renameSync(join(lab.directory, "lab.db"), join(lab.directory, "lab.away"));
    const { status, stderr } = await run.ended;
    expect(status).toBe(FAILURES.lost.exitStatus);
    expect(stderr).toMatch(/The lock on "arm" could not be refreshed in time\. Ending the command/);
    expect(pids.some(isAlive)).toBe(false);
  });
});

/** @returns its ID */
async function makeArm(lab: SqliteLab): Promise<string> {
  const { status, stdout } = await lab.run("run", "arm", "--", "sh", "-c", 'echo "$NAMEHOLD_ID"');
  expect(status).toBe(0);
  return stdout.trim();
}
