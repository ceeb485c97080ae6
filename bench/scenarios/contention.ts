/** 5. Eight processes that all want the same name, or each its own, of one store. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../harness/bench.ts";
import { lostUpdates } from "../harness/exclusion.ts";
import { inMs, msBetween } from "../harness/moment.ts";
import { notMeasured, type Outcome, outcomeOf, type Row } from "../harness/row.ts";
import { mean, quantile } from "../harness/statistics.ts";
import { peerById } from "../peers/index.ts";
import type { Peer } from "../peers/peer.ts";
import type { Scenario } from "./scenario.ts";

const PROCESSES = 8;
const START_IN_MS = 200;

const ONE_NAME = [
  ...["json", "sqlite", "sqlite-full", "proper-lockfile", "flock", "redis"],
  ...["redlock", "postgres-advisory", "postgres-lease", "postgres", "etcd", "etcd-lock", "etcd3", "madsci"],
];
const OWN_NAMES = ["json", "sqlite", "sqlite-full", "redis", "postgres-lease", "postgres", "etcd", "madsci"];

type Names = "one" | "own";

interface Cell {
  readonly id: string;
  readonly peer: Peer;
  readonly names: Names;
}

const CELLS: readonly Cell[] = [
  ...ONE_NAME.map((id) => ({ id: `contention/one/${id}`, peer: peerById(id), names: "one" as const })),
  ...OWN_NAMES.map((id) => ({ id: `contention/own/${id}`, peer: peerById(id), names: "own" as const })),
];

export const contention: Scenario = {
  id: "contention",
  rowIds: CELLS.map(({ id }) => id),
  async run(bench) {
    const { increments, contentionForMs } = bench.settings;
    const rows: Row[] = [];
    for (const cell of CELLS) {
      if (!bench.wants(cell.id)) continue;
      rows.push({ id: cell.id, title: cell.peer.title, outcome: await outcomeOf(() => measure(bench, cell)) });
      await bench.endWorkers();
    }
    return {
      id: "contention",
      title: "5. Contention",
      text: `${PROCESSES} processes, each ${increments} times: take the name, add one to a number in a file, give the name back; all under one name, or each under its own in the same store (without the number). Who is not done after ${contentionForMs / 1_000} s stops. max/min compares the processes' mean waits.`,
      columns: [
        { key: "names", title: "names", unit: "text" },
        { key: "done", title: "done", unit: "count" },
        { key: "lost", title: "lost updates", unit: "count" },
        { key: "total", title: "total", unit: "s" },
        { key: "mean", title: "mean wait", unit: "ms" },
        { key: "p99", title: "p99 wait", unit: "ms" },
        { key: "max", title: "worst wait", unit: "ms" },
        { key: "fairness", title: "max/min mean wait", unit: "times" },
      ],
      rows,
    };
  },
};

async function measure(bench: Bench, { peer, names }: Cell): Promise<Outcome> {
  if (names === "own" && !bench.settings.crowds) return notMeasured("--quick measures one name only");
  await bench.prove(peer);
  const { increments: times, contentionForMs } = bench.settings;
  const location = await bench.place(peer);
  const counterPath = join(bench.directory(), "counter");
  writeFileSync(counterPath, "0");
  const workers = await Promise.all(Array.from({ length: PROCESSES }, () => bench.open(peer, location)));
  const [startAtNs, stopAtNs] = [inMs(START_IN_MS), inMs(START_IN_MS + contentionForMs)];
  const results = await Promise.all(
    workers.map((worker, index) =>
      worker.ask("increment", {
        name: names === "one" ? "contended" : `own_${index}`,
        counterPath: names === "one" ? counterPath : null,
        times,
        dwellMs: 0,
        startAtNs,
        stopAtNs,
      }),
    ),
  );
  const lost = names === "one" ? { lost: lostUpdates(results, counterPath) } : {};
  if (lost.lost !== undefined && lost.lost !== 0)
    throw new Error(`It does not exclude: ${lost.lost} updates were lost.`);
  const waits = results.flatMap(({ waitsMs }) => waitsMs);
  const means = results.map(({ waitsMs }) => mean(waitsMs));
  return {
    kind: "measured",
    values: {
      names: names === "one" ? "one" : "each its own",
      done: waits.length,
      ...lost,
      total: Math.max(...results.map(({ endedNs }) => msBetween(startAtNs, endedNs))) / 1_000,
      mean: mean(waits),
      p99: quantile(waits, 0.99),
      max: Math.max(...waits),
      fairness: Math.max(...means) / Math.min(...means),
    },
  };
}
