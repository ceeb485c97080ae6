/**
 * Several hosts for real: `npm run test:hosts -- [--store etcd|postgres] [--seed N] [--minutes M] [--only PART]
 * [--report FILE] [--keep]`
 *
 * Hosts are network namespaces with addresses of their own on one switch; on them a cluster of etcd, or a PostgreSQL
 * primary with a replica, and namehold processes. For each store:
 *
 * 1. `rig`: the rig is proved: clients and a resource that are broken on purpose must be convicted.
 * 2. `ours`: partitions, slow and lossy lines, lost, late and repeated replies, killed and stopped servers, a failover;
 *    clients killed, stopped, and with stepped clocks. The checker of the chaos suite judges the journals.
 *
 * The seed fixes what is done and when. What it cannot show: the hosts share one kernel, so one boot clock, and the disks of
 * servers are killed with their processes alone, not with power. Needs root; leaves nothing behind.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { judge } from "../chaos/checker.ts";
import { eventsOf, type History, type Violation } from "../chaos/history.ts";
import { describeFault, type PlannedFault, planFaults } from "../chaos/schedule.ts";
import { SeededRandom } from "../chaos/seeded-random.ts";
import { coverageOf, describeCoverage, describeViolation } from "../chaos/summary.ts";
import { type CampaignOptions, type CampaignResult, type Place, runCampaign, TTL_MS } from "./campaign.ts";
import { checkIsolation } from "./check-isolation.ts";
import { EtcdCluster } from "./etcd-cluster.ts";
import { HOLD_BACK_MS, isExcepted, withLostAcknowledgements } from "./exceptions.ts";
import { HostRelay } from "./host-relay.ts";
import { Network } from "./network.ts";
import type { Lab } from "./outage-nemesis.ts";
import { PostgresPair } from "./postgres-pair.ts";
import { missingRequirements } from "./requirements.ts";
import { RIG_HOSTS, RIG_MS, RIG_PROOFS } from "./rig-proofs.ts";
import { describeOutage, planOutages } from "./schedule.ts";

const HOSTS = ["a", "b", "c", "d"];
const STORES = {
  etcd: (network: Network, directory: string) => EtcdCluster.start(network, ["a", "b", "c"], directory),
  postgres: (network: Network, directory: string) => PostgresPair.start(network, ["a", "b"], directory),
};
type StoreName = keyof typeof STORES;

/** One beside each server, and two on a host that has none. */
const PLACES: readonly Place[] = [
  { host: "a" },
  { host: "b" },
  { host: "c" },
  { host: "d" },
  { host: "d", relayed: true },
];

const GUARANTEES = ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G9", "G11", "G12", "journal"] as const;

/** Below these a run is too quiet to mean anything. Figures for the shortest run. */
const LEAST = {
  grants: 40,
  samples: 1_000,
  writesAccepted: 60,
  incrementsAcknowledged: 20,
  kills: 3,
  stops: 1,
  clockSteps: 1,
  losses: 1,
} as const;
const OUTAGES_LEAST = 3;

/** Of the attack alone; the rest of a run is about as long again. */
const MINUTES_DEFAULT: Readonly<Record<StoreName, number>> = { etcd: 0.7, postgres: 0.9 };
const MINUTES_MIN = 0.5;
/** The first failover comes early enough for what is held back after it to be free again before the end. */
const FIRST_FAIL_OVER_SHARE = 0.3;
const FAIL_OVER_EVERY_MS = 2 * HOLD_BACK_MS;
const VIOLATIONS_SHOWN = 5;

interface Check {
  readonly title: string;
  readonly passed: boolean;
}

const { values: given } = parseArgs({
  options: {
    store: { type: "string" },
    seed: { type: "string" },
    minutes: { type: "string" },
    only: { type: "string" },
    report: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});
const interruption = new AbortController();
// Not once: npm and the terminal both deliver what is typed, and the second must not cut the cleaning up short.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interruption.abort());

const seed = given.seed === undefined ? new SeededRandom(Date.now()).below(2 ** 31) : numberOf("seed", given.seed, 0);
const minutes = given.minutes === undefined ? undefined : numberOf("minutes", given.minutes, MINUTES_MIN);
const stores = storesOf(given.store);
const parts = { rig: proveRig, ours: attackOurs };
if (given.only !== undefined && !(given.only in parts)) {
  throw new RangeError(`--only is one of ${Object.keys(parts).join(", ")}, not ${given.only}.`);
}
const repeat = [
  `npm run test:hosts -- --seed ${seed}`,
  ...(given.store === undefined ? [] : [`--store ${given.store}`]),
  ...(given.minutes === undefined ? [] : [`--minutes ${given.minutes}`]),
].join(" ");
console.log(`hosts: ${stores.join(" and ")}, seed ${seed}. Repeat with: ${repeat}`);

const missing = missingRequirements();
for (const sentence of missing) console.log(sentence);
const directory = mkdtempSync(join(tmpdir(), "namehold-hosts-"));
// PostgreSQL runs as another user and must get in.
chmodSync(directory, 0o755);
const checks: Check[] = missing.map((sentence) => ({ title: sentence, passed: false }));
if (missing.length === 0) {
  for (const store of stores) checks.push(...(await run(store).catch((error: unknown) => brokenOff(store, error))));
}
report(checks);

/** A run that could not be carried out, or was interrupted, proves nothing: it counts as failed. */
function brokenOff(store: StoreName, error: unknown): Check[] {
  console.log(interruption.signal.aborted ? "Interrupted." : error);
  return [{ title: `${store}: the run was carried out`, passed: false }];
}

async function run(store: StoreName): Promise<Check[]> {
  interruption.signal.throwIfAborted();
  console.log(`\n=== ${store}`);
  const own = join(directory, store);
  mkdirSync(own);
  await using network = await Network.open(HOSTS);
  const engine = await STORES[store](network, own);
  try {
    const relayHost = network.host(PLACES.find((place) => place.relayed)?.host ?? "");
    await using relay = await HostRelay.start(relayHost, engine.protocol, engine.endpoints);
    const random = new SeededRandom(seed);
    const done: Check[] = [];
    for (const [part, carryOut] of Object.entries(parts)) {
      const partRandom = random.fork();
      if (given.only === undefined || given.only === part) {
        done.push(...(await carryOut({ network, engine, relay }, store, partRandom)));
      }
    }
    return done;
  } finally {
    await engine.stop();
  }
}

/** All at once: a busy machine makes no lie harder to see. */
async function proveRig(lab: Lab, store: StoreName, random: SeededRandom): Promise<Check[]> {
  console.log("\nThe rig: each of these must be convicted.");
  const proofs = await Promise.allSettled(
    Object.entries(RIG_PROOFS).map(async ([name, proof], index) => {
      const { client, clients = {}, faults, outages = [], isFenced = true, convictions } = proof;
      const places = RIG_HOSTS.map((host, slot) => ({ host, ...clients, ...(slot === 0 ? client : {}) }));
      const result = await campaign(lab, store, {
        ...{ registry: `rig_${index}`, random: random.fork(), places, faults, outages, forMs: RIG_MS, isFenced },
      });
      const found = new Set(violationsIn(result, places).map(({ guarantee }) => guarantee));
      const passed = convictions.some((guarantee) => found.has(guarantee));
      console.log(`  ${passed ? "caught" : "MISSED"} ${name}: found ${[...found].join(" ") || "nothing"}`);
      return { title: `${store}: the rig catches ${name}`, passed };
    }),
  );
  return proofs.map((proof) => {
    if (proof.status === "rejected") throw proof.reason;
    return proof.value;
  });
}

async function attackOurs(lab: Lab, store: StoreName, random: SeededRandom): Promise<Check[]> {
  const forMs = (minutes ?? MINUTES_DEFAULT[store]) * 60_000;
  const slots = PLACES.length;
  const kinds = new Set<PlannedFault["kind"]>(["kill", "stop", "clock-step"]);
  const faults = thinned(planFaults(random.fork(), { slots, forMs, ttlMs: TTL_MS, kinds }));
  const failOversAtMs: number[] = [];
  if (lab.engine.failOver !== undefined) {
    for (let atMs = forMs * FIRST_FAIL_OVER_SHARE; atMs < forMs; atMs += FAIL_OVER_EVERY_MS) failOversAtMs.push(atMs);
  }
  const outages = planOutages(random.fork(), {
    ...{ hosts: HOSTS, forMs, ttlMs: TTL_MS, failOversAtMs },
    stepsClocks: lab.engine.stepClock !== undefined,
  });
  console.log(`\nours: ${faults.length} faults of clients, ${outages.length} outages`);
  for (const fault of faults) console.log(`  ${describeFault(fault)}`);
  for (const outage of outages) console.log(`  ${describeOutage(outage)}`);
  const options = { registry: "ours", random, places: PLACES, faults, outages, forMs, isFenced: true };
  const weighed = weigh(`${store}: ours`, await campaign(lab, store, options));
  if (lab.engine.membersAgree === undefined) return weighed;
  return [...weighed, { title: `${store}: ours: all servers hold the same`, passed: await lab.engine.membersAgree() }];
}

function weigh(title: string, result: CampaignResult): Check[] {
  const { history, failOvers, crashes } = result;
  const outages = history.faults.filter((fault) => fault.kind === "outage").length;
  console.log(describeCoverage(history));
  console.log(`  ${outages} outages, of which ${failOvers.length} failovers`);
  const found = violationsIn(result, PLACES);
  const violations = found.filter((violation) => !isExcepted(violation, history, failOvers));
  const excepted = found.length - violations.length;
  if (excepted > 0) console.log(`  ${excepted} findings that a failover excepts`);
  for (const violation of violations.slice(0, VIOLATIONS_SHOWN)) console.log(describeViolation(violation));
  if (violations.length > VIOLATIONS_SHOWN) console.log(`  … and ${violations.length - VIOLATIONS_SHOWN} more`);
  for (const crash of crashes) console.log(`  ${crash}`);
  const quiet = tooQuiet(history, outages);
  for (const sentence of quiet) console.log(`  too quiet: ${sentence}`);
  return [
    ...GUARANTEES.map((guarantee) => ({
      title: `${title}: ${guarantee} holds`,
      passed: violations.every((violation) => violation.guarantee !== guarantee),
    })),
    { title: `${title}: no worker crashed`, passed: crashes.length === 0 },
    { title: `${title}: enough happened`, passed: quiet.length === 0 },
  ];
}

function violationsIn({ history, failOvers, isolations }: CampaignResult, places: readonly Place[]): Violation[] {
  const hostOf = (process: string): string => places[Number.parseInt(process, 10)]?.host ?? "";
  return [...judge(withLostAcknowledgements(history, failOvers)), ...checkIsolation(history, isolations, hostOf)];
}

function tooQuiet(history: History, outages: number): string[] {
  const coverage = coverageOf(history);
  const quiet = Object.entries(LEAST)
    .filter(([what, least]) => coverage[what as keyof typeof LEAST] < least)
    .map(([what, least]) => `fewer than ${least} ${what}`);
  const unreachable = history.journals
    .flatMap((journal) => eventsOf(journal, "error"))
    .filter(({ code }) => code === "unreachable");
  if (unreachable.length === 0) quiet.push("nobody found the store unreachable");
  if (outages < OUTAGES_LEAST) quiet.push(`fewer than ${OUTAGES_LEAST} outages`);
  return quiet;
}

/** Longer TTLs than on one machine want fewer faults, or nobody would hold anything for long. */
function thinned(faults: readonly PlannedFault[]): PlannedFault[] {
  return faults.filter((_, index) => index % 3 === 0);
}

function campaign(
  lab: Lab,
  store: StoreName,
  options: Omit<CampaignOptions, "directory" | "interrupted">,
): Promise<CampaignResult> {
  const own = join(directory, store, options.registry);
  mkdirSync(own);
  return runCampaign(lab, { ...options, directory: own, interrupted: interruption.signal });
}

function report(done: readonly Check[]): void {
  const failed = done.filter((check) => !check.passed);
  const passed = done.length - failed.length;
  console.log("");
  for (const check of failed) console.log(`FAILED: ${check.title}`);
  if (given.report !== undefined) {
    mkdirSync(dirname(given.report), { recursive: true });
    writeFileSync(given.report, `${JSON.stringify({ seed, passed, failed: failed.length, checks: done }, null, 2)}\n`);
  }
  const isWorthReading = failed.length > 0 && missing.length === 0 && !interruption.signal.aborted;
  if (isWorthReading || given.keep) console.log(`Journals are in ${directory}`);
  else rmSync(directory, { recursive: true });
  if (failed.length > 0) console.log(`Repeat with: ${repeat}`);
  console.log(`hosts: ${passed} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function storesOf(name: string | undefined): StoreName[] {
  const all = Object.keys(STORES) as StoreName[];
  if (name === undefined) return all;
  const store = all.find((one) => one === name);
  if (store === undefined) throw new RangeError(`--store is one of ${all.join(", ")}, not ${name}.`);
  return [store];
}

function numberOf(what: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < least) {
    throw new RangeError(`--${what} must be a number of at least ${least}, not ${text}.`);
  }
  return value;
}
