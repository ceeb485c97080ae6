import { setTimeout as sleep } from "node:timers/promises";
import { bootClockMs } from "./boot-clock.ts";
import type { Fault } from "./history.ts";
import type { PlannedFault } from "./schedule.ts";
import type { Life, Slot } from "./slot.ts";
import type { SmallDisk } from "./small-disk.ts";

/** Carries a schedule out, and notes what was truly done: from before the first signal to after the last. */
export class Nemesis {
  readonly #slots: readonly Slot[];
  readonly #disk: SmallDisk | null;
  readonly #faults: Fault[] = [];
  readonly #underWay = new Set<Promise<void>>();

  constructor(slots: readonly Slot[], disk: SmallDisk | null) {
    this.#slots = slots;
    this.#disk = disk;
  }

  get faults(): readonly Fault[] {
    return this.#faults;
  }

  /** Resolves when the last fault is over: nothing is stopped, the disk is free. */
  async run(plan: readonly PlannedFault[], interrupted: AbortSignal): Promise<void> {
    const startedAt = bootClockMs();
    for (const fault of plan) {
      if (interrupted.aborted) break;
      await sleep(Math.max(0, startedAt + fault.atMs - bootClockMs()));
      const done = this.#inject(fault);
      this.#underWay.add(done);
    }
    await Promise.all(this.#underWay);
  }

  /** Ends all for good: half in good order, half killed, so that the names of both must be free afterwards. */
  async endAll(graceMs: number): Promise<void> {
    const endings = this.#slots.map((slot) => {
      if (slot.number % 2 === 0) return slot.close("SIGTERM", graceMs);
      if (slot.life !== undefined) this.#kill(slot.life);
      return slot.close("SIGKILL", graceMs);
    });
    await Promise.all(endings);
  }

  async #inject(fault: PlannedFault): Promise<void> {
    if (fault.kind === "full-disk") {
      await this.#fillDisk(fault.freePages, fault.forMs);
      return;
    }
    const slot = this.#slots[fault.slot];
    const life = slot?.life;
    // Between two lives there is nobody to hurt.
    if (slot === undefined || life === undefined) return;
    if (fault.kind === "kill") this.#kill(life);
    else if (fault.kind === "stop") await this.#stop(life, fault.forMs, fault.thenKill);
    else this.#step(slot, life, fault.offsetSeconds);
  }

  #kill(life: Life): void {
    const atMs = bootClockMs();
    this.#faults.push({ kind: "kill", target: life.process, fromAt: atMs, untilAt: atMs });
    life.child.kill("SIGKILL");
  }

  async #stop(life: Life, forMs: number, thenKill: boolean): Promise<void> {
    const fromAt = bootClockMs();
    life.child.kill("SIGSTOP");
    await sleep(forMs);
    if (thenKill) this.#kill(life);
    else life.child.kill("SIGCONT");
    this.#faults.push({ kind: "stop", target: life.process, fromAt, untilAt: bootClockMs() });
  }

  #step(slot: Slot, life: Life, offsetSeconds: number): void {
    const atMs = bootClockMs();
    slot.clock.step(offsetSeconds);
    this.#faults.push({ kind: "clock-step", target: life.process, fromAt: atMs, untilAt: bootClockMs() });
  }

  async #fillDisk(freePages: number, forMs: number): Promise<void> {
    const fromAt = bootClockMs();
    this.#disk?.fill(freePages);
    await sleep(forMs);
    this.#disk?.free();
    this.#faults.push({ kind: "full-disk", target: "*", fromAt, untilAt: bootClockMs() });
  }
}
