import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../../bench/servers/server-process.ts";

const READY_MS = 30_000;

/** A cluster of real etcd members on this machine's loopback, its data in a temporary directory. */
export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdMember[];
  readonly #directory: string;

  private constructor(directory: string, members: readonly EtcdMember[]) {
    this.#directory = directory;
    this.members = members;
  }

  /**
   * @param args further arguments of each member
   * @param scheme of its clients; with `https`, it is for the caller to find out when it is ready
   */
  static async start(size: number, args: readonly string[] = [], scheme = "http"): Promise<EtcdCluster> {
    const file = findProgram("etcd");
    if (file === undefined) throw new Error("These tests need etcd: apt install etcd-server etcd-client.");
    const directory = await mkdtemp(join(tmpdir(), "namehold-etcd-"));
    const ports: { client: number; peer: number }[] = [];
    for (let i = 0; i < size; i += 1) ports.push({ client: await quietPort(), peer: await quietPort() });
    const peers = ports.map(({ peer }, i) => `m${i}=http://127.0.0.1:${peer}`).join(",");
    const members = ports.map(({ client, peer }, i) => {
      const [clientUrl, peerUrl] = [`${scheme}://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
      return new EtcdMember(file, client, [
        ...["--name", `m${i}`, "--data-dir", join(directory, `m${i}`), "--log-level", "error"],
        ...["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
        ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
        ...["--initial-cluster", peers, "--initial-cluster-token", directory, ...args],
      ]);
    });
    const cluster = new EtcdCluster(directory, members);
    await Promise.all(members.map((member) => member.start()));
    if (scheme === "http") await cluster.ready();
    else await Promise.all(members.map((member) => member.listens()));
    return cluster;
  }

  get directory(): string {
    return this.#directory;
  }

  get endpoints(): readonly { readonly host: string; readonly port: number }[] {
    return this.members.map(({ port }) => ({ host: "127.0.0.1", port }));
  }

  /** Until each member that runs has a leader. */
  async ready(): Promise<void> {
    const giveUpAt = performance.now() + READY_MS;
    for (const member of this.members.filter(({ isRunning }) => isRunning)) {
      while (!(await member.answers())) {
        if (performance.now() > giveUpAt) throw new Error(`etcd is not ready: ${member.said}`);
        await sleep(50);
      }
    }
  }

  /** The member that leads now. */
  async leader(): Promise<EtcdMember> {
    for (const member of this.members.filter(({ isRunning }) => isRunning)) {
      const { header, leader } = await member.ask<{ header: { member_id: string }; leader?: string }>(
        "/v3/maintenance/status",
        {},
      );
      if (leader === header.member_id) return member;
    }
    throw new Error("nobody leads");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

export class EtcdMember {
  readonly port: number;
  said = "";
  readonly #file: string;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(file: string, port: number, args: readonly string[]) {
    this.#file = file;
    this.port = port;
    this.#args = args;
  }

  /** What it must be restored with. */
  get identity(): readonly string[] {
    const wanted = ["--initial-cluster", "--initial-cluster-token", "--initial-advertise-peer-urls"];
    return wanted.flatMap((one) => [one, this.#args[this.#args.indexOf(one) + 1] ?? ""]);
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  async start(): Promise<void> {
    const child = spawn(this.#file, this.#args, { stdio: ["ignore", "ignore", "pipe"] });
    child.stderr.on("data", (data: Buffer) => {
      this.said = (this.said + data.toString()).slice(-2_000);
    });
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.removeListener("exit", kill));
    this.#child = child;
    await once(child, "spawn");
  }

  async listens(): Promise<void> {
    const giveUpAt = performance.now() + READY_MS;
    for (;;) {
      const socket = connect({ port: this.port, host: "127.0.0.1" });
      const isThere = await once(socket, "connect").then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (isThere) return;
      if (performance.now() > giveUpAt) throw new Error(`etcd does not listen: ${this.said}`);
      await sleep(50);
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** It goes on answering connections, and nothing more, until it is resumed. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async ask<T>(path: string, body: object, token?: string): Promise<T> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: token === undefined ? {} : { authorization: token },
      signal: AbortSignal.timeout(5_000),
    });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  async answers(): Promise<boolean> {
    try {
      await this.ask("/v3/kv/range", { key: "YQ==" });
      return true;
    } catch {
      // Not yet: the caller bounds how often it asks.
      return false;
    }
  }
}

/** Below those that the kernel gives to outgoing connections: it stays free until a server has started there. */
async function quietPort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    const server = createServer();
    server.listen(port, "127.0.0.1");
    // An error rejects it: somebody listens there.
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
