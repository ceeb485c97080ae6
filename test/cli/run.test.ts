import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { isAlive, isStopped, MAIN, test, until } from "./cli-process.js";

const SHOW = 'echo "$NAMEHOLD_NAME is $NAMEHOLD_ID, token $NAMEHOLD_TOKEN"';

describe.concurrent("the command", () => {
  test("gets the name's ID and a token: the same ID every time, and a higher token [G1, G3]", async ({ lab }) => {
    const lines: (readonly string[])[] = [];
    for (let turn = 0; turn < 2; turn++) {
      const { stdout, stderr, status } = await lab.run(
        "run",
        "liquidhandler_1",
        "--type",
        "node",
        "--",
        "sh",
        "-c",
        SHOW,
      );
      expect(stderr).toBe("");
      expect(status).toBe(0);
      lines.push(/^liquidhandler_1 is ([0-9A-HJKMNP-TV-Z]{26}), token (\d+)\n$/.exec(stdout) ?? []);
    }
    const [[, firstId, firstToken] = [], [, secondId, secondToken] = []] = lines;
    expect(secondId).toBe(firstId);
    expect(Number(secondToken)).toBeGreaterThan(Number(firstToken));
  });

  test("returns its status, and leaves the name free", async ({ lab }) => {
    expect(await lab.run("run", "arm", "--", "sh", "-c", "exit 42")).toMatchObject({ status: 42, stderr: "" });
    expect(await lab.json("show", "arm")).toMatchObject({ status: "free", holder: null });
    expect(await lab.run("run", "arm", "--", "sh", "-c", "kill -KILL $$")).toMatchObject({ status: 137 });
  });

  test("gets its own options, and a name may look like one", async ({ lab }) => {
    expect((await lab.run("run", "arm", "--", "echo", "--json", "--", "-r")).stdout).toBe("--json -- -r\n");
    expect((await lab.run("run", "--", "--arm", "--", "sh", "-c", 'echo "$NAMEHOLD_NAME"')).stdout).toBe("--arm\n");
    expect((await lab.run("run", "", "--", "sh", "-c", 'echo "<$NAMEHOLD_NAME>"')).stdout).toBe("<>\n");
  });

  test("gets no secret of namehold's, and not the name of an outer run", async ({ lab }) => {
    const env = { NAMEHOLD_LAB_TOKEN: "secret", NAMEHOLD_NAME: "outer", KEPT: "yes" };
    const { stdout } = await lab.startWith(env, "run", "arm", "--", "env").ended;
    const names = stdout
      .split("\n")
      .filter((line) => /NAMEHOLD|KEPT/.test(line))
      .map((line) => line.split("=")[0]);
    expect(names.toSorted((a = "", b = "") => a.localeCompare(b))).toEqual([
      "KEPT",
      "NAMEHOLD_CHAIN",
      "NAMEHOLD_ID",
      "NAMEHOLD_NAME",
      "NAMEHOLD_TOKEN",
    ]);
  });

  test("that does not exist is told with 127, one that cannot be executed with 126, and the name is free", async ({
    lab,
  }) => {
    await lab.run("run", "arm", "--", "true");
    const missing = await lab.run("run", "arm", "--", "no-such-command");
    expect(missing).toMatchObject({
      status: 127,
      stderr: 'namehold: There is no command "no-such-command". Check its spelling and PATH.\n',
    });
    const file = join(lab.directory, "plain");
    writeFileSync(file, "echo no\n");
    chmodSync(file, 0o644);
    expect(await lab.run("run", "arm", "--", file)).toMatchObject({ status: 126, stdout: "" });
    expect(await lab.json("show", "arm")).toMatchObject({ status: "free" });
  });

  test.for<readonly [what: string, command: string, status: number]>([
    ["a missing command", "no-such-command", 127],
    ["a missing path", "./no-such-command", 127],
    ["an empty command", "", 127],
    ["a path through a file", "plain/command", 127],
    ["a file that cannot be executed", "./plain", 126],
    ["one of PATH that cannot be executed", "plain", 126],
    ["a directory", "./bin", 126],
  ])("that cannot be started makes no name: %s [G11]", async ([, command, status], { lab }) => {
    writeFileSync(join(lab.directory, "plain"), "echo no\n");
    chmodSync(join(lab.directory, "plain"), 0o644);
    mkdirSync(join(lab.directory, "bin"));
    const env = { PATH: `${lab.directory}:/usr/bin:/bin` };
    const { status: ended, stdout, stderr } = await lab.startWith(env, "run", "typo", "--", command).ended;
    expect({ ended, stdout }).toEqual({ ended: status, stdout: "" });
    expect(stderr).toMatch(/^namehold: .*command.*\n$/);
    expect(existsSync(dirname(lab.path))).toBe(false);
  });

  test("is found as a shell finds it: by PATH past what cannot be executed, or by its path", async ({ lab }) => {
    const [one, two] = ["one", "two"].map((directory) => join(lab.directory, directory));
    for (const directory of [one, two]) mkdirSync(directory as string);
    mkdirSync(join(one as string, "tool"));
    writeFileSync(join(two as string, "tool"), "#!/bin/sh\necho started\n");
    chmodSync(join(two as string, "tool"), 0o755);
    const PATH = `/nowhere:${one}:${two}:/usr/bin:/bin`;
    for (const command of ["tool", "two/tool", `${two}/tool`]) {
      expect(await lab.startWith({ PATH }, "run", "arm", "--", command).ended).toMatchObject({ stdout: "started\n" });
    }
    // An empty part of PATH is the working directory.
    writeFileSync(join(lab.directory, "here"), "#!/bin/sh\necho here\n");
    chmodSync(join(lab.directory, "here"), 0o755);
    for (const path of [":/usr/bin", "/usr/bin:", "/usr/bin::/bin"]) {
      expect(await lab.startWith({ PATH: path }, "run", "arm", "--", "here").ended).toMatchObject({ stdout: "here\n" });
    }
    // Without PATH the C library looks into its own list.
    expect(await lab.startWith({ PATH: undefined }, "run", "arm", "--", "echo", "by default").ended).toMatchObject({
      stdout: "by default\n",
    });
  });

  test("ends with all that it left behind, before the name is free [G2]", async ({ lab }) => {
    const doors = {
      group: "sleep 60 3>&-",
      session: "setsid sleep 60",
      descriptor: "env -i setsid sleep 60",
      environment: "setsid sleep 60 3>&-",
    };
    const script = Object.entries(doors).map(([door, command]) => `${command} & echo ${door}=$!`);
    const run = lab.start("run", "arm", "--", "sh", "-c", script.join("\n"));
    const pids = await Promise.all(Object.keys(doors).map((door) => run.printedPid(door)));
    expect(await run.ended).toMatchObject({ status: 0 });
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await lab.json("show", "arm")).toMatchObject({ status: "free" });
  });

  test("keeps its status when nobody reads its output or the messages", async ({ lab }) => {
    const command = `"${process.execPath}" "${MAIN}" run arm -- sh -c 'sleep 0.3; exit 3' 2>&1 | true; echo "\${PIPESTATUS[0]}"`;
    const shell = spawn("bash", ["-c", command], { env: { ...process.env, MADSCI_REGISTRY_PATH: lab.path } });
    const [status] = (await once(shell.stdout.setEncoding("utf8"), "data")) as [string];
    expect(status).toBe("3\n");
  });

  test("of a name that is registered as another type is not started", async ({ lab }) => {
    await lab.run("run", "arm", "--type", "manager", "--", "true");
    const refused = await lab.run("run", "arm", "--type", "node", "--", "echo", "started");
    expect(refused).toMatchObject({ status: FAILURES["type-mismatch"].exitStatus, stdout: "" });
    expect(await lab.run("run", "arm", "--", "echo", "started")).toMatchObject({ status: 0, stdout: "started\n" });
  });
});

describe.concurrent("a held name", () => {
  test("is told with its holder and the way to wait; the command is not started [G2, G11]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const refused = await lab.run("run", "arm", "--", "echo", "started");
    expect(refused).toMatchObject({ status: FAILURES.held.exitStatus, stdout: "" });
    expect(refused.stderr).toMatch(
      new RegExp(`^namehold: "arm" is held by \\S+ \\(PID ${run.pid}\\) since .* use --wait 60s\\.\n$`),
    );
    const json = await lab.run("--json", "run", "arm", "--", "echo", "started");
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: "held", name: "arm", held_by: { pid: run.pid } } });
  });

  test("is waited for: whom is told once, and the command starts when it is free", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const waiter = lab.start("run", "arm", "--wait", "60s", "--", "echo", "started");
    await waiter.message(/Waiting/);
    await delay(300);
    expect(waiter.stderr).toMatch(
      new RegExp(`^namehold: Waiting for "arm": held by \\S+ \\(PID ${run.pid}\\) since \\S+\\.\n$`),
    );
    run.kill("SIGTERM");
    expect(await waiter.ended).toMatchObject({ status: 0, stdout: "started\n" });
    expect(await run.ended).toMatchObject({ status: 143, stderr: "" });
  });

  test("is given up after the time to wait [G12]", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    const waiter = await lab.run("run", "arm", "--wait", "200ms", "--", "echo", "started");
    expect(waiter).toMatchObject({ status: FAILURES["wait-timeout"].exitStatus, stdout: "" });
    expect(waiter.stderr).toContain(`(PID ${run.pid})`);
  });

  test.for([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)(
    "%s ends the wait with %d, and gives the place in the queue back [G12]",
    async ([signal, status], { lab }) => {
      const run = lab.start("run", "arm", "--", "sh", "-c", "echo up; exec sleep 60");
      await run.line(/up/);
      const waiter = lab.start("run", "arm", "--wait", "60s", "--", "echo", "started");
      await waiter.message(/Waiting/);
      waiter.kill(signal);
      expect(await waiter.ended).toMatchObject({ status, stdout: "" });
      expect(await lab.json("show", "arm")).toMatchObject({ waiters: 0 });
    },
  );
});

describe.concurrent("signals", () => {
  test.for(["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"] as const)(
    "SIG%s goes to the command",
    async (signal, { lab }) => {
      const run = lab.start(
        "run",
        "arm",
        "--",
        "bash",
        "-c",
        `trap 'echo got; exit 3' ${signal}; echo up; while :; do sleep 0.05; done`,
      );
      await run.line(/up/);
      run.kill(`SIG${signal}`);
      expect(await run.ended).toMatchObject({ status: 3, stdout: "up\ngot\n" });
    },
  );

  test("a signal that comes twice at once is forwarded once; a later one is another", async ({ lab }) => {
    const count =
      "let n = 0; process.on('SIGINT', () => { console.log('got=' + ++n); if (n === 2) process.exit(); }); setInterval(() => {}, 1e6); console.log('up')";
    const run = lab.start("run", "arm", "--", process.execPath, "-e", count);
    await run.line(/up/);
    run.kill("SIGINT");
    await delay(60);
    run.kill("SIGINT");
    await run.line(/got=1/);
    await delay(500);
    expect(run.stdout).toBe("up\ngot=1\n");
    run.kill("SIGINT");
    expect(await run.ended).toMatchObject({ status: 0, stdout: "up\ngot=1\ngot=2\n" });
  });

  test("the command's end by a signal is 128 and its number", async ({ lab }) => {
    const run = lab.start("run", "arm", "--", "sh", "-c", "echo up; exec sleep 60");
    await run.line(/up/);
    run.kill("SIGINT");
    expect(await run.ended).toMatchObject({ status: 130, stderr: "" });
  });

  test("SIGTSTP pauses the command while the name stays held; SIGCONT goes on", async ({ lab }) => {
    const run = lab.start("run", "arm", "--ttl", "4s", "--", "sh", "-c", "echo pid=$$; exec sleep 60");
    const pid = await run.printedPid("pid");
    const heldUntil = async () => ((await lab.json("show", "arm")) as { holder: { until: string } }).holder.until;
    run.kill("SIGTSTP");
    await until("the command to stop", () => isStopped(pid));
    await run.message(/paused, and the name stays held/);
    const before = await heldUntil();
    await delay(2_000);
    expect(await heldUntil()).not.toBe(before);
    run.kill("SIGCONT");
    await until("the command to go on", () => !isStopped(pid));
    run.kill("SIGTSTP");
    await until("the command to stop", () => isStopped(pid));
    run.kill("SIGINT");
    expect(await run.ended).toMatchObject({ status: 130 });
  });
});
