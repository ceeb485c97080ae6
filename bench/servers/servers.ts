import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startEtcd } from "./etcd.ts";
import { startMadsci } from "./madsci.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis, startRedisAof } from "./redis.ts";
import type { Missing, ServerKind, Start, Started } from "./server.ts";

const STARTS: Readonly<Record<ServerKind, Start>> = {
  redis: startRedis,
  "redis-aof": startRedisAof,
  postgres: startPostgres,
  etcd: startEtcd,
  madsci: startMadsci,
};

/** The servers of one run, each started when it is first needed. */
export class Servers {
  readonly #directory: string;
  readonly #known = new Map<ServerKind, Promise<Started | Missing>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A server that does not start is as good as missing, and says why. */
  get(kind: ServerKind): Promise<Started | Missing> {
    const known = this.#known.get(kind) ?? this.#start(kind);
    this.#known.set(kind, known);
    return known;
  }

  /** What was asked for so far. */
  async describe(): Promise<readonly { readonly kind: ServerKind; readonly answer: Started | Missing }[]> {
    return Promise.all([...this.#known].map(async ([kind, answer]) => ({ kind, answer: await answer })));
  }

  async stop(): Promise<void> {
    for (const { answer } of await this.describe()) if ("stop" in answer) await answer.stop();
  }

  async #start(kind: ServerKind): Promise<Started | Missing> {
    const directory = join(this.#directory, kind);
    mkdirSync(directory, { recursive: true });
    try {
      return await STARTS[kind](directory);
    } catch (error) {
      return { missing: error instanceof Error ? error.message : String(error) };
    }
  }
}
