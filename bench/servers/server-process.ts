import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const ERROR_LENGTH = 2_000;

export interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly port: number;
  /** As whom to run it, where it refuses to be root. */
  readonly user?: UserIds;
}

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

export interface RunningServer {
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

/** Starts a server and waits until it listens. It does not outlive this process. */
export async function startServer(command: ServerCommand): Promise<RunningServer> {
  const child = spawn(command.file, command.args, {
    cwd: command.cwd,
    stdio: ["ignore", "ignore", "pipe"],
    ...command.user,
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let said = "";
  child.stderr?.on("data", (data: Buffer) => {
    said = (said + data.toString()).slice(-ERROR_LENGTH);
  });
  await waitForPort(child, command.port, () => said);
  return {
    pid: child.pid,
    async stop() {
      process.removeListener("exit", kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      const timer = setTimeout(kill, STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** The path of a program, looked for in PATH and then in `more`. */
export function findProgram(name: string, more: readonly string[] = []): string | undefined {
  const places = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", ...more];
  return places.map((place) => join(place, name)).find((path) => existsSync(path));
}

/** The first line of what a program says of itself. */
export function versionOf(file: string, args: readonly string[] = ["--version"]): string {
  return execFileSync(file, args, { encoding: "utf8" }).split("\n")[0]?.trim() ?? "";
}

async function waitForPort(child: ChildProcess, port: number, said: () => string): Promise<void> {
  const giveUpAt = performance.now() + START_TIMEOUT_MS;
  while (!(await listens(port))) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (ended || performance.now() > giveUpAt) {
      child.kill("SIGKILL");
      throw new Error(`${child.spawnfile} did not start: ${said().trim() || "it said nothing"}`);
    }
    await sleep(50);
  }
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    // Not yet: the caller bounds how often it asks.
    return false;
  } finally {
    socket.destroy();
  }
}
