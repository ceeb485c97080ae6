/** 2. What it costs to keep names, and with how many a process begins to lose them. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../harness/bench.ts";
import { msBetween } from "../harness/moment.ts";
import type { Usage } from "../harness/protocol.ts";
import { NotMeasured, type Outcome, outcomeOf, type Row } from "../harness/row.ts";
import type { WorkerProcess } from "../harness/worker-process.ts";
import { peerById } from "../peers/index.ts";
import { type Peer, SHORT_TIMES } from "../peers/peer.ts";
import type { Scenario } from "./scenario.ts";

/** namehold's own default; what a beat costs is told for it too. */
const DEFAULT_HEARTBEAT_MS = 10_000;
/** Who cannot be told of a loss is looked at from outside so often. */
const LOOK_EVERY_MS = 2_000;
/** Names asked for at once while the process takes them. */
const CONCURRENCY = 100;
/** The reference at its defaults: a lock not refreshed for 30 s is lost, so it is watched for longer than that. */
const MADSCI_WATCH_MS = 36_000;

interface Cell {
  readonly id: string;
  readonly peer: Peer;
  readonly count: number;
  readonly times: { readonly ttlMs: number; readonly heartbeatMs: number };
  readonly watchMs: number | "target" | "other";
}

const ownCell = (peer: string, count: number, watchMs: "target" | "other"): Cell => ({
  id: `heartbeat/${peer}/${count}`,
  peer: peerById(peer),
  count,
  times: SHORT_TIMES,
  watchMs,
});

/** The two of the targets, watched side by side: each must use next to nothing. */
const TARGETS: readonly Cell[] = [ownCell("json", 2_000, "target"), ownCell("sqlite", 100_000, "target")];

const OTHERS: readonly Cell[] = [
  ...[1, 100, 10_000].map((count) => ownCell("json", count, "other")),
  ...[1, 100, 10_000].map((count) => ownCell("sqlite", count, "other")),
  ...[1, 100, 10_000].map((count) => ownCell("postgres", count, "other")),
  // It takes names that are asked for at once so slowly that more would take minutes.
  ...[1, 100, 1_000].map((count) => ownCell("etcd", count, "other")),
  ...peerCells("proper-lockfile", [100, 10_000]),
  ...peerCells("redlock", [100, 10_000]),
  ...peerCells("postgres-lease", [100, 10_000]),
  ...peerCells("etcd-lock", [100, 10_000]),
];

/** At its defaults, a core each: at shorter times it would lose far fewer. */
const MADSCI: readonly Cell[] = [300, 400].map((count) => ({
  ...ownCell("madsci", count, "other"),
  times: { ttlMs: 30_000, heartbeatMs: DEFAULT_HEARTBEAT_MS },
  watchMs: MADSCI_WATCH_MS,
}));

export const heartbeat: Scenario = {
  id: "heartbeat",
  rowIds: [...TARGETS, ...OTHERS, ...MADSCI].map(({ id }) => id),
  async run(bench) {
    const rows = await sideBySide(bench, TARGETS);
    for (const cell of OTHERS) rows.push(...(await sideBySide(bench, [cell])));
    rows.push(...(await sideBySide(bench, MADSCI)));
    return {
      id: "heartbeat",
      title: "2. Heartbeats",
      text: "One process holds so many names and does nothing else. CPU and bytes written to the disk are the holding process's own; what a server does for it comes on top. \"CPU at 10 s\" is the cost of one beat, spread over namehold's default of one in 10 s.",
      columns: [
        { key: "names", title: "names", unit: "count" },
        { key: "times", title: "TTL / heartbeat", unit: "text" },
        { key: "tookMs", title: "taking them all", unit: "ms" },
        { key: "lostBefore", title: "lost meanwhile", unit: "count" },
        { key: "beats", title: "beats then watched", unit: "count" },
        { key: "lost", title: "lost in them", unit: "count" },
        { key: "cpu", title: "CPU, of a core", unit: "percent" },
        { key: "cpuAtDefault", title: "CPU at 10 s", unit: "percent" },
        { key: "bytesPerSecond", title: "written per second", unit: "bytes" },
      ],
      rows,
    };
  },
};

/** Each takes its names alone, since that is work; then all keep them at the same time. */
async function sideBySide(bench: Bench, cells: readonly Cell[]): Promise<Row[]> {
  const wanted = cells.filter(({ id }) => bench.wants(id));
  const taken: { readonly cell: Cell; readonly keeps: () => Promise<Outcome> }[] = [];
  for (const cell of wanted) {
    try {
      const holding = await take(bench, cell);
      taken.push({ cell, keeps: () => keep(bench, cell, holding) });
    } catch (error) {
      taken.push({ cell, keeps: () => Promise.reject(error) });
    }
  }
  const rows = await Promise.all(
    taken.map(async ({ cell, keeps }) => ({ id: cell.id, title: cell.peer.title, outcome: await outcomeOf(keeps) })),
  );
  await bench.endWorkers();
  return rows;
}

interface Holding {
  readonly worker: WorkerProcess;
  readonly tookMs: number;
}

async function take(bench: Bench, { peer, count, times, watchMs }: Cell): Promise<Holding> {
  const { namesHeldMax, kind } = bench.settings;
  if (count > namesHeldMax) throw new NotMeasured(`--quick leaves ${count} names out`);
  if (typeof watchMs === "number" && kind === "quick") throw new NotMeasured("--quick does not wait for it");
  await bench.prove(peer);
  const worker = await bench.open(peer, await bench.place(peer), times);
  // The first change makes the store itself, which in a database takes longer than a short TTL.
  await worker.ask("fill", { population: 1 });
  const { tookMs } = await worker.ask("hold", { count, concurrency: CONCURRENCY });
  return { worker, tookMs };
}

async function keep(
  bench: Bench,
  { peer, count, times, watchMs }: Cell,
  { worker, tookMs }: Holding,
): Promise<Outcome> {
  const { targetBeats, otherBeats } = bench.settings;
  const beats = watchMs === "target" ? targetBeats : otherBeats;
  const forMs = typeof watchMs === "number" ? watchMs : beats * times.heartbeatMs;
  const { held } = await worker.ask("held", {});
  const before = await worker.ask("usage", {});
  const heldMin = await watch(worker, peer, forMs);
  return {
    kind: "measured",
    values: {
      names: count,
      times: `${times.ttlMs / 1_000} s / ${times.heartbeatMs / 1_000} s`,
      tookMs,
      lostBefore: count - held,
      lost: Math.max(0, held - heldMin),
      lostInAll: count - Math.min(held, heldMin),
      ...costs(before, await worker.ask("usage", {}), times.heartbeatMs),
    },
  };
}

/** @returns how many were held at the worst moment */
async function watch(worker: WorkerProcess, { lossIsTold }: Peer, forMs: number): Promise<number> {
  const endAt = performance.now() + forMs;
  let least = Number.POSITIVE_INFINITY;
  // A holder that is told of its losses remembers them, and must not be kept busy with the question.
  const lookUntil = lossIsTold ? 0 : endAt - LOOK_EVERY_MS;
  while (performance.now() < lookUntil) {
    await sleep(LOOK_EVERY_MS);
    least = Math.min(least, (await worker.ask("held", {})).held);
  }
  await sleep(Math.max(0, endAt - performance.now()));
  return Math.min(least, (await worker.ask("held", {})).held);
}

function costs(before: Usage, after: Usage, heartbeatMs: number) {
  const elapsedMs = msBetween(before.atNs, after.atNs);
  const cpu = (after.cpuUs - before.cpuUs) / 1_000 / elapsedMs;
  const written =
    before.writtenBytes === null || after.writtenBytes === null
      ? {}
      : { bytesPerSecond: ((after.writtenBytes - before.writtenBytes) / elapsedMs) * 1_000 };
  return {
    beats: Math.round(elapsedMs / heartbeatMs),
    cpu: cpu * 100,
    cpuAtDefault: cpu * 100 * (heartbeatMs / DEFAULT_HEARTBEAT_MS),
    ...written,
  };
}

function peerCells(id: string, counts: readonly number[]): readonly Cell[] {
  const { death } = peerById(id);
  if (death.kind !== "ttl") throw new Error(`${id} has no heartbeat.`);
  const { shortest } = death;
  return counts.map((count) => ({ ...ownCell(id, count, "other"), times: shortest }));
}
