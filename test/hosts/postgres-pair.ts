import { execFileSync } from "node:child_process";
import { appendFileSync, chownSync, globSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../../bench/servers/server-process.ts";
import { FakeClock } from "../interop/fake-clock.ts";
import type { Engine } from "./engine.ts";
import { HostServer } from "./host-server.ts";
import type { Network } from "./network.ts";

const PORT = 5432;
const USER = "lab";
const CONNECTIONS_MAX = 150;
const START_TIMEOUT_MS = 30_000;
const CATCH_UP_TIMEOUT_MS = 20_000;

/**
 * A PostgreSQL primary and a replica that streams from it asynchronously. Clients find the primary by the floating
 * address.
 */
export class PostgresPair implements Engine {
  readonly port = PORT;
  readonly protocol = "tcp";
  readonly #network: Network;
  readonly #directory: string;
  readonly #servers = new Map<string, HostServer>();
  #primary: string;
  #replica: string;

  private constructor(network: Network, directory: string, hosts: readonly [primary: string, replica: string]) {
    this.#network = network;
    this.#directory = directory;
    [this.#primary, this.#replica] = hosts;
  }

  static async start(
    network: Network,
    hosts: readonly [primary: string, replica: string],
    directory: string,
  ): Promise<PostgresPair> {
    const pair = new PostgresPair(network, directory, hosts);
    try {
      await pair.#start();
    } catch (error) {
      await pair.stop();
      throw error;
    }
    return pair;
  }

  get endpoints(): readonly string[] {
    return [`${this.#network.floatingAddress}:${PORT}`];
  }

  locationOf(registry: string, [endpoint = ""]: readonly string[]): string {
    return `postgres://${USER}@${endpoint}/postgres?schema=${registry}`;
  }

  serverHosts(): Promise<readonly string[]> {
    return Promise.resolve([this.#primary, this.#replica]);
  }

  /** The primary. */
  serves(hosts: readonly string[]): boolean {
    return hosts.includes(this.#primary) && this.#server(this.#primary).isRunning;
  }

  kill(host: string): Promise<void> {
    return this.#server(host).kill();
  }

  async restart(host: string): Promise<void> {
    this.#server(host).start();
    await this.#accepting(host);
  }

  pause(host: string): void {
    this.#server(host).pause();
  }

  resume(host: string): void {
    this.#server(host).resume();
  }

  stepClock(host: string, offsetSeconds: number): void {
    this.#server(host).stepClock(offsetSeconds);
  }

  /** Resolves when the replica has all that was acknowledged before the call. A network that was hurt may keep it behind. */
  async replicaCaughtUp(): Promise<void> {
    const giveUpAt = performance.now() + CATCH_UP_TIMEOUT_MS;
    const target = (await this.ask("SELECT pg_current_wal_lsn()")).trim();
    const behind = `SELECT count(*) FROM pg_stat_replication WHERE replay_lsn >= '${target}'`;
    while ((await this.ask(behind)).trim() === "0") {
      if (performance.now() >= giveUpAt) throw new Error("The replica does not catch up with the primary");
      await sleep(50);
    }
  }

  /** The primary dies for good, so that there are never two; what the replica had not received is gone. */
  async failOver(): Promise<void> {
    await this.kill(this.#primary);
    [this.#primary, this.#replica] = [this.#replica, this.#primary];
    await this.ask("SELECT pg_promote()");
    await this.#network.moveFloatingAddress(this.#primary);
  }

  /** Makes the dead former primary a replica of the present one, from nothing. */
  async rebuildReplica(): Promise<void> {
    const host = this.#replica;
    rmSync(this.#dataOf(host), { recursive: true, force: true });
    const from = ["--host", this.#network.addressOf(this.#primary), "--port", String(PORT), "--username", USER];
    await this.#network
      .host(host)
      .run(
        ...asUnprivileged(),
        ...program("pg_basebackup"),
        ...from,
        ...["--pgdata", this.#dataOf(host)],
        ...["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"],
      );
    this.#servers.set(host, this.#serverOn(host));
    await this.restart(host);
  }

  /** Asks the primary, in its own host, as SQL; answers with unaligned text. */
  ask(sql: string): Promise<string> {
    return this.#askOn(this.#primary, sql);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.kill()));
  }

  async #start(): Promise<void> {
    const primary = this.#primary;
    for (const host of [primary, this.#replica]) {
      mkdirSync(this.#homeOf(host));
      const user = unprivileged();
      chownSync(this.#homeOf(host), user.uid, user.gid);
    }
    const how = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"];
    const made = [...program("initdb"), "--pgdata", this.#dataOf(primary), ...how];
    await this.#network.host(primary).run(...asUnprivileged(), ...made);
    const data = this.#dataOf(primary);
    const access = ["all", "replication"].map((what) => `host ${what} all ${this.#network.range} trust\n`);
    appendFileSync(join(data, "pg_hba.conf"), access.join(""));
    const settings = [
      // In the data directory, and not in /dev/shm, where a killed server leaves it behind.
      "dynamic_shared_memory_type=mmap",
      // So that a replica finds back soon after an outage.
      ...["wal_receiver_timeout=3s", "wal_sender_timeout=3s", "wal_retrieve_retry_interval=500ms"],
      "listen_addresses='*'",
      `port=${PORT}`,
      `max_connections=${CONNECTIONS_MAX}`,
      "log_line_prefix='%m '",
    ];
    appendFileSync(join(data, "postgresql.conf"), `${settings.join("\n")}\n`);
    this.#servers.set(primary, this.#serverOn(primary));
    await this.restart(primary);
    await this.#network.moveFloatingAddress(primary);
    await this.rebuildReplica();
  }

  #serverOn(host: string): HostServer {
    const cwd = this.#homeOf(host);
    const clock = new FakeClock(this.#directory, `postgres-${host}`);
    // Last of all: what libfaketime makes when it is loaded must be the server's own user's.
    const env = ["env", ...Object.entries(clock.env).map(([name, value]) => `${name}=${value}`)];
    const socket = ["-c", `unix_socket_directories=${cwd}`];
    return new HostServer({
      host: this.#network.host(host),
      command: [...asUnprivileged(), ...env, ...program("postgres"), "-D", this.#dataOf(host), ...socket],
      cwd,
      logPath: join(this.#directory, `${host}.log`),
      clock,
    });
  }

  async #accepting(host: string): Promise<void> {
    const giveUpAt = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      try {
        await this.#askOn(host, "SELECT 1");
        return;
      } catch (error) {
        const server = this.#server(host);
        if (!server.isRunning)
          throw new Error(`PostgreSQL on ${host} did not start: ${server.lastWords}`, { cause: error });
        if (performance.now() >= giveUpAt) throw error;
        await sleep(100);
      }
    }
  }

  #askOn(host: string, sql: string): Promise<string> {
    const where = ["--host", this.#homeOf(host), "--port", String(PORT), "--username", USER, "--dbname", "postgres"];
    const how = ["--no-psqlrc", "--tuples-only", "--no-align", "--command", sql];
    return this.#network.host(host).run(...program("psql"), ...where, ...how);
  }

  #server(host: string): HostServer {
    const server = this.#servers.get(host);
    if (server === undefined) throw new RangeError(`${host} runs no PostgreSQL`);
    return server;
  }

  #homeOf(host: string): string {
    return join(this.#directory, `postgres-${host}`);
  }

  #dataOf(host: string): string {
    return join(this.#homeOf(host), "data");
  }
}

/** A program of PostgreSQL, the newest that is installed. */
function program(name: string): readonly string[] {
  const found = findProgram(name, globSync("/usr/lib/postgresql/*/bin").toSorted().toReversed());
  if (found === undefined) throw new Error(`${name} is not installed: apt-get install postgresql`);
  return [found];
}

/** PostgreSQL refuses to be root. The death of the run must still reach it: changing the user forgets that wish. */
function asUnprivileged(): readonly string[] {
  const { uid, gid } = unprivileged();
  const ids = ["--reuid", String(uid), "--regid", String(gid), "--clear-groups"];
  return ["setpriv", ...ids, "--pdeathsig", "KILL", "--"];
}

function unprivileged(): { readonly uid: number; readonly gid: number } {
  const idOf = (kind: "-u" | "-g"): number => Number(execFileSync("id", [kind, "nobody"], { encoding: "utf8" }));
  return { uid: idOf("-u"), gid: idOf("-g") };
}
