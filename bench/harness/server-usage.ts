import { readdirSync, readFileSync } from "node:fs";

/** What Linux counts processor time in, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

interface Stat {
  readonly parent: number;
  readonly ownTicks: number;
  /** Of children that have ended. */
  readonly endedTicks: number;
}

/** Processor time that a server and the processes that it has started have used so far; null where that is not told. */
export function serverCpuMs(pid: number | undefined): number | null {
  if (process.platform !== "linux" || pid === undefined) return null;
  const stats = new Map(
    readdirSync("/proc")
      .filter((entry) => /^\d+$/.test(entry))
      .map((entry) => [Number(entry), statOf(entry)] as const),
  );
  const belongs = (id: number): boolean => id === pid || (stats.has(id) && belongs(stats.get(id)?.parent ?? 0));
  const ticks = [...stats].reduce(
    (sum, [id, stat]) => (stat !== undefined && belongs(id) ? sum + stat.ownTicks + stat.endedTicks : sum),
    0,
  );
  return (ticks / TICKS_PER_SECOND) * 1_000;
}

function statOf(pid: string): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Its name, in brackets, may have anything in it.
    const [, parent, ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(9, 13).map(Number);
    return { parent: Number(parent), ownTicks: user + system, endedTicks: endedUser + endedSystem };
  } catch {
    // It has ended since it was listed.
    return undefined;
  }
}
