import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { bootClockMs } from "../chaos/boot-clock.ts";
import { GuardedResource } from "../chaos/guarded-resource.ts";
import type { FinalState, History } from "../chaos/history.ts";
import { type Journal, readJournal } from "../chaos/journal.ts";
import { Nemesis } from "../chaos/nemesis.ts";
import type { PlannedFault } from "../chaos/schedule.ts";
import type { SeededRandom } from "../chaos/seeded-random.ts";
import { Slot } from "../chaos/slot.ts";
import type { Misbehaviour } from "../chaos/worker-settings.ts";
import type { AuditorSettings } from "./auditor-settings.ts";
import type { Isolation } from "./check-isolation.ts";
import { type FailOver, HOLD_BACK_MS } from "./exceptions.ts";
import { type Lab, OutageNemesis } from "./outage-nemesis.ts";
import type { PlannedOutage } from "./schedule.ts";

/** Leases of etcd are two seconds at least, and a new leader takes one. */
export const TTL_MS = 3_000;
const HEARTBEAT_MS = 800;
const NAMES = ["arm", "liquid handler", "__proto__", "größe/α"];
const LOOPS = 2;
/** After the last outage, with everybody alive. */
const RECOVERY_MS = 2 * TTL_MS;
const GRACE_MS = 8_000;
const START_MS_MAX = 30_000;
/** What a claim may take when nobody is left: a TTL for each doubt that remains, and a busy machine. */
const BOUND_MS = RECOVERY_MS + GRACE_MS + 3 * TTL_MS;
const AUDITOR = "auditor";

/** Where a worker lives, and how it is made to misbehave, so that the rig itself is tested. */
export interface Place {
  readonly host: string;
  /** By the relay of its host, instead of by the servers' own addresses. */
  readonly relayed?: boolean;
  readonly misbehaviour?: Misbehaviour;
  /** Whether all its holds last for a TTL and more. */
  readonly holdsLong?: boolean;
  /** In a registry that no network leads to, so that no outage hurts it. */
  readonly isBesideNetwork?: boolean;
  /** A module in broken/ that is loaded before the worker. */
  readonly broken?: string;
}

export interface CampaignOptions {
  /** Unique in its lab. */
  readonly registry: string;
  /** An existing, empty directory. Journals stay in it. */
  readonly directory: string;
  readonly random: SeededRandom;
  readonly places: readonly Place[];
  readonly faults: readonly PlannedFault[];
  readonly outages: readonly PlannedOutage[];
  readonly forMs: number;
  /** Whether the resource looks at tokens. */
  readonly isFenced: boolean;
  readonly interrupted: AbortSignal;
}

export interface CampaignResult {
  readonly history: History;
  readonly failOvers: readonly FailOver[];
  readonly isolations: readonly Isolation[];
  /** Ends of workers that were nobody's will. */
  readonly crashes: readonly string[];
}

/** Runs workers on the hosts under both schedules, lets all recover, then asks for every name; answers with the history. */
export async function runCampaign(lab: Lab, options: CampaignOptions): Promise<CampaignResult> {
  const { directory, faults, outages, forMs, interrupted } = options;
  await using resource = options.isFenced
    ? await GuardedResource.listen(join(directory, "resource.sock"))
    : await GuardedResource.listen(join(directory, "resource.sock"), { assertFence: () => undefined });
  const slots = openSlots(lab, options, resource.socketPath);
  const nemesis = new Nemesis(slots, null);
  const outageNemesis = new OutageNemesis(lab);
  try {
    await allStarted(slots);
    await Promise.all([
      nemesis.run(faults, interrupted),
      outageNemesis.run(outages, interrupted),
      sleep(forMs, undefined, { signal: interrupted }),
    ]);
    const faultsEndedAt = bootClockMs();
    lab.relay.assertAlive();
    await sleep(RECOVERY_MS, undefined, { signal: interrupted });
    await nemesis.endAll(GRACE_MS);
    const lastFailOverAt = Math.max(0, ...outageNemesis.failOvers.map(({ doneAt }) => doneAt));
    const heldBackMs = Math.max(0, lastFailOverAt + HOLD_BACK_MS - bootClockMs());
    const livenessBoundMs = BOUND_MS + heldBackMs;
    const final = await audit(lab, options, livenessBoundMs);
    const journals = slots.flatMap((slot) => slot.processes.flatMap((process) => journalOf(slot, process)));
    const history: History = {
      journals: [...journals, readJournal(join(directory, `${AUDITOR}.jsonl`), AUDITOR)],
      faults: [...nemesis.faults, ...outageNemesis.faults],
      resource: resource.log,
      final,
      names: NAMES,
      ttlMs: TTL_MS,
      faultsEndedAt,
      livenessBoundMs,
    };
    return {
      history,
      failOvers: outageNemesis.failOvers,
      isolations: outageNemesis.isolations,
      crashes: slots.flatMap((slot) => slot.crashes),
    };
  } finally {
    await Promise.all(slots.map((slot) => slot.close("SIGKILL", GRACE_MS)));
  }
}

function openSlots(lab: Lab, options: CampaignOptions, resourcePath: string): Slot[] {
  const settings = { resourcePath, names: NAMES, ttlMs: TTL_MS, heartbeatMs: HEARTBEAT_MS, loops: LOOPS };
  return options.places.map((place, number) => {
    const endpoints = place.relayed ? lab.relay.endpoints : lab.engine.endpoints;
    const preload = place.broken === undefined ? [] : ["env", `NODE_OPTIONS=--import=${moduleUrl(place.broken)}`];
    return new Slot({
      number,
      python: null,
      directory: options.directory,
      random: options.random.fork(),
      prefix: [...lab.network.host(place.host).prefix, ...preload],
      settings: {
        ...settings,
        registryPath: place.isBesideNetwork
          ? `sqlite:${join(options.directory, "beside.db")}`
          : lab.engine.locationOf(options.registry, endpoints),
        misbehaviour: place.misbehaviour ?? null,
        holdsLong: place.holdsLong ?? false,
      },
    });
  });
}

function moduleUrl(broken: string): string {
  return new URL(`broken/${broken}.ts`, import.meta.url).href;
}

async function allStarted(slots: readonly Slot[]): Promise<void> {
  const giveUpAt = bootClockMs() + START_MS_MAX;
  const isStarted = (slot: Slot): boolean => slot.processes.some((process) => existsSync(slot.journalPath(process)));
  while (!slots.every(isStarted)) {
    if (bootClockMs() >= giveUpAt) throw new Error(`The workers did not start within ${START_MS_MAX} ms`);
    await sleep(20);
  }
}

/** A process killed at birth has no journal: it believed nothing. */
function journalOf(slot: Slot, process: string): Journal[] {
  const path = slot.journalPath(process);
  return existsSync(path) ? [readJournal(path, process)] : [];
}

/** On a host of its own accord, since the runner is on none. */
async function audit(lab: Lab, options: CampaignOptions, waitMs: number): Promise<FinalState> {
  const { directory, registry, interrupted } = options;
  const statePath = join(directory, "final-state.json");
  const settings: AuditorSettings = {
    process: AUDITOR,
    journalPath: join(directory, `${AUDITOR}.jsonl`),
    statePath,
    location: lab.engine.locationOf(registry, lab.engine.endpoints),
    names: NAMES,
    ttlMs: TTL_MS,
    heartbeatMs: HEARTBEAT_MS,
    waitMs,
  };
  const script = fileURLToPath(new URL("auditor.ts", import.meta.url));
  const host = lab.network.host(lab.network.names.at(-1) ?? "");
  const child = host.spawn([process.execPath, script, JSON.stringify(settings)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const giveUp = (): void => void child.kill("SIGKILL");
  interrupted.addEventListener("abort", giveUp);
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  interrupted.removeEventListener("abort", giveUp);
  if (code !== 0) throw new Error(`The auditor ended with ${signal ?? code}`);
  const state = JSON.parse(readFileSync(statePath, "utf8")) as Record<"ids" | "counters", [string, never][]>;
  return { ids: new Map<string, string>(state.ids), counters: new Map<string, number>(state.counters) };
}
