import type { Store } from "../../src/stores/store.js";
import type { ModelFixture, ModelHarness } from "./harness.js";
import { ObservedStore } from "./observed-store.js";
import { type Asked, LabProcess } from "./process.js";
import { ReferenceModel, type Role } from "./reference-model.js";
import { RuleClock } from "./rule-clock.js";
import { Traffic } from "./traffic.js";

export const PROCESS_COUNT = 3;
export const NAMES = ["arm", "__proto__", ""] as const;
export const LONGEST_WAIT_MS = 60_000;
const TTL_MS = 30_000;
/** Whatever was asked must have been answered after so many turns of the event loop. */
const TURNS_MAX = 10_000;

/** Some processes and an operator around one store, and what must be true of them at every moment. */
export class World {
  readonly clock: RuleClock;
  readonly model = new ReferenceModel();
  readonly operator: LabProcess;
  readonly #fixture: ModelFixture;
  readonly #traffic: Traffic;
  /** Looks on, and does nothing. */
  readonly #store: Store;
  /** Each process's own. */
  readonly #stores = new Map<LabProcess, Store>();
  readonly #processes: LabProcess[];
  readonly #dead: LabProcess[] = [];
  readonly #violations: unknown[] = [];

  static async open(harness: ModelHarness): Promise<World> {
    const traffic = new Traffic();
    const clock = new RuleClock(() => settle(traffic, fixture));
    const fixture = await harness.open(clock);
    return new World(clock, fixture, traffic);
  }

  private constructor(clock: RuleClock, fixture: ModelFixture, traffic: Traffic) {
    this.clock = clock;
    this.#fixture = fixture;
    this.#traffic = traffic;
    this.#store = fixture.connect();
    this.operator = this.#start("operator");
    this.#processes = Array.from({ length: PROCESS_COUNT }, () => this.#start("process"));
  }

  process(index: number): LabProcess {
    const process = this.#processes[index];
    if (process === undefined) throw new RangeError(`there is no process ${index}`);
    return process;
  }

  /** Kills a process, however it stands, and starts another in its place. */
  kill(index: number): void {
    const process = this.process(index);
    process.stop();
    this.#fixture.kill(this.#storeOf(process), process.registry.lockManager.holder);
    this.model.kill(process.instance);
    this.#dead.push(process);
    this.#processes[index] = this.#start("process");
  }

  /** Lets what has begun settle, then looks whether all is as it must be. */
  async check(): Promise<void> {
    await this.clock.settle();
    for (const process of this.#processes) {
      this.#violations.push(...process.surprises);
      for (const given of process.given) this.#checkClaim(process, given);
    }
    this.#checkOneHolder();
    await this.#checkIdentities();
    if (this.#violations.length > 0) throw this.#violations[0];
  }

  /** Whether a claim that does not wait must be given now; undefined when that cannot be said. */
  async expectedAnswer(name: string, { instance }: LabProcess): Promise<Asked["answer"]> {
    const { record } = await this.#store.read(name);
    if (this.model.isFree(name, this.clock.monotonicMs())) return record?.waiters.length ? undefined : "given";
    // Its own lock may be of a claim that has ended, which it then gives up first.
    return this.model.lockOn(name)?.instance === instance ? undefined : "refused";
  }

  /** All faults end and time goes by: whatever was asked has been answered, and the names of the dead are free. */
  async conclude(): Promise<void> {
    for (const process of this.#processes) {
      process.hangNoMore();
      process.goOn();
    }
    await this.clock.advance(LONGEST_WAIT_MS + TTL_MS);
    await this.check();
    const unanswered = this.#processes.flatMap(({ asked }) => asked.filter(({ answer }) => answer === undefined));
    if (unanswered.length > 0) throw new Error(`G12: a claim on "${unanswered[0]?.name}" is never answered`);
    for (let index = 0; index < PROCESS_COUNT; index += 1) this.kill(index);
    for (const name of this.model.entries.keys()) {
      const asked = this.process(0).claim(name, 0);
      await this.check();
      if (asked.answer !== "given") throw new Error(`G6: all others are dead, and "${name}" is not free`);
    }
  }

  /** Ends everything, the dead included, so that no exit hook and no timer of theirs stays. */
  async dispose(): Promise<void> {
    const all = [this.operator, ...this.#processes, ...this.#dead];
    for (const process of all) {
      process.hangNoMore();
      process.goOn();
    }
    const closed = Promise.allSettled([this.#store.close(), ...all.map(({ registry }) => registry.close())]);
    while ((await Promise.race([closed, this.#fixture.stir()])) === undefined);
    await this.#fixture.dispose();
  }

  #start(role: Role): LabProcess {
    const { model, clock } = this;
    const traffic = this.#traffic;
    const onViolation = (error: unknown): void => void this.#violations.push(error);
    const store = this.#fixture.connect();
    const observed = new ObservedStore(store, { model, clock, traffic, role, onViolation });
    const process = new LabProcess(observed, clock, ({ token }) => model.told(token));
    this.#stores.set(process, store);
    return process;
  }

  #storeOf(process: LabProcess): Store {
    const store = this.#stores.get(process);
    if (store === undefined) throw new RangeError("this process is of another world");
    return store;
  }

  /** G4: who believes to hold the name does; who has stopped believing never does again. G2 follows from it. */
  #checkClaim(process: LabProcess, given: LabProcess["given"][number]): void {
    const { name, id, token, held, signal } = given.claim;
    if (signal.aborted === held) this.#violations.push(new Error(`G4: held is ${held}, and the signal says otherwise`));
    if (held && given.hasEnded) this.#violations.push(new Error(`G4: a lost claim on "${name}" is held again`));
    given.hasEnded ||= !held;
    if (!held || this.model.cutShort.has(token)) return;
    const entry = this.model.entryOf(id);
    if (entry === undefined) {
      this.#violations.push(new Error(`G1: the id of a held claim on "${name}" is gone`));
      return;
    }
    const isHis = entry.lock?.instance === process.instance && entry.lock.token === token;
    if (!isHis) this.#violations.push(new Error(`G2: "${name}" is believed to be held, and is another's`));
    else if (this.model.isFree(entry.name, this.clock.monotonicMs())) {
      this.#violations.push(new Error(`G4: "${name}" is believed to be held, and is free for others`));
    }
  }

  #checkOneHolder(): void {
    const holders = new Set<string>();
    for (const { claim } of this.#processes.flatMap(({ given }) => given)) {
      if (!claim.held || this.model.cutShort.has(claim.token)) continue;
      for (const held of [`the name "${claim.name}"`, `the id ${claim.id}`]) {
        if (holders.has(held)) this.#violations.push(new Error(`G2: ${held} is held twice`));
        holders.add(held);
      }
    }
  }

  async #checkIdentities(): Promise<void> {
    const ids = new Map<string, string>();
    for await (const { name, record } of this.#store.list()) ids.set(name, record?.entry.id ?? "");
    const expected = new Map(Array.from(this.model.entries, ([name, { id }]) => [name, id]));
    const isSame = ids.size === expected.size && [...expected].every(([name, id]) => ids.get(name) === id);
    if (!isSame) this.#violations.push(new Error("G1: the names have other ids than they were given"));
  }
}

/** Until all that was asked has been answered, and nobody has asked for more because of it. */
async function settle(traffic: Traffic, fixture: ModelFixture): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    const { begun } = traffic;
    await fixture.stir();
    if (traffic.isQuiet && traffic.begun === begun) return;
  }
  throw new Error(`G12: there is no end to what was asked of the store, after ${TURNS_MAX} turns of the event loop`);
}
