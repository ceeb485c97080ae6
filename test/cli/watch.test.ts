import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { type CliProcess, type Lab, MAIN, test, until } from "./cli-process.js";

const ULID = /[0-7][0-9A-HJKMNP-TV-Z]{25}/;

/** Started, and looking. */
async function startWatch(lab: Lab, ...args: readonly string[]): Promise<CliProcess> {
  const watch = lab.start("watch", "--verbose", ...args);
  await watch.message(/Watching /);
  return watch;
}

/** What was told so far, without the times. */
function told(watch: CliProcess): readonly string[] {
  return watch.stdout.split("\n").flatMap((line) => (line === "" ? [] : [line.replace(/^\S+ {2}/, "")]));
}

async function startHolder(lab: Lab, name: string): Promise<CliProcess> {
  const holder = lab.start("run", name, "--", "sh", "-c", "echo up; exec sleep 60");
  await holder.line(/up/);
  return holder;
}

async function killAtOnce(lab: Lab, holder: CliProcess): Promise<void> {
  const guardianPid = await holder.guardianPid();
  holder.kill("SIGKILL");
  await lab.gone(guardianPid);
}

interface RegistryInFile {
  updated_at: string;
  entries: Record<string, { metadata: object; lock: object | null }>;
}

/** As Python does, but in one step, lest who looks just then take it for damage and mend it. */
function editFile(lab: Lab, edit: (registry: RegistryInFile) => void): void {
  const registry = JSON.parse(readFileSync(lab.path, "utf8")) as RegistryInFile;
  edit(registry);
  writeFileSync(`${lab.path}.new`, JSON.stringify(registry, null, 2));
  renameSync(`${lab.path}.new`, lab.path);
}

function pythonLock(fromMs: number, ttlMs: number): object {
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    holder_pid: 77,
    holder_host: "pythonhost",
    holder_instance: "python",
    acquired_at: time(fromMs),
    heartbeat_at: time(fromMs),
    expires_at: time(fromMs + ttlMs),
  };
}

describe.concurrent("namehold watch", () => {
  test("tells of a holder's coming, death, successor and going, in words", async ({ lab }) => {
    const watch = await startWatch(lab);
    const first = await startHolder(lab, "arm");
    await killAtOnce(lab, first);
    await watch.line(/crashed/);
    const second = await startHolder(lab, "arm");
    second.kill("SIGTERM");
    await second.ended;
    await watch.line(/released/);
    expect(told(watch)).toEqual([
      expect.stringMatching(/^arm {2}registered as node with the ID [0-9A-Z]{26}$/),
      expect.stringMatching(new RegExp(`^arm {2}held by \\S+ \\(PID ${first.pid}\\), token \\d+$`)),
      expect.stringMatching(new RegExp(`^arm {2}crashed: \\S+ \\(PID ${first.pid}\\) ended without releasing it`)),
      expect.stringMatching(
        new RegExp(`^arm {2}held by \\S+ \\(PID ${second.pid}\\), token \\d+, took over from .* \\(crashed\\)$`),
      ),
      expect.stringMatching(new RegExp(`^arm {2}released by \\S+ \\(PID ${second.pid}\\)$`)),
    ]);
    expect(watch.stdout).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}arm {2}registered/);
    expect(watch.stderr).toBe(`namehold: Watching all names of ${lab.path}. Ctrl-C ends it.\n`);
  });

  test("with --json prints one object a line, with the keys that show prints", async ({ lab }) => {
    const watch = await startWatch(lab, "--json");
    const holder = await startHolder(lab, "arm");
    const shown = (await lab.json("show", "arm")) as object;
    await lab.run("revoke", "arm", "--reason", "stuck", "--now");
    await watch.line(/"released"/);
    const [registered, held, released] = watch.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(Object.keys(registered ?? {})).toEqual(expect.arrayContaining(Object.keys(shown)));
    expect(registered).toMatchObject({
      change: "registered",
      name: "arm",
      id: expect.stringMatching(ULID),
      before: null,
    });
    expect(held).toMatchObject({ change: "held", locked: true, holder: { pid: holder.pid }, before: null });
    expect(released).toMatchObject({
      change: "released",
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      locked: false,
      holder: null,
      before: { holder: { pid: holder.pid }, token: held?.["token"] },
      ending: { how: "revoked", detail: "stuck" },
    });
  });

  test("tells a renaming as one change, to who watches the old name too", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const [all, one] = await Promise.all([startWatch(lab), startWatch(lab, "arm", "new")]);
    expect(one.stderr).toContain('Not registered yet, and watched for: "new".');
    await lab.run("rename", "arm", "left_arm");
    await lab.run("run", "other", "--", "true");
    await lab.run("resolve", "left_arm");
    await lab.run("run", "new", "--", "true");
    await one.line(/new {2}released/);
    await all.line(/new {2}released/);
    expect(told(all)[0]).toBe('left_arm  renamed, it was "arm"');
    expect(told(one)).toEqual([
      'left_arm  renamed, it was "arm"',
      expect.stringMatching(/^new {2}registered/),
      expect.stringMatching(/^new {2}held/),
      expect.stringMatching(/^new {2}released/),
    ]);
  });

  test("tells what a Python process writes, and that its lock has expired", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const watch = await startWatch(lab);
    const now = Date.now();
    editFile(lab, ({ entries: { arm } }) =>
      Object.assign(arm ?? {}, { lock: pythonLock(now, 1_000), metadata: { a: 1 } }),
    );
    await watch.line(/expired|silent/);
    editFile(lab, ({ entries: { arm } }) => Object.assign(arm ?? {}, { lock: null }));
    await watch.line(/free:/);
    expect(told(watch)).toEqual([
      'arm  metadata changed: "a"',
      "arm  held by pythonhost (PID 77), without a token",
      expect.stringMatching(/^arm {2}(expired|silent): pythonhost \(PID 77\)/),
      "arm  free: the lock of pythonhost (PID 77) (silent) was removed",
    ]);
  });

  test("tells two changes in quick succession, and each name's last state", async ({ lab }) => {
    for (const name of ["a", "b"]) await lab.run("run", name, "--", "true");
    const watch = await startWatch(lab);
    for (let i = 1; i <= 50; i += 1)
      editFile(lab, ({ entries }) => Object.assign(entries[i % 2 === 0 ? "a" : "b"] ?? {}, { metadata: { i } }));
    editFile(lab, ({ entries }) => Object.assign(entries["b"] ?? {}, { metadata: { last: true } }));
    await watch.line(/b {2}metadata changed: .*"last"/);
    expect(told(watch).filter((line) => line.startsWith("a ")).length).toBeGreaterThan(0);
  });

  test("tells of a registry that is made after it has begun, and makes none itself", async ({ lab }) => {
    const watch = await startWatch(lab, "arm");
    expect(watch.stderr).toContain('Not registered yet, and watched for: "arm".');
    expect(existsSync(dirname(lab.path))).toBe(false);
    await lab.run("run", "arm", "--", "true");
    await watch.line(/released/);
    expect(told(watch)).toHaveLength(3);
  });

  test("holds nothing and leaves nothing: others take, release and write as before", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const holders = `${lab.path}.holders`;
    const before = readdirSync(holders).toSorted();
    const watch = await startWatch(lab);
    expect(readdirSync(holders).toSorted()).toEqual(before);
    expect(spawnSync("flock", ["--nonblock", `${lab.path}.lock`, "true"]).status).toBe(0);
    expect(await lab.run("run", "arm", "--", "true")).toMatchObject({ status: 0 });
    watch.kill("SIGTERM");
    await watch.ended;
    expect(readdirSync(holders).toSorted()).toEqual(before);
  });
});

describe.concurrent("namehold watch goes on", () => {
  test("while the file is busy, and tells what whoever keeps it writes", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const watch = await startWatch(lab);
    const lock = spawn("flock", [`${lab.path}.lock`, "sleep", "7"], { stdio: "ignore", cwd: lab.directory });
    const freed = new Promise((resolve) => lock.once("exit", resolve));
    await until("the file lock to be taken", () => spawnSync("flock", ["-n", `${lab.path}.lock`, "true"]).status !== 0);
    editFile(lab, ({ entries: { arm } }) => Object.assign(arm ?? {}, { metadata: { a: 1 } }));
    await watch.line(/metadata changed: "a"/);
    writeFileSync(lab.path, readFileSync(lab.path, "utf8").slice(0, 50));
    await watch.message(/damaged/);
    await freed;
    expect((await lab.run("recover", "--accept")).status).toBe(0);
    await watch.message(/can be watched again/);
    await lab.run("run", "new", "--", "true");
    await watch.line(/new {2}released/);
    expect(watch.stderr.match(/damaged/g)).toHaveLength(1);
  });

  test("while the registry's directory is away: told once, on standard error, and when it is back [G8]", async ({
    lab,
  }) => {
    await lab.run("run", "arm", "--", "true");
    const [watch, json] = await Promise.all([startWatch(lab), startWatch(lab, "--json")]);
    const away = join(lab.directory, "away");
    renameSync(dirname(lab.path), away);
    await watch.message(/was there and is gone/);
    await json.line(/"trouble"/);
    expect(existsSync(dirname(lab.path))).toBe(false);
    renameSync(away, dirname(lab.path));
    await watch.message(/can be watched again/);
    await lab.run("run", "new", "--", "true");
    await watch.line(/new {2}released/);
    await json.line(/"trouble-over".*\n.*registered/);
    expect(told(watch).map((line) => line.split(" ")[0])).toEqual(["new", "new", "new"]);
    expect(watch.stderr.match(/is gone/g)).toHaveLength(1);
    expect(JSON.parse(json.stdout.split("\n")[0] ?? "")).toMatchObject({
      change: "trouble",
      name: null,
      code: "unreachable",
    });
  });
});

describe.concurrent("namehold watch ends", () => {
  test.for([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("by %s with %d, quietly", async ([signal, status], { lab }) => {
    const watch = lab.start("watch", "nobody");
    await watch.message(/Not registered yet/);
    const { stderr } = watch;
    watch.kill(signal);
    expect(await watch.ended).toEqual({ status, signal: null, stdout: "", stderr });
  });

  test("quietly when its reader has left, though nothing more happens", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const command = `"${process.execPath}" "${MAIN}" watch --verbose | head -1; echo "\${PIPESTATUS[0]}"`;
    const shell = spawn("bash", ["-c", command], {
      cwd: lab.directory,
      env: { ...process.env, MADSCI_REGISTRY_PATH: lab.path },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    shell.stdout.on("data", (data) => (output.stdout += String(data)));
    shell.stderr.on("data", (data) => (output.stderr += String(data)));
    const ended = new Promise((resolve) => shell.once("close", resolve));
    await until("the watch to look", () => output.stderr.includes("Watching"));
    editFile(lab, ({ entries: { arm } }) => Object.assign(arm ?? {}, { metadata: { a: 1 } }));
    await ended;
    expect(output.stdout).toMatch(/^\S+ {2}arm {2}metadata changed: "a"\n0\n$/);
    expect(output.stderr).toBe(`namehold: Watching all names of ${lab.path}. Ctrl-C ends it.\n`);
  });

  test("by a signal, though its reader stands still", async ({ lab }) => {
    await lab.run("run", "arm", "--", "true");
    const fifo = join(lab.directory, "fifo");
    spawnSync("mkfifo", [fifo]);
    const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const fill = () => writeSync(reader, "x".repeat(4_096));
    expect(() => {
      for (;;) fill();
    }).toThrow(/EAGAIN/);
    const stdout = openSync(fifo, constants.O_WRONLY);
    const watch = lab.startInto([stdout, "pipe"], "watch", "--verbose");
    closeSync(stdout);
    await watch.message(/Watching/);
    for (let i = 0; i < 20; i += 1)
      editFile(lab, ({ entries: { arm } }) => Object.assign(arm ?? {}, { metadata: { [`k${i}`]: i } }));
    watch.kill("SIGTERM");
    expect(await watch.ended).toMatchObject({ status: 143 });
    closeSync(reader);
  });

  test("with an error for what is no name", async ({ lab }) => {
    const { status, stderr } = await lab.run("watch", "x".repeat(1_025));
    expect(stderr).toMatch(/^namehold: The name .* is 1025 characters long/);
    expect(status).toBe(64);
  });
});
