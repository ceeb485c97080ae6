/** 1. What one acquire and release costs, when nobody else wants the name; alone, and 64 at once in one process. */
import { CALIBRATIONS } from "../calibrations/index.ts";
import { peerById } from "../peers/index.ts";
import { type Cell, measureCells } from "./interleaved.ts";
import type { Scenario } from "./scenario.ts";

const SMALL = 100;
const MIDDLE = 10_000;
const LARGE = 1_000_000;
const GROUP = 64;
/** Enough that 64 lanes have names of their own. */
const GROUP_POPULATION = 6_400;
/** Each operation of Python is so slow at more names that nothing would be learnt. */
const MADSCI_MANY = 1_000;

const CALIBRATION_CELLS: readonly Cell[] = CALIBRATIONS.flatMap((calibration) =>
  (calibration.id.includes("sqlite") ? [SMALL, LARGE] : [SMALL]).map((population) => ({
    id: calibration.id.includes("sqlite") ? `${calibration.id}/${population}` : calibration.id,
    subject: calibration.id,
    title: calibration.title,
    population,
    operation: "pair" as const,
    concurrency: 1,
    floor: undefined,
  })),
);

const PAIR_CELLS: readonly Cell[] = [
  ...pairs("json", SMALL, MIDDLE),
  ...pairs("sqlite", SMALL, MIDDLE, LARGE),
  ...pairs("sqlite-full", SMALL, MIDDLE, LARGE),
  ...pairs("proper-lockfile", SMALL),
  ...pairs("flock", SMALL),
  ...pairs("redis", SMALL),
  ...pairs("redis-aof", SMALL),
  ...pairs("redlock", SMALL),
  ...pairs("redlock-aof", SMALL),
  ...pairs("postgres-advisory", SMALL),
  ...pairs("postgres", SMALL),
  ...pairs("postgres-lease", SMALL),
  ...pairs("etcd", SMALL),
  ...pairs("etcd-lock", SMALL),
  ...pairs("etcd3", SMALL),
  ...pairs("madsci", SMALL, MADSCI_MANY),
];

const LOOK_CELLS: readonly Cell[] = (["lookup", "resolve"] as const).flatMap((operation) =>
  [SMALL, LARGE].map((population) => ({
    ...cellOf("sqlite", population),
    id: `${operation}/sqlite/${population}`,
    title: `${peerById("sqlite").title}: ${operation}`,
    floor: undefined,
    operation,
  })),
);

/** Of names that the process has had before: to a server, one round trip. */
const CLAIM_CELLS: readonly Cell[] = ["postgres", "postgres-lease", "etcd", "etcd-lock", "etcd3"].map((id) => ({
  ...cellOf(id, SMALL),
  id: `claim/${id}`,
  title: `${peerById(id).title}: acquire alone`,
  operation: "claim",
}));

const GROUP_CELLS: readonly Cell[] = [
  "json",
  "sqlite",
  "sqlite-full",
  "proper-lockfile",
  "redis",
  "redis-aof",
  "redlock",
  "redlock-aof",
  "postgres-advisory",
  "postgres-lease",
  "postgres",
  "etcd",
  "etcd-lock",
  "etcd3",
].map((id) => ({ ...cellOf(id, GROUP_POPULATION), id: `group/${id}`, concurrency: GROUP }));

export const uncontended: Scenario = {
  id: "uncontended",
  rowIds: [...CALIBRATION_CELLS, ...PAIR_CELLS, ...CLAIM_CELLS, ...LOOK_CELLS].map(({ id }) => id),
  async run(bench) {
    const wanted = [...PAIR_CELLS, ...CLAIM_CELLS, ...LOOK_CELLS].filter(({ id }) => bench.wants(id));
    // The floors belong to whatever is measured.
    const floors = new Set(wanted.map(({ floor }) => floor));
    const calibrations = CALIBRATION_CELLS.filter(({ id }) => floors.has(id) || bench.wants(id));
    return {
      id: "uncontended",
      title: "1. Acquire and release, uncontended",
      text: 'One process takes a free name and gives it back, one after the other, over names drawn at random. "× floor" is the ratio to the calibration row that is the physical limit of that kind of lock: the same writes without the lock for SQLite, one synced write for what is durable, one round trip for a server in memory, one conditional UPDATE for PostgreSQL and one transaction for etcd (an acquire and a release are two of them), a bare flock for files that nobody syncs.',
      columns: [
        { key: "names", title: "names", unit: "count" },
        { key: "median", title: "median", unit: "us" },
        { key: "p99", title: "p99", unit: "us" },
        { key: "perSecond", title: "per second", unit: "per-second" },
        { key: "timesFloor", title: "× floor", unit: "times" },
        { key: "floor", title: "floor", unit: "text" },
        { key: "includes", title: "includes", unit: "text" },
      ],
      rows: await measureCells(bench, [...calibrations, ...wanted]),
    };
  },
};

export const grouped: Scenario = {
  id: "grouped",
  rowIds: GROUP_CELLS.map(({ id }) => id),
  async run(bench) {
    return {
      id: "grouped",
      title: `1b. ${GROUP} pairs at once in one process`,
      text: `${GROUP} lanes of one process take and give back names of their own: what a store saves by committing in groups, a server by answering many.`,
      columns: [
        { key: "perSecond", title: "pairs per second", unit: "per-second" },
        { key: "median", title: "median", unit: "us" },
        { key: "p99", title: "p99", unit: "us" },
        { key: "includes", title: "includes", unit: "text" },
      ],
      rows: await measureCells(
        bench,
        GROUP_CELLS.filter(({ id }) => bench.wants(id)),
      ),
    };
  },
};

function pairs(subject: string, ...populations: readonly number[]): readonly Cell[] {
  return populations.map((population) => cellOf(subject, population));
}

function cellOf(subject: string, population: number): Cell {
  const { title, floor } = peerById(subject);
  const ownFloor = floor.includes("sqlite") ? `${floor}/${population === LARGE ? LARGE : SMALL}` : floor;
  return {
    id: `pair/${subject}/${population}`,
    subject,
    title,
    population,
    operation: "pair",
    concurrency: 1,
    floor: ownFloor,
  };
}
