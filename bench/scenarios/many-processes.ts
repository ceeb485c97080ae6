/** 7. What ten thousand processes with a hundred names each ask of an engine, when all that they do is to live. */
import type { Bench } from "../harness/bench.ts";
import { msBetween } from "../harness/moment.ts";
import { type Outcome, outcomeOf, type Row } from "../harness/row.ts";
import { serverCpuMs } from "../harness/server-usage.ts";
import { peerById } from "../peers/index.ts";
import { copyLocks, countLocks } from "./copied-locks.ts";
import type { Scenario } from "./scenario.ts";

const ENGINES = ["postgres", "etcd"] as const;
type Engine = (typeof ENGINES)[number];

/** Names that each holder takes by changes of the store; in PostgreSQL the others are copies of those locks. */
const TAKEN_EACH = 4;
const TAKING = {
  postgres: { namesPerChange: TAKEN_EACH, concurrency: 16 },
  // Changes that give several tokens refuse each other there: each raises the floor of tokens for all.
  etcd: { namesPerChange: 1, concurrency: 32 },
};

const idOf = (engine: Engine): string => `many-processes/${engine}`;

export const manyProcesses: Scenario = {
  id: "many-processes",
  rowIds: ENGINES.map(idOf),
  async run(bench) {
    const { ttlMs, heartbeatMs, flatOutForMs } = bench.settings.manyProcesses;
    const rows: Row[] = [];
    for (const engine of ENGINES) {
      const id = idOf(engine);
      if (!bench.wants(id)) continue;
      rows.push({ id, title: peerById(engine).title, outcome: await outcomeOf(() => measure(bench, engine)) });
      await bench.endWorkers();
    }
    return {
      id: "many-processes",
      title: "7. Many processes",
      text: `Simulated: one generator process makes the heartbeats of many holders, each with a life, names, and a time to beat of its own, through one store object and its few connections (16 to PostgreSQL, as a pooler would have them; 64 at most to etcd), every ${heartbeatMs / 1_000} s with a TTL of ${ttlMs / 1_000} s. In PostgreSQL each holder takes ${TAKEN_EACH} names by changes of the store, and these locks are then copied in the tables until there are all: a beat names none of them to the server. In etcd, which is filled more slowly, each holder has few names; there, too, a beat names none. What is measured is the store's heartbeat and the server, not so many Node processes and their connections. A beat is as late as the time from the moment at which it was due to its answer. Lost is what the store tells as lost, or whose holder was without an answer for 95 % of its TTL. "At most" is the rate when the same holders beat one after the other, 64 at once, for ${flatOutForMs / 1_000} s; generator and server share the machine.`,
      columns: [
        { key: "processes", title: "processes", unit: "count" },
        { key: "names", title: "names held", unit: "count" },
        { key: "tookMs", title: "taking them all", unit: "ms" },
        { key: "dueRate", title: "beats due", unit: "per-second" },
        { key: "rate", title: "beats answered", unit: "per-second" },
        { key: "median", title: "late, p50", unit: "ms" },
        { key: "p99", title: "late, p99", unit: "ms" },
        { key: "max", title: "late, worst", unit: "ms" },
        { key: "failed", title: "failed", unit: "count" },
        { key: "lost", title: "names lost", unit: "count" },
        { key: "cpu", title: "generator's CPU, of a core", unit: "percent" },
        { key: "serverCpu", title: "server's CPU, of a core", unit: "percent" },
        { key: "rateMax", title: "at most", unit: "per-second" },
      ],
      rows,
    };
  },
};

async function measure(bench: Bench, engine: Engine): Promise<Outcome> {
  const { ttlMs, heartbeatMs, forMs, flatOutForMs, ...crowds } = bench.settings.manyProcesses;
  const { holders, namesEach } = crowds[engine];
  const peer = peerById(engine);
  await bench.prove(peer);
  const { pid } = await bench.server(engine);
  const location = await bench.place(peer);
  const worker = await bench.open(peer, engine === "postgres" ? `${location}&pool=16` : location);
  const takenEach = engine === "postgres" ? TAKEN_EACH : namesEach;
  const startedAt = performance.now();
  await worker.ask("gather", { holders, namesEach: takenEach, ttlMs, heartbeatMs, ...TAKING[engine] });
  if (takenEach < namesEach) await copyLocks({ location, copies: namesEach / takenEach - 1 });
  const tookMs = performance.now() - startedAt;
  const before = { own: await worker.ask("usage", {}), server: serverCpuMs(pid) };
  const inTime = await worker.ask("beats", { forMs, pace: "in time" });
  const after = { own: await worker.ask("usage", {}), server: serverCpuMs(pid) };
  const flatOut = await worker.ask("beats", { forMs: flatOutForMs, pace: "flat out" });
  const names = holders * namesEach;
  const missing = engine === "postgres" ? names - (await countLocks(location)) : 0;
  const elapsedMs = msBetween(before.own.atNs, after.own.atNs);
  return {
    kind: "measured",
    values: {
      processes: holders,
      names,
      tookMs,
      dueRate: (holders / heartbeatMs) * 1_000,
      rate: (inTime.answered / inTime.elapsedMs) * 1_000,
      ...inTime.lateMs,
      failed: inTime.failed + flatOut.failed,
      lost: Math.max(inTime.lost + flatOut.lost, missing),
      cpu: ((after.own.cpuUs - before.own.cpuUs) / 1_000 / elapsedMs) * 100,
      ...(before.server === null || after.server === null
        ? {}
        : { serverCpu: ((after.server - before.server) / elapsedMs) * 100 }),
      rateMax: (flatOut.answered / flatOut.elapsedMs) * 1_000,
    },
  };
}
