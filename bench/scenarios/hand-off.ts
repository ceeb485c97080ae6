/** 3. From the moment before a release is sent to the waiter's first instruction with the name. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../harness/bench.ts";
import { inMs, msBetween } from "../harness/moment.ts";
import type { Link } from "../harness/protocol.ts";
import { notMeasured, type Outcome, outcomeOf, type Row, type Values } from "../harness/row.ts";
import { mean, median, quantile } from "../harness/statistics.ts";
import type { WorkerProcess } from "../harness/worker-process.ts";
import { peerById } from "../peers/index.ts";
import type { Peer } from "../peers/peer.ts";
import type { Scenario } from "./scenario.ts";

const PEERS = [
  ...["json", "sqlite", "sqlite-full", "proper-lockfile", "flock", "redis"],
  ...["redlock", "postgres-advisory", "postgres-lease", "postgres", "etcd", "etcd-lock", "etcd3", "madsci"],
];
const CROWD = 50;
const CROWD_PROCESSES = 5;
/** A waiter must be asleep before it is woken. */
const SETTLE_MS = 20;
const START_IN_MS = 100;
/** A poller is met at points that spread evenly over the time between two of its looks, however few they are. */
const phaseOf = (trial: number): number => (0.5 + trial * 0.618) % 1;

type Where = "same" | "cross";

interface Cell {
  readonly id: string;
  readonly peer: Peer;
  readonly where: Where;
  readonly waiters: number;
}

const CELLS: readonly Cell[] = (["cross", "same"] as const).flatMap((where) =>
  [1, CROWD].flatMap((waiters) =>
    PEERS.map((id) => ({ id: `hand-off/${where}/${waiters}/${id}`, peer: peerById(id), where, waiters })),
  ),
);

export const handOff: Scenario = {
  id: "hand-off",
  rowIds: CELLS.map(({ id }) => id),
  async run(bench) {
    const rows: Row[] = [];
    for (const cell of CELLS) {
      if (!bench.wants(cell.id)) continue;
      rows.push({ id: cell.id, title: cell.peer.title, outcome: await outcomeOf(() => measure(bench, cell)) });
      await bench.endWorkers();
    }
    return {
      id: "hand-off",
      title: "3. Hand-off",
      text: `From just before the holder calls release to the waiter's first instruction with the name, on the machine's monotonic clock. With one waiter it sleeps when the name is released; with ${CROWD} all take the name in turn as often as they can (in ${CROWD_PROCESSES} processes, or in one), and fairness is the longest mean wait of a waiter over the shortest.`,
      columns: [
        { key: "where", title: "waiter in", unit: "text" },
        { key: "waiters", title: "waiters", unit: "count" },
        { key: "median", title: "p50", unit: "ms" },
        { key: "p99", title: "p99", unit: "ms" },
        { key: "count", title: "hand-offs", unit: "count" },
        { key: "fairness", title: "fairness (max/min wait)", unit: "times" },
        { key: "waits", title: "a waiter", unit: "text" },
      ],
      rows,
    };
  },
};

async function measure(bench: Bench, { peer, where, waiters }: Cell): Promise<Outcome> {
  if (waiters > 1 && !bench.settings.crowds) return notMeasured("--quick measures one waiter only");
  await bench.prove(peer);
  const location = await bench.place(peer);
  const found = await (waiters === 1 ? one(bench, peer, { location, where }) : crowd(bench, peer, { location, where }));
  const place = where === "same" ? "the same process" : "another process";
  return { kind: "measured", values: { where: place, waiters, waits: peer.waits, ...found } };
}

interface Place {
  readonly location: string;
  readonly where: Where;
}

/** Holder and waiter change places at each hand-off. */
async function one(bench: Bench, peer: Peer, { location, where }: Place): Promise<Values> {
  const { handOffsMin, handOffs, handOffsForMs } = bench.settings;
  const first = await bench.open(peer, location);
  const second = where === "same" ? first : await bench.open(peer, location);
  const latencies: number[] = [];
  const stopAt = performance.now() + handOffsForMs;
  const name = "handed";
  let [holder, waiter]: WorkerProcess[] = [first, second];
  let [as, next] = ["a", "b"];
  await first.ask("acquire", { name, as });
  while (latencies.length < handOffs && (latencies.length < handOffsMin || performance.now() < stopAt)) {
    if (holder === undefined || waiter === undefined) throw new Error("Holder and waiter are two.");
    const waiting = waiter.ask("acquire", { name, as: next });
    await sleep(SETTLE_MS + peer.pollMs * phaseOf(latencies.length));
    const { sentNs } = await holder.ask("release", { as });
    const { grantedNs } = await waiting;
    const latency = msBetween(sentNs, grantedNs);
    if (latency < 0) throw new Error("It does not exclude: the waiter had the name before it was released.");
    latencies.push(latency);
    [holder, waiter] = [waiter, holder];
    [as, next] = [next, as];
  }
  await holder?.ask("release", { as });
  return { median: median(latencies), p99: quantile(latencies, 0.99), count: latencies.length };
}

/** Everybody wants the name all the time. */
async function crowd(bench: Bench, peer: Peer, { location, where }: Place): Promise<Values> {
  const processes = where === "same" ? 1 : CROWD_PROCESSES;
  const workers = await Promise.all(Array.from({ length: processes }, () => bench.open(peer, location)));
  const [startAtNs, stopAtNs] = [inMs(START_IN_MS), inMs(START_IN_MS + bench.settings.crowdForMs)];
  const asked = { name: "wanted", participants: CROWD / processes, startAtNs, stopAtNs };
  const answers = await Promise.all(workers.map((worker) => worker.ask("chain", asked)));
  return judgeChain(
    answers.flatMap(({ links }, process) =>
      links.map((link) => ({ ...link, waiter: `${process} ${link.participant}` })),
    ),
  );
}

/** @throws Error when two had the name at once */
export function judgeChain(links: readonly (Link & { readonly waiter: string })[]): Values {
  const inOrder = [...links].sort((a, b) => (BigInt(a.grantedNs) < BigInt(b.grantedNs) ? -1 : 1));
  const latencies: number[] = [];
  for (const [index, link] of inOrder.entries()) {
    const before = inOrder[index - 1];
    if (before === undefined) continue;
    const latency = msBetween(before.sentNs, link.grantedNs);
    if (latency < 0) throw new Error("It does not exclude: two had the name at once.");
    // Who takes the name from himself was not waiting for it.
    if (before.waiter !== link.waiter) latencies.push(latency);
  }
  const waits = [...Map.groupBy(inOrder, (link) => link.waiter).values()].map((own) =>
    mean(own.map((link) => msBetween(link.askedNs, link.grantedNs))),
  );
  return {
    median: median(latencies),
    p99: quantile(latencies, 0.99),
    count: latencies.length,
    fairness: Math.max(...waits) / Math.min(...waits),
  };
}
