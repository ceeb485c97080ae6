/**
 * One process of a chaos run: claims names, holds them, writes under them, counts, gives them up or ends, and journals
 * what it believes. It judges nothing. SIGTERM ends it in good order; the end of its stdin ends it at once, so that no
 * worker outlives its run.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type Claim, isNameholdError, openRegistry } from "namehold";
import { bootClockMs } from "./boot-clock.ts";
import { Hold } from "./hold.ts";
import { createJournal } from "./journal.ts";
import { ResourceClient } from "./resource-client.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { WorkerContext } from "./worker-context.ts";
import type { WorkerSettings } from "./worker-settings.ts";

/** Outcomes after which nothing was written; every other failure of a write may have written. */
const NOTHING_WRITTEN = new Set([
  "busy",
  "held",
  "wait-timeout",
  "damaged",
  "storage-failed",
  "type-mismatch",
  "closed",
]);

const INCREMENT_TURN = 0.2;
const CLAIM_TURN = 0.9;

class Worker {
  readonly #context: WorkerContext;
  readonly #random: SeededRandom;
  readonly #label: string;
  #count = 0;

  constructor(context: WorkerContext, random: SeededRandom, loop: number) {
    this.#context = context;
    this.#random = random;
    this.#label = `${context.settings.process}/${loop}`;
  }

  async run(): Promise<void> {
    const { stopping, settings } = this.#context;
    while (!stopping.aborted) {
      this.#count += 1;
      // Every worker does both at least once, however short its life.
      const turn = this.#count === 1 ? INCREMENT_TURN : this.#count === 2 ? CLAIM_TURN : this.#random.next();
      if (turn < 0.15) await this.#lookUp(this.#pickName());
      else if (turn < 0.4) await this.#increment(this.#pickName());
      else if (settings.misbehaviour === "revoke-now") await this.#rob();
      else await this.#claim(this.#random.chance(0.1) ? `once ${this.#label} ${this.#count}` : this.#pickName());
      await sleep(this.#random.between(0, 30));
    }
  }

  #pickName(): string {
    return this.#random.pick(this.#context.settings.names);
  }

  /** Of what others hold, frees one and takes it. */
  async #rob(): Promise<void> {
    const { registry, settings, journal } = this.#context;
    try {
      const entries = await Promise.all(settings.names.map((name) => registry.entry(name)));
      const victim = entries.find(
        (found) => found?.state.kind === "held" && registry.claimed(found.name) === undefined,
      );
      if (victim == null) return;
      await registry.revoke(victim.name, { reason: "chaos", now: true });
      if (await this.#claim(victim.name, 0)) journal.write({ kind: "misdeed", at: bootClockMs() });
    } catch (error) {
      this.#journalFault("revoke", error);
    }
  }

  /** @returns whether it was granted; then it has ended again */
  async #claim(name: string, waitMs = this.#random.pick([0, 0, 300, 1_000, 4_000])): Promise<boolean> {
    const { registry, journal, stopping, settings } = this.#context;
    const claim = `${this.#label}#${this.#count}`;
    const patience = this.#random.chance(0.1) ? [AbortSignal.timeout(Math.ceil(this.#random.between(1, 500)))] : [];
    const askedAt = bootClockMs();
    journal.write({ kind: "claim-asked", claim, name, at: askedAt });
    let granted: Claim;
    try {
      granted = await registry.claim(name, { type: "node", waitMs, signal: AbortSignal.any([stopping, ...patience]) });
    } catch (error) {
      journal.write({ kind: "claim-refused", claim, name, code: codeOf(error), askedAt, at: bootClockMs() });
      this.#journalFault("claim", error);
      return false;
    }
    const { id, token } = granted;
    journal.write({ kind: "claim-granted", claim, name, id, token, askedAt, at: bootClockMs() });
    if (settings.misbehaviour === "other-file") journal.write({ kind: "misdeed", at: bootClockMs() });
    await new Hold(this.#context, this.#random, claim, granted).run();
    return true;
  }

  async #lookUp(name: string): Promise<void> {
    const { registry, journal } = this.#context;
    const askedAt = bootClockMs();
    try {
      journal.write({ kind: "looked-up", name, id: await registry.lookup(name), askedAt, at: bootClockMs() });
    } catch (error) {
      this.#journalFault("lookup", error);
    }
  }

  /** Reads a counter that nobody else writes, in an entry that everybody writes, and writes it back plus one. */
  async #increment(name: string): Promise<void> {
    const { registry, journal, settings } = this.#context;
    const counter = `${name} ${this.#label}`;
    const increment = `${this.#label}#${this.#count}`;
    const about = { counter, increment };
    let isAsked = false;
    try {
      const before = (await registry.entry(name))?.entry.metadata[this.#label] ?? 0;
      journal.write({ kind: "increment-asked", ...about, at: bootClockMs() });
      isAsked = true;
      if (settings.misbehaviour === "idle-increment") journal.write({ kind: "misdeed", at: bootClockMs() });
      else {
        await registry.resolve(name, { type: "node", metadata: { [this.#label]: Number(before) + 1 } });
      }
      journal.write({ kind: "increment-acknowledged", ...about, at: bootClockMs() });
    } catch (error) {
      const code = codeOf(error);
      const kind = NOTHING_WRITTEN.has(code) ? "increment-refused" : "increment-unknown";
      if (isAsked) journal.write({ kind, ...about, code, at: bootClockMs() });
      this.#journalFault("increment", error);
    }
  }

  #journalFault(doing: string, error: unknown): void {
    const { journal } = this.#context;
    if (isNameholdError(error, "held", "wait-timeout", "aborted")) return;
    journal.write({ kind: "error", doing, code: codeOf(error), message: String(error), at: bootClockMs() });
  }
}

function codeOf(error: unknown): string {
  return isNameholdError(error) ? error.code : "unexpected";
}

async function main(settings: WorkerSettings): Promise<void> {
  const journal = createJournal(settings.journalPath);
  journal.write({ kind: "started", pid: process.pid, runtime: "namehold", at: bootClockMs() });
  const uptimeMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1000;
  journal.write({ kind: "clock-checked", at: bootClockMs(), uptimeMs });

  const stopping = new AbortController();
  process.once("SIGTERM", () => stopping.abort());
  process.stdin.once("end", () => process.exit(1)).resume();

  const { ttlMs, heartbeatMs, registryPath } = settings;
  const registry = await openRegistry(registryPath, { lockTtlMs: ttlMs, heartbeatIntervalMs: heartbeatMs });
  const resource = new ResourceClient(settings.resourcePath);
  const context = { settings, registry, resource, journal, stopping: stopping.signal };
  const random = new SeededRandom(settings.seed);
  const loops = Array.from({ length: settings.loops }, (_, loop) => new Worker(context, random.fork(), loop).run());
  await Promise.all(loops);
  await registry.close();
  journal.write({ kind: "finished", at: bootClockMs() });
  resource.close();
  process.stdin.destroy();
}

await main(JSON.parse(process.argv[2] ?? "") as WorkerSettings);
