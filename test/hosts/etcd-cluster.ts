import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../../bench/servers/server-process.ts";
import type { Engine } from "./engine.ts";
import { HostServer } from "./host-server.ts";
import type { Network } from "./network.ts";

const CLIENT_PORT = 2379;
const PEER_PORT = 2380;
const START_TIMEOUT_MS = 30_000;
/** The last leases end meanwhile. */
const AGREE_TIMEOUT_MS = 10_000;

interface EndpointHash {
  readonly HashKV: { readonly header: { readonly revision: number }; readonly hash: number };
}

interface EndpointStatus {
  readonly Endpoint: string;
  readonly Status: { readonly header: { readonly member_id: number }; readonly leader: number };
}

/** An etcd cluster with a member on each of some hosts. */
export class EtcdCluster implements Engine {
  readonly port = CLIENT_PORT;
  readonly protocol = "http";
  readonly #network: Network;
  readonly #members: ReadonlyMap<string, HostServer>;
  readonly #etcdctl: string;

  private constructor(network: Network, members: ReadonlyMap<string, HostServer>, etcdctl: string) {
    this.#network = network;
    this.#members = members;
    this.#etcdctl = etcdctl;
  }

  static async start(network: Network, hosts: readonly string[], directory: string): Promise<EtcdCluster> {
    const etcd = findProgram("etcd");
    const etcdctl = findProgram("etcdctl");
    if (etcd === undefined || etcdctl === undefined) {
      throw new Error("etcd is not installed: apt-get install etcd-server etcd-client");
    }
    const urlOf = (host: string, port: number): string => `http://${network.addressOf(host)}:${port}`;
    const cluster = hosts.map((host) => `${host}=${urlOf(host, PEER_PORT)}`).join(",");
    const members = hosts.map((host): [string, HostServer] => {
      const cwd = join(directory, `etcd-${host}`);
      mkdirSync(cwd);
      const command = [
        etcd,
        ...["--name", host, "--data-dir", join(cwd, "data"), "--log-level", "warn"],
        ...["--listen-client-urls", urlOf(host, CLIENT_PORT), "--advertise-client-urls", urlOf(host, CLIENT_PORT)],
        ...["--listen-peer-urls", urlOf(host, PEER_PORT), "--initial-advertise-peer-urls", urlOf(host, PEER_PORT)],
        ...["--initial-cluster", cluster, "--initial-cluster-token", "namehold-hosts"],
      ];
      return [host, new HostServer({ host: network.host(host), command, cwd, logPath: join(cwd, "log") })];
    });
    const started = new EtcdCluster(network, new Map(members), etcdctl);
    for (const [, member] of members) member.start();
    try {
      await started.#allHealthy();
    } catch (error) {
      await started.stop();
      throw error;
    }
    return started;
  }

  get endpoints(): readonly string[] {
    return [...this.#members.keys()].map((host) => `${this.#network.addressOf(host)}:${CLIENT_PORT}`);
  }

  locationOf(registry: string, endpoints: readonly string[]): string {
    return `etcd://${endpoints.join(",")}/${registry}`;
  }

  /** The leader first, as far as it can be known now. */
  async serverHosts(): Promise<readonly string[]> {
    const leader = await this.#leader();
    const hosts = [...this.#members.keys()];
    return leader === undefined ? hosts : [leader, ...hosts.filter((host) => host !== leader)];
  }

  /** A majority. */
  serves(hosts: readonly string[]): boolean {
    const reached = hosts.filter((host) => this.#members.get(host)?.isRunning === true);
    return 2 * reached.length > this.#members.size;
  }

  kill(host: string): Promise<void> {
    return this.#member(host).kill();
  }

  async restart(host: string): Promise<void> {
    this.#member(host).start();
    await Promise.resolve();
  }

  pause(host: string): void {
    this.#member(host).pause();
  }

  resume(host: string): void {
    this.#member(host).resume();
  }

  /** Runs etcdctl on the first host that runs a member, against all of them. */
  async ask(...args: readonly string[]): Promise<string> {
    const [first] = [...this.#members.values()].filter((member) => member.isRunning);
    if (first === undefined) throw new Error("No member of the etcd cluster is running");
    return first.host.run(this.#etcdctl, "--endpoints", this.endpoints.join(","), ...args);
  }

  /**
   * Members that differ will go on to differ, and answer differently, as their log is the same: etcd does not notice. A
   * client can bring that about (a lease that a transaction names before it is granted), and a killed member shows it.
   */
  async membersAgree(): Promise<boolean> {
    const giveUpAt = performance.now() + AGREE_TIMEOUT_MS;
    for (;;) {
      const told = JSON.parse(await this.ask("endpoint", "hashkv", "--write-out", "json")) as EndpointHash[];
      if (new Set(told.map(({ HashKV }) => `${HashKV.header.revision} ${HashKV.hash}`)).size === 1) return true;
      if (performance.now() >= giveUpAt) return false;
      await sleep(200);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#members.values()].map((member) => member.kill()));
  }

  #member(host: string): HostServer {
    const member = this.#members.get(host);
    if (member === undefined) throw new RangeError(`${host} runs no member of etcd`);
    return member;
  }

  /** Undefined when no member tells: there may be none. */
  async #leader(): Promise<string | undefined> {
    for (const [host, member] of this.#members) {
      const endpoint = `${this.#network.addressOf(host)}:${CLIENT_PORT}`;
      const args = ["--endpoints", endpoint, "--dial-timeout", "500ms", "--command-timeout", "500ms"];
      try {
        const text = await member.host.run(this.#etcdctl, ...args, "endpoint", "status", "--write-out", "json");
        const [status] = JSON.parse(text) as EndpointStatus[];
        if (status !== undefined && status.Status.leader === status.Status.header.member_id) return host;
      } catch {
        // A member that is down or cut off cannot say; the next one may.
      }
    }
    return undefined;
  }

  async #allHealthy(): Promise<void> {
    const giveUpAt = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      try {
        await this.ask("endpoint", "health", "--dial-timeout", "1s", "--command-timeout", "2s");
        return;
      } catch (error) {
        const ended = [...this.#members.values()].find((member) => !member.isRunning);
        if (ended !== undefined) throw new Error(`etcd did not start: ${ended.lastWords}`, { cause: error });
        if (performance.now() >= giveUpAt) throw error;
        await sleep(200);
      }
    }
  }
}
