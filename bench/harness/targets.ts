/** What issue by issue was promised, as arithmetic over one run's rows. */
import type { Row, ScenarioResult } from "./row.ts";
import { ratioOfRounds } from "./statistics.ts";

export interface Target {
  readonly title: string;
  readonly limit: number;
  readonly is: "at most" | "at least";
  readonly unit: "times" | "ms" | "percent" | "count";
  /** The row whose profile shows where the time goes. */
  readonly row: string;
  /** @returns undefined when a row is missing */
  readonly value: (rows: Rows) => number | undefined;
}

export interface TargetResult {
  readonly title: string;
  readonly is: Target["is"];
  readonly limit: number;
  readonly unit: Target["unit"];
  readonly row: string;
  readonly value: number | null;
  readonly verdict: "met" | "missed" | "not measured" | "failed";
}

/** The measured rows of one run. */
export class Rows {
  readonly #rows: ReadonlyMap<string, Row>;

  constructor(scenarios: readonly ScenarioResult[]) {
    this.#rows = new Map(scenarios.flatMap(({ rows }) => rows).map((row) => [row.id, row]));
  }

  get(id: string, key: string): number | undefined {
    const outcome = this.#rows.get(id)?.outcome;
    const value = outcome?.kind === "measured" ? outcome.values[key] : undefined;
    return typeof value === "number" ? value : undefined;
  }

  /** Of two rows that were measured in the same rounds. */
  ratio(id: string, base: string): number | undefined {
    const [above, below] = [this.#roundsOf(id), this.#roundsOf(base)];
    return above === undefined || below === undefined ? undefined : ratioOfRounds(above, below);
  }

  hasFailed(id: string): boolean {
    return this.#rows.get(id)?.outcome.kind === "failed";
  }

  #roundsOf(id: string): readonly number[] | undefined {
    const outcome = this.#rows.get(id)?.outcome;
    return outcome?.kind === "measured" ? outcome.roundMedians : undefined;
  }
}

const STORES = [
  { id: "json", title: "JSON" },
  { id: "sqlite", title: "SQLite" },
];

const ENGINES = [
  { id: "postgres", title: "PostgreSQL" },
  { id: "etcd", title: "etcd" },
];

export const TARGETS: readonly Target[] = [
  ratio(
    "SQLite pair ÷ the same writes as bare statements, 100 names",
    "pair/sqlite/100",
    "calibration/sqlite/100",
    1.5,
  ),
  ratio(
    "SQLite pair ÷ the same writes as bare statements, 1,000,000 names",
    "pair/sqlite/1000000",
    "calibration/sqlite/1000000",
    1.5,
  ),
  ratio("durable SQLite pair ÷ one 4 KiB write + fdatasync", "pair/sqlite-full/100", "calibration/fdatasync", 3),
  ...["pair", "lookup", "resolve"].map((operation) =>
    ratio(`SQLite ${operation}, 1,000,000 names ÷ 100`, `${operation}/sqlite/1000000`, `${operation}/sqlite/100`, 1.5),
  ),
  faster("64 durable SQLite pairs at once ÷ Redis with AOF always", "group/sqlite-full", "group/redis-aof", 1.5),
  faster("64 durable SQLite pairs at once ÷ PostgreSQL lease rows", "group/sqlite-full", "group/postgres-lease", 10),
  {
    title: "JSON pair, on disk, as many times faster than Python MADSci, which syncs none, 100 names",
    is: "at least",
    limit: 5,
    unit: "times",
    row: "pair/json/100",
    value: (rows) => rows.ratio("pair/madsci/100", "pair/json/100"),
  },
  atMost("2,000 names on JSON, a heartbeat in 10 s: CPU of a core", "percent", 2, [
    "heartbeat/json/2000",
    "cpuAtDefault",
  ]),
  atMost("2,000 names on JSON, a heartbeat in 0.5 s: CPU of a core", "percent", 2, ["heartbeat/json/2000", "cpu"]),
  atMost("2,000 names on JSON, 360 beats at TTL 1.5 s: names lost", "count", 0, ["heartbeat/json/2000", "lostInAll"]),
  atMost("100,000 names on SQLite, a heartbeat in 0.5 s: CPU of a core", "percent", 1, [
    "heartbeat/sqlite/100000",
    "cpu",
  ]),
  atMost("100,000 names on SQLite, 360 beats at TTL 1.5 s: names lost", "count", 0, [
    "heartbeat/sqlite/100000",
    "lost",
  ]),
  ...STORES.flatMap(({ id, title }) => [
    atMost(`${title} hand-off across processes, p50`, "ms", 1, [`hand-off/cross/1/${id}`, "median"]),
    atMost(`${title} hand-off across processes, p99`, "ms", 10, [`hand-off/cross/1/${id}`, "p99"]),
    atMost(`${title} takeover after kill -9, p50`, "ms", 10, [`takeover/usual/${id}`, "median"]),
    atMost(`${title} takeover after kill -9, p99`, "ms", 50, [`takeover/usual/${id}`, "p99"]),
  ]),
  ...["one", "own"].map((names) =>
    atMost(`8 processes on SQLite, ${names === "one" ? "one name" : "own names"}: max/min mean wait`, "times", 1.1, [
      `contention/${names}/sqlite`,
      "fairness",
    ]),
  ),
  atMost("8 processes on SQLite, own names: worst wait", "ms", 70, ["contention/own/sqlite", "max"]),
  ...STORES.map(({ id, title }) =>
    atMost(`8 processes on ${title}, one name: lost updates`, "count", 0, [`contention/one/${id}`, "lost"]),
  ),
  ratio(
    "PostgreSQL: claim of a known name ÷ one conditional UPDATE",
    "claim/postgres",
    "calibration/postgres-update",
    2,
  ),
  ratio("etcd: claim of a known name ÷ one bare transaction", "claim/etcd", "calibration/etcd-transaction", 2),
  ...ENGINES.map(({ id, title }) =>
    atMost(`many processes on ${title}: names lost`, "count", 0, [`many-processes/${id}`, "lost"]),
  ),
  atMost("namehold --version", "ms", 120, ["start-up/version", "median"]),
  atMost("import of the library", "ms", 60, ["start-up/import/namehold", "median"]),
];

export function judgeTargets(scenarios: readonly ScenarioResult[]): readonly TargetResult[] {
  const rows = new Rows(scenarios);
  return TARGETS.map(({ value: measure, ...target }) => {
    const value = measure(rows) ?? null;
    return { ...target, value, verdict: verdictOf(value, target, rows.hasFailed(target.row)) };
  });
}

function verdictOf(value: number | null, { is, limit }: Pick<Target, "is" | "limit">, hasFailed: boolean) {
  if (hasFailed) return "failed";
  if (value === null) return "not measured";
  return (is === "at most" ? value <= limit : value >= limit) ? "met" : "missed";
}

function ratio(title: string, row: string, base: string, limit: number): Target {
  return { title, is: "at most", limit, unit: "times", row, value: (rows) => rows.ratio(row, base) };
}

/** By rate, of rows that were measured in the same rounds. */
function faster(title: string, row: string, base: string, limit: number): Target {
  const value = (rows: Rows): number | undefined => {
    const [own, other] = [rows.get(row, "perSecond"), rows.get(base, "perSecond")];
    return own === undefined || other === undefined ? undefined : own / other;
  };
  return { title, is: "at least", limit, unit: "times", row, value };
}

function atMost(title: string, unit: Target["unit"], limit: number, [row, key]: readonly [string, string]): Target {
  return { title, is: "at most", limit, unit, row, value: (rows) => rows.get(row, key) };
}
