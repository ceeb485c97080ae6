import { onTestFinished } from "vitest";
import type { Holder } from "../../src/core/entry.js";
import type { EntryRecord } from "../../src/core/record.js";
import type { Claim } from "../../src/registry/claim.js";
import { LockManager, type LockManagerOptions } from "../../src/registry/lock-manager.js";
import { type ClaimOptions, Registry } from "../../src/registry/registry.js";
import { MemoryStore } from "../../src/stores/memory/memory-store.js";
import type { ChangePart } from "../../src/stores/store.js";
import { FaultyStore } from "../../src/testing/faulty-store.js";
import { ManualClock } from "../../src/testing/manual-clock.js";

/** The times of a lock manager that is given none, in milliseconds. */
export const TTL_MS = 30_000;
export const HEARTBEAT_MS = 10_000;
/** The TTL less its margin of 5 %. */
export const HOLD_MS = 28_500;
export const RETRY_MS = 2_000;

/** A clock that can also jump without any timer running: a stopped process, a sleeping laptop. */
export class StallingClock extends ManualClock {
  #stalledMs = 0;

  override wallMs(): ReturnType<ManualClock["wallMs"]> {
    return (super.wallMs() + this.#stalledMs) as ReturnType<ManualClock["wallMs"]>;
  }

  override monotonicMs(): ReturnType<ManualClock["monotonicMs"]> {
    return (super.monotonicMs() + this.#stalledMs) as ReturnType<ManualClock["monotonicMs"]>;
  }

  /** Timers keep what they still had to wait: they do not count suspended time. */
  stall(ms: number): void {
    this.#stalledMs += ms;
  }
}

/** One set of data that several processes share, as far as a registry can tell, under a clock that the test moves. */
export class Lab {
  readonly clock = new StallingClock();
  readonly memory = new MemoryStore(this.clock);

  /** A registry as a further process would open it, closed with the test. */
  open(options: Omit<LockManagerOptions, "clock"> = {}): LabProcess {
    return this.openFor(new LockManager({ ...options, clock: this.clock }));
  }

  /** A registry on a lock manager that others may use as well. */
  openFor(manager: LockManager): LabProcess {
    const store = new FaultyStore(this.memory.another());
    const opened = new LabProcess(this, new Registry("memory", store, manager), store);
    onTestFinished(() => opened.end());
    return opened;
  }

  async record(name: string): Promise<EntryRecord> {
    const { record } = await this.memory.read(name);
    if (record === null) throw new Error(`there is no ${JSON.stringify(name)}`);
    return record;
  }

  /** All that is kept, to compare it before and after. */
  async everything(): Promise<readonly unknown[]> {
    const snapshots: unknown[] = [];
    for await (const snapshot of this.memory.list()) snapshots.push(snapshot);
    return snapshots;
  }
}

export class LabProcess {
  readonly registry: Registry;
  readonly store: FaultyStore;
  readonly #lab: Lab;
  #isDead = false;

  constructor(lab: Lab, registry: Registry, store: FaultyStore) {
    this.#lab = lab;
    this.registry = registry;
    this.store = store;
  }

  get holder(): Holder {
    return this.registry.lockManager.holder;
  }

  get isAlive(): boolean {
    return !this.#isDead;
  }

  get instance(): string {
    return this.holder.instance;
  }

  claim(name: string, options: Partial<ClaimOptions> = {}): Promise<Claim> {
    return this.registry.claim(name, { type: "node", ...options });
  }

  /** Waits for the name; comes back when the process stands in the queue. */
  async queueUp(name: string, options: Partial<ClaimOptions> = {}): Promise<{ readonly claim: Promise<Claim> }> {
    const claim = this.claim(name, { waitMs: 600_000, ...options });
    // The test looks at it later; until then a refusal is nobody's unhandled rejection.
    claim.catch(() => undefined);
    await this.#lab.clock.settle();
    return { claim };
  }

  /** A write past the registry, in this process's name. */
  async commit(...parts: readonly ChangePart[]): Promise<void> {
    const { kind } = await this.store.commit({ holder: this.holder, parts });
    if (kind !== "done") throw new Error(`the commit was answered ${kind}`);
  }

  /** Ends it without letting it do anything, and proves its death. */
  kill(): void {
    this.#isDead = true;
    this.store.freeze();
    this.#lab.memory.kill(this.instance);
  }

  async end(): Promise<void> {
    if (this.#isDead) return;
    this.store.thaw();
    await this.registry.close();
  }
}

/** What a claim tells, in order. */
export function storyOf(claim: Claim): readonly string[] {
  const story: string[] = [];
  claim.on("refreshed", () => story.push("refreshed"));
  claim.on("jeopardy", () => story.push("jeopardy"));
  claim.on("lost", ({ reason }) => story.push(`lost: ${reason}`));
  return story;
}
