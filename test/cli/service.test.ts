import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { CliProcess, type Lab, MAIN, test } from "./cli-process.js";
import { testWith } from "./requirements.js";

const LISTENER = `
import json, socket, sys
address, mode = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind("\\0" + address[1:] if address[0] == "@" else address)
if mode == "deaf":
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    try:
        while True:
            sender.sendto(b"x", listener.getsockname())
    except BlockingIOError:
        pass
print("listening", flush=True)
while mode == "hear":
    print(json.dumps(listener.recv(65536).decode()), flush=True)
sys.stdin.read()
`;

const UNITS = ["docs/service/liquidhandler_1.service", "docs/service/liquidhandler_1.user.service"];

describe.concurrent("a service manager", () => {
  test.for(["/notify", "@namehold"])(
    "is told at %s when the command runs, and when it ends",
    async (socket, { lab }) => {
      const address = socket.startsWith("@") ? `${socket}-${process.pid}` : `${lab.directory}${socket}`;
      const manager = await listen(lab, address, "hear");
      const env = { NOTIFY_SOCKET: address };
      const script = "echo id=$NAMEHOLD_ID token=$NAMEHOLD_TOKEN socket=$NOTIFY_SOCKET.; exec sleep 60";
      const run = lab.startWith(env, "run", "arm", "--ttl", "6s", "--", "sh", "-c", script);
      const [, id, token] = /^id=(\S+) token=(\S+) socket=\.$/m.exec(await run.line(/^id=.*$/m)) ?? [];
      await manager.line(/READY/);
      expect(heard(manager)).toEqual([`READY=1\nSTATUS=Holds "arm", ID ${id}, token ${token}.`]);

      const next = lab.startWith(env, "run", "arm", "--wait", "20s", "--", "true");
      await manager.line(/Waiting/);
      expect(heard(manager)[1]).toMatch(
        new RegExp(`^STATUS=Waiting for "arm": held by \\S+ \\(PID ${run.pid}\\) since \\S+\\.$`),
      );
      await lab.run("revoke", "arm", "--reason", "maintenance");
      expect((await run.ended).status).toBe(FAILURES.lost.exitStatus);
      expect(await next.ended).toMatchObject({ status: 0 });
      await manager.line(/The command has ended/);
      expect(heard(manager).slice(2)).toEqual([
        expect.stringMatching(/^STOPPING=1\nSTATUS="arm" is not held any more: it was revoked \(maintenance\)/),
        expect.stringMatching(/^READY=1\nSTATUS=Holds "arm"/),
        "STOPPING=1\nSTATUS=The command has ended.",
      ]);
    },
  );

  test.for(["deaf", "gone"])("that is %s hinders nothing", async (mode, { lab }) => {
    const address = join(lab.directory, "notify");
    if (mode === "deaf") await listen(lab, address, "deaf");
    const env = { NOTIFY_SOCKET: address };
    expect(await lab.startWith(env, "run", "arm", "--", "sh", "-c", "exit 3").ended).toMatchObject({
      status: 3,
      stdout: "",
      stderr: "",
    });
  });
});

describe("the units", () => {
  testWith("systemd-analyze").for(UNITS)("in %s are what systemd understands", (unit, { lab }) => {
    const path = join(lab.directory, "liquidhandler_1.service");
    copyFileSync(unit, path);
    writeFileSync(path, readFileSync(path, "utf8").replace("/usr/local/bin/namehold", MAIN));
    const scope = unit.includes(".user.") ? ["--user"] : [];
    const env = { ...process.env, XDG_RUNTIME_DIR: lab.directory };
    const said = execFileSync("systemd-analyze", [...scope, "verify", "--man=no", path], {
      encoding: "utf8",
      env,
      stdio: "pipe",
    });
    expect(said).toBe("");
  });

  test.for(UNITS)("in %s start nothing again that cannot succeed", (unit) => {
    const { "invalid-input": usage, "type-mismatch": type, unsupported } = FAILURES;
    const statuses = [usage, type, unsupported].map(({ exitStatus }) => exitStatus);
    expect(readFileSync(unit, "utf8")).toContain(`\nRestartPreventExitStatus=${statuses.join(" ")}\n`);
  });
});

test("docs/service.md tells of every exit status that run can have", async ({ lab }) => {
  const { stdout } = await lab.run("run", "--help");
  const [, listed = ""] = stdout.split("Exit status:\n");
  const statuses = [...listed.matchAll(/^ {2}(\S+)/gm)].map(([, status]) => status);
  const page = readFileSync("docs/service.md", "utf8");
  expect(statuses.length).toBeGreaterThan(10);
  expect(statuses.filter((status) => !page.includes(`\n| ${status} |`))).toEqual([]);
});

/** Ends with the lab. */
async function listen(lab: Lab, address: string, mode: "hear" | "deaf"): Promise<CliProcess> {
  const manager = new CliProcess(spawn("python3", ["-c", LISTENER, address, mode], { cwd: lab.directory }));
  await manager.line(/listening/);
  return manager;
}

function heard(manager: CliProcess): readonly string[] {
  return manager.stdout
    .split("\n")
    .filter((line) => line.startsWith('"'))
    .map((line) => JSON.parse(line) as string);
}
