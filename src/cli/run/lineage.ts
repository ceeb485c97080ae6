import type { ProcessStat } from "../../platform/host.js";
import type { ProcessRef } from "./command-members.js";

/**
 * The descendants of a process. Whoever was seen as one stays one, and so do its own: when `run` is killed, its orphans
 * get another parent, and nothing else tells whose they were.
 */
export class Lineage {
  readonly #root: ProcessRef;
  /** When each was started, by its pid. */
  #members: ReadonlyMap<number, number> = new Map();

  constructor(root: ProcessRef) {
    this.#root = root;
  }

  /**
   * Looks at the processes that there are.
   *
   * @param sinceTicks who was started before, and who descends from that, is none
   */
  look(processes: readonly ProcessStat[], sinceTicks: number): void {
    const members = new Map<number, number>();
    const isAlive = new Map(processes.map(({ pid, startTicks }) => [pid, startTicks]));
    const hasRoot = isAlive.get(this.#root.pid) === this.#root.startTicks;
    for (const [pid, startTicks] of this.#members) if (isAlive.get(pid) === startTicks) members.set(pid, startTicks);
    for (let before = -1; before < members.size; ) {
      before = members.size;
      for (const { pid, parent, startTicks } of processes) {
        const descends = parent !== null && (members.has(parent) || (hasRoot && parent === this.#root.pid));
        if (descends && startTicks >= sinceTicks) members.set(pid, startTicks);
      }
    }
    this.#members = members;
  }

  has({ pid, startTicks }: ProcessStat): boolean {
    return this.#members.get(pid) === startTicks;
  }
}
