/** 4. From kill -9 of the holder to the waiter's first instruction with the name. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench } from "../harness/bench.ts";
import { msBetween } from "../harness/moment.ts";
import { notMeasured, type Outcome, outcomeOf, type Row } from "../harness/row.ts";
import { median, quantile } from "../harness/statistics.ts";
import type { WorkerProcess } from "../harness/worker-process.ts";
import { peerById } from "../peers/index.ts";
import type { Peer, Times } from "../peers/peer.ts";
import type { Scenario } from "./scenario.ts";

const SEEN = ["json", "sqlite", "flock", "postgres-advisory"];
const TTL = ["proper-lockfile", "redlock", "postgres-lease", "postgres", "etcd", "etcd-lock", "etcd3", "madsci"];
const SETTLE_MS = 100;
/** How often a peer with a TTL is tried, all at once: they only wait. */
const USUAL_TRIALS = 2;
const SHORTEST_TRIALS = 5;

type Which = "usual" | "shortest";

const idOf = (which: Which, peer: string): string => `takeover/${which}/${peer}`;

export const takeover: Scenario = {
  id: "takeover",
  rowIds: [
    ...SEEN.map((id) => idOf("usual", id)),
    ...(["usual", "shortest"] as const).flatMap((which) => TTL.map((id) => idOf(which, id))),
  ],
  async run(bench) {
    const rows: Row[] = [];
    for (const peer of SEEN.map(peerById)) {
      const id = idOf("usual", peer.id);
      if (!bench.wants(id)) continue;
      rows.push({ id, title: peer.title, outcome: await outcomeOf(() => seen(bench, peer)) });
      await bench.endWorkers();
    }
    rows.push(...(await waitOut(bench)));
    return {
      id: "takeover",
      title: "4. Takeover after kill -9",
      text: "From just before the signal is sent to the waiter's first instruction with the name. Where a death is seen there is nothing to set; a lock with a TTL is taken over when it has run out, so its time depends on when the last refresh was.",
      columns: [
        { key: "times", title: "settings", unit: "text" },
        { key: "median", title: "p50", unit: "ms" },
        { key: "p99", title: "p99", unit: "ms" },
        { key: "max", title: "worst", unit: "ms" },
        { key: "count", title: "kills", unit: "count" },
      ],
      rows,
    };
  },
};

/** One after the other; who took over is the next to be killed. */
async function seen(bench: Bench, peer: Peer): Promise<Outcome> {
  await bench.prove(peer);
  const location = await bench.place(peer);
  let holder = await bench.open(peer, location);
  await holder.ask("acquire", { name: "killed", as: "it" });
  const latencies: number[] = [];
  while (latencies.length < bench.settings.takeovers) {
    const waiter = await bench.open(peer, location);
    latencies.push(await killAndWait({ holder, waiter, name: "killed", settleMs: SETTLE_MS }));
    holder = waiter;
  }
  return outcome(latencies, peer.id.startsWith("postgres") ? "its connection breaks" : "defaults");
}

/** All peers with a TTL at once: nobody does anything meanwhile. */
async function waitOut(bench: Bench): Promise<readonly Row[]> {
  const cells = (["usual", "shortest"] as const).flatMap((which) =>
    TTL.map(peerById).map((peer) => ({ id: idOf(which, peer.id), peer, which })),
  );
  const wanted = cells.filter(({ id }) => bench.wants(id));
  // Proofs one after the other: they are busy.
  for (const { peer } of wanted) await bench.prove(peer).catch(() => undefined);
  const rows = await Promise.all(
    wanted.map(async ({ id, peer, which }) => ({
      id,
      title: peer.title,
      outcome: await outcomeOf(() => ttl(bench, peer, which)),
    })),
  );
  await bench.endWorkers();
  return rows;
}

async function ttl(bench: Bench, peer: Peer, which: Which): Promise<Outcome> {
  await bench.prove(peer);
  if (peer.death.kind !== "ttl") throw new Error(`${peer.title} has no TTL.`);
  if (which === "usual" && !bench.settings.waitsForUsualTtl) return notMeasured("--quick does not wait for it");
  const times = peer.death[which];
  const trials = Math.min(which === "usual" ? USUAL_TRIALS : SHORTEST_TRIALS, bench.settings.takeovers);
  const location = await bench.place(peer);
  const latencies = await Promise.all(
    Array.from({ length: trials }, async (_, trial) => {
      const [holder, waiter] = [await bench.open(peer, location, times), await bench.open(peer, location, times)];
      const name = `killed_${trial}`;
      await holder.ask("acquire", { name, as: "it" });
      // At different moments between two refreshes.
      const settleMs = SETTLE_MS + (Math.min(times.heartbeatMs, 3_000) * trial) / trials;
      return killAndWait({ holder, waiter, name, settleMs });
    }),
  );
  return outcome(latencies, describe(times));
}

interface Trial {
  readonly holder: WorkerProcess;
  readonly waiter: WorkerProcess;
  readonly name: string;
  readonly settleMs: number;
}

async function killAndWait({ holder, waiter, name, settleMs }: Trial): Promise<number> {
  const waiting = waiter.ask("acquire", { name, as: "it" });
  await sleep(settleMs);
  const killedNs = holder.kill();
  const { grantedNs } = await waiting;
  const latency = msBetween(killedNs, grantedNs);
  if (latency < 0) throw new Error("It does not exclude: the waiter had the name before its holder was killed.");
  return latency;
}

function outcome(latencies: readonly number[], times: string): Outcome {
  return {
    kind: "measured",
    values: {
      times,
      median: median(latencies),
      p99: quantile(latencies, 0.99),
      max: Math.max(...latencies),
      count: latencies.length,
    },
  };
}

function describe({ ttlMs, heartbeatMs, why }: Times): string {
  return `TTL ${ttlMs / 1_000} s, heartbeat ${Math.round(heartbeatMs / 10) / 100} s (${why})`;
}
