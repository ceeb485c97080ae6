import { setTimeout as sleep } from "node:timers/promises";
import { type Claim, isNameholdError } from "namehold";
import { bootClockMs } from "./boot-clock.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { WorkerContext } from "./worker-context.ts";

const SAMPLES_IN_A_ROW = 50;

/** One grant's life in a worker: samples, writes, stalls, and its end. */
export class Hold {
  readonly #context: WorkerContext;
  readonly #random: SeededRandom;
  readonly #claim: Claim;
  readonly #of: { readonly claim: string; readonly name: string; readonly token: number };
  /** As callers keep it: it must be right without being asked for again. */
  readonly #signal: AbortSignal;

  constructor(context: WorkerContext, random: SeededRandom, label: string, claim: Claim) {
    this.#context = context;
    this.#random = random;
    this.#claim = claim;
    this.#of = { claim: label, name: claim.name, token: claim.token };
    this.#signal = claim.signal;
    const { journal } = context;
    claim.on("jeopardy", () => journal.write({ kind: "jeopardy", ...this.#of, at: bootClockMs() }));
    claim.on("lost", ({ reason }) => journal.write({ kind: "lost", ...this.#of, reason, at: bootClockMs() }));
  }

  async run(): Promise<void> {
    const { stopping, settings } = this.#context;
    const isLong = settings.holdsLong === true || this.#random.chance(0.1);
    const untilAt =
      bootClockMs() + settings.ttlMs * (isLong ? this.#random.between(1, 3) : this.#random.between(0, 0.15));
    while (this.#sample() && bootClockMs() < untilAt && !stopping.aborted) {
      const turn = this.#random.next();
      if (turn < 0.3) await this.#write();
      else if (turn < 0.4) this.#sampleInARow(SAMPLES_IN_A_ROW);
      else if (turn < 0.405) this.#stallFor(settings.ttlMs * this.#random.between(0.1, 1.5));
      await sleep(this.#random.between(1, 20));
    }
    if (this.#claim.held) await this.#end();
    else await this.#actAsFormerHolder();
  }

  async #end(): Promise<void> {
    const { journal } = this.#context;
    if (this.#random.chance(0.02)) {
      // A clean exit gives names up, without a word of its own.
      journal.write({ kind: "finished", at: bootClockMs() });
      process.exit(0);
    }
    await this.#release();
  }

  /** What a careless program does after a loss. All of it must be refused or change nothing. */
  async #actAsFormerHolder(): Promise<void> {
    await this.#write();
    this.#sample();
    await sleep(this.#random.between(0, 0.3) * this.#context.settings.ttlMs);
    await this.#write();
    await this.#release();
    this.#sample();
  }

  async #release(): Promise<void> {
    const { journal } = this.#context;
    const askedAt = bootClockMs();
    journal.write({ kind: "release-asked", ...this.#of, at: askedAt });
    try {
      const releasing = this.#claim.release();
      this.#sample();
      await releasing;
      journal.write({ kind: "released", ...this.#of, askedAt, at: bootClockMs() });
    } catch (error) {
      const code = isNameholdError(error) ? error.code : "unexpected";
      journal.write({ kind: "release-failed", ...this.#of, code, askedAt, at: bootClockMs() });
    }
    this.#sample();
  }

  async #write(): Promise<void> {
    const { journal, resource, settings } = this.#context;
    const { name, token } = this.#of;
    const askedAt = bootClockMs();
    const shown = settings.misbehaviour === "no-token" ? null : token;
    const accepted = await resource.write({ name, process: settings.process, token: shown });
    if (shown === null) journal.write({ kind: "misdeed", at: bootClockMs() });
    journal.write({
      kind: accepted ? "write-accepted" : "write-refused",
      ...this.#of,
      token: shown ?? token,
      askedAt,
      at: bootClockMs(),
    });
  }

  /** @returns whether it is held, as the worker believes */
  #sample(): boolean {
    const { journal, settings } = this.#context;
    const lies = settings.misbehaviour === "always-held";
    const beforeAt = bootClockMs();
    const signalAborted = this.#signal.aborted;
    const held = this.#claim.held;
    const afterAt = bootClockMs();
    journal.write({
      kind: "belief",
      ...this.#of,
      held: lies || held,
      signalAborted: !lies && signalAborted,
      beforeAt,
      afterAt,
    });
    if (lies && !held) journal.write({ kind: "misdeed", at: bootClockMs() });
    return held;
  }

  /** Samples without a pause, so that a SIGSTOP falls between two samples of one turn of the event loop. */
  #sampleInARow(samples: number): void {
    for (let taken = 0; taken < samples && this.#sample(); taken += 1);
  }

  /** Synchronous work: no timer runs, no refresh is sent. */
  #stallFor(forMs: number): void {
    const untilAt = bootClockMs() + forMs;
    while (bootClockMs() < untilAt);
    this.#sample();
  }
}
