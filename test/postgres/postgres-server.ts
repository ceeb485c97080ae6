import { execFile, execFileSync, spawn } from "node:child_process";
import { chownSync, globSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { findProgram, freePort, type UserIds } from "../../bench/servers/server-process.ts";

const run = promisify(execFile);
const PLACES = globSync("/usr/lib/postgresql/*/bin").toSorted().toReversed();
export const SUPERUSER = "lab_owner";

export interface ServerOptions {
  /** Lines of postgresql.conf, as `name=value`. */
  readonly settings?: readonly string[];
  /** Where its files go; a new directory of its own when not given. */
  readonly directory?: string;
  /** More of its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real PostgreSQL of its own on a spare port of this machine. */
export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly data: string;
  readonly #root: string;
  readonly #env: Readonly<Record<string, string>>;

  /** Its directory is its caller's. */
  readonly #isElsewhere: boolean;

  private constructor(port: number, root: string, { env = {}, directory }: ServerOptions) {
    this.port = port;
    this.#root = root;
    this.#env = env;
    this.#isElsewhere = directory !== undefined;
    this.data = join(root, "data");
  }

  static async start(options: ServerOptions = {}): Promise<PostgresServer> {
    const server = await PostgresServer.#prepare(options);
    const init = [
      "--pgdata",
      server.data,
      "--username",
      SUPERUSER,
      "--auth",
      "trust",
      "--encoding",
      "UTF8",
      "--locale",
      "C",
    ];
    await run(program("initdb"), [...init, "--no-sync"], { cwd: server.#root, ...unprivileged() });
    await server.configure("max_connections=60", ...(options.settings ?? []));
    await server.begin();
    return server;
  }

  /** A streaming replica of this server. */
  async replica(): Promise<PostgresServer> {
    const replica = await PostgresServer.#prepare({});
    const args = [
      "-h",
      "127.0.0.1",
      "-p",
      `${this.port}`,
      "-U",
      SUPERUSER,
      "-D",
      replica.data,
      "-R",
      "-X",
      "stream",
      "-c",
      "fast",
    ];
    await run(program("pg_basebackup"), args, { cwd: replica.#root, ...unprivileged() });
    await replica.configure();
    await replica.begin();
    return replica;
  }

  static async #prepare(options: ServerOptions): Promise<PostgresServer> {
    const root = options.directory ?? (await mkdtemp(join(tmpdir(), "namehold-postgres-")));
    await chmod(root, 0o755);
    const user = unprivileged();
    if (user.uid !== undefined) chownSync(root, user.uid, user.gid ?? user.uid);
    const server = new PostgresServer(await freePort(), root, options);
    process.once("exit", server.#kill);
    return server;
  }

  url(more = ""): string {
    return `postgres://${SUPERUSER}@127.0.0.1:${this.port}/postgres${more}`;
  }

  /** Adds lines to its configuration, for the next start. */
  async configure(...settings: readonly string[]): Promise<void> {
    const own = [`port=${this.port}`, "listen_addresses='127.0.0.1'", `unix_socket_directories='${this.#root}'`];
    await writeFile(join(this.data, "postgresql.conf"), [...own, ...settings, ""].join("\n"), { flag: "a" });
  }

  async begin(): Promise<void> {
    await this.#control("start", "-w", "-l", join(this.#root, "log"));
  }

  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    await this.#control("stop", "-w", "-m", mode);
  }

  async promote(): Promise<void> {
    await this.#control("promote", "-w");
  }

  /** Runs SQL as the owner of everything. Rows as objects. */
  async query(text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client(this.url());
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query(text, [...values])).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    process.removeListener("exit", this.#kill);
    if (!this.#isElsewhere) await rm(this.#root, { recursive: true, force: true });
  }

  async #control(...args: readonly string[]): Promise<void> {
    // Its own output goes to the log; pipes that the server inherits would never end.
    const child = spawn(program("pg_ctl"), ["-D", this.data, ...args], {
      cwd: this.#root,
      stdio: "ignore",
      env: { ...process.env, ...this.#env },
      ...unprivileged(),
    });
    const code = await new Promise<number | null>((resolve) => {
      child.once("exit", resolve);
    });
    if (code !== 0) throw new Error(`pg_ctl ${args[0]} failed: see ${join(this.#root, "log")}`);
  }

  readonly #kill = (): void => {
    try {
      execFileSync(program("pg_ctl"), ["-D", this.data, "stop", "-m", "immediate"], {
        stdio: "ignore",
        ...unprivileged(),
      });
    } catch {
      // It was stopped before, which is all that is wanted.
    }
  };
}

function program(name: string): string {
  const file = findProgram(name, PLACES);
  if (file === undefined) throw new Error(`${name} is not installed. Run: apt install postgresql`);
  return file;
}

/** PostgreSQL refuses to be root. */
function unprivileged(): Partial<UserIds> {
  if (process.getuid?.() !== 0) return {};
  const idOf = (kind: "-u" | "-g"): number => Number(execFileSync("id", [kind, "nobody"], { encoding: "utf8" }));
  return { uid: idOf("-u"), gid: idOf("-g") };
}
