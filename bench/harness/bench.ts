import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Peer } from "../peers/peer.ts";
import type { ServerKind, Started } from "../servers/server.ts";
import type { Servers } from "../servers/servers.ts";
import { proveExclusion } from "./exclusion.ts";
import { firstLine, NotMeasured } from "./row.ts";
import type { Settings } from "./settings.ts";
import { WorkerProcess } from "./worker-process.ts";

export interface BenchOptions {
  readonly settings: Settings;
  /** A directory of this run, on the file system that is measured. */
  readonly workspace: string;
  readonly servers: Servers;
  /** Whether a row is to be measured. */
  readonly wants: (rowId: string) => boolean;
  /** Where the workers of what is measured leave CPU profiles, when asked for. */
  readonly profileDirectory: string | undefined;
  readonly say: (text: string) => void;
}

/** What lies somewhere. */
export type Placed = Pick<Peer, "needs" | "locate">;

export interface Times {
  readonly ttlMs?: number;
  readonly heartbeatMs?: number;
}

/** What scenarios share: where things lie, which workers run, which locks have been proved. */
export class Bench {
  readonly settings: Settings;
  readonly say: (text: string) => void;
  readonly wants: (rowId: string) => boolean;
  readonly workspace: string;
  readonly #servers: Servers;
  readonly #profileDirectory: string | undefined;
  readonly #proofs = new Map<string, Promise<void>>();
  readonly #populated = new Map<string, Promise<string>>();
  readonly #workers = new Set<WorkerProcess>();
  #directories = 0;
  #profiles = 0;

  constructor(options: BenchOptions) {
    this.settings = options.settings;
    this.workspace = options.workspace;
    this.say = options.say;
    this.#servers = options.servers;
    this.wants = options.wants;
    this.#profileDirectory = options.profileDirectory;
  }

  /** A new directory of this run. */
  directory(): string {
    this.#directories += 1;
    const path = join(this.workspace, String(this.#directories));
    mkdirSync(path);
    return path;
  }

  /** A new place for the peer's data. @throws NotMeasured when what it needs is missing */
  async place(peer: Placed): Promise<string> {
    return this.#locate(peer, this.directory());
  }

  /** A place with that many names, made once a run. */
  async populated(peer: Peer, population: number): Promise<string> {
    const key = `${peer.dataOf ?? peer.id} ${population}`;
    const made = this.#populated.get(key) ?? this.#populate(peer, population);
    this.#populated.set(key, made);
    return this.#locate(peer, await made);
  }

  /** A worker to be measured. @throws NotMeasured when the peer cannot be opened: it is not built yet, or not installed */
  async open(peer: Peer, location: string, times: Times = {}): Promise<WorkerProcess> {
    const worker = await this.start(peer.id, { location, ...times }, peer.runtime);
    if (this.#profileDirectory !== undefined && peer.runtime === undefined) {
      this.#profiles += 1;
      const path = join(this.#profileDirectory, `${peer.id}-${this.#profiles}.cpuprofile`);
      await worker.ask("profile", { path });
    }
    return worker;
  }

  /** A worker beside what is measured. */
  openAside(peer: Peer, location: string): Promise<WorkerProcess> {
    return this.start(peer.id, { location }, peer.runtime);
  }

  async start(
    subject: string,
    options: { readonly location: string } & Times,
    runtime?: "python",
  ): Promise<WorkerProcess> {
    const worker = new WorkerProcess({ runtime, compileCache: join(this.workspace, "compiled") });
    this.#workers.add(worker);
    try {
      await worker.ask("open", { subject, ...options });
      return worker;
    } catch (error) {
      await worker.end();
      throw new NotMeasured(`It could not be opened: ${firstLine(error)}`);
    }
  }

  /** @throws NotMeasured when it is missing */
  async server(kind: ServerKind): Promise<Started> {
    const server = await this.#servers.get(kind);
    if ("missing" in server) throw new NotMeasured(server.missing);
    return server;
  }

  /** Once a peer: that its lock excludes. @throws when it does not */
  prove(peer: Peer): Promise<void> {
    const proof = this.#proofs.get(peer.id) ?? proveExclusion(this, peer);
    this.#proofs.set(peer.id, proof);
    return proof;
  }

  /** Ends what a scenario left running. */
  async endWorkers(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.end()));
    this.#workers.clear();
  }

  /** @returns the directory */
  async #populate(peer: Peer, population: number): Promise<string> {
    const directory = this.directory();
    const worker = await this.openAside(peer, await this.#locate(peer, directory));
    const startedAt = performance.now();
    await worker.ask("fill", { population });
    await worker.end();
    const tookS = (performance.now() - startedAt) / 1_000;
    if (tookS > 1) this.say(`  made ${population} names for ${peer.title} in ${tookS.toFixed(0)} s`);
    return directory;
  }

  async #locate(peer: Placed, directory: string): Promise<string> {
    return peer.locate(directory, peer.needs === undefined ? "" : await this.#urlOf(peer.needs));
  }

  async #urlOf(kind: ServerKind): Promise<string> {
    return (await this.server(kind)).url;
  }
}
