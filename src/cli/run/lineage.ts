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
  /** Likewise, of those who are excluded, and their descendants. */
  #strangers: ReadonlyMap<number, number> = new Map();

  constructor(root: ProcessRef) {
    this.#root = root;
  }

  /** Neither that process nor who will descend from it is a member, though it may be a child of the root. */
  exclude({ pid, startTicks }: ProcessRef): void {
    if (pid !== this.#root.pid && startTicks !== null) this.#strangers = new Map(this.#strangers).set(pid, startTicks);
  }

  /**
   * Looks at the processes that there are.
   *
   * @param sinceTicks who was started before, and who descends from that, is none
   */
  look(processes: readonly ProcessStat[], sinceTicks: number): void {
    const startOf = new Map(processes.map(({ pid, startTicks }) => [pid, startTicks]));
    const isAlive = ([pid, startTicks]: readonly [number, number]): boolean => startOf.get(pid) === startTicks;
    const members = new Map([...this.#members].filter(isAlive));
    const strangers = new Map([...this.#strangers].filter(isAlive));
    const hasRoot = startOf.get(this.#root.pid) === this.#root.startTicks;
    addDescendants(strangers, processes, ({ pid }) => !members.has(pid));
    const mayBeMember = ({ pid, startTicks }: ProcessStat): boolean => startTicks >= sinceTicks && !strangers.has(pid);
    addDescendants(members, processes, mayBeMember, hasRoot ? this.#root.pid : undefined);
    this.#members = members;
    this.#strangers = strangers;
  }

  has({ pid, startTicks }: ProcessStat): boolean {
    return this.#members.get(pid) === startTicks;
  }
}

/** @param root whose children descend from them too */
function addDescendants(
  found: Map<number, number>,
  processes: readonly ProcessStat[],
  mayBe: (stat: ProcessStat) => boolean,
  root?: number,
): void {
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const stat of processes) {
      const descends = stat.parent !== null && (found.has(stat.parent) || stat.parent === root);
      if (descends && mayBe(stat)) found.set(stat.pid, stat.startTicks);
    }
  }
}
