import { cpSync, existsSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isNameholdError, openRegistry } from "namehold";
import { bootClockMs } from "./boot-clock.ts";
import { readFinalState } from "./final-state.ts";
import { GuardedResource } from "./guarded-resource.ts";
import type { History } from "./history.ts";
import { createJournal, type Journal, readJournal } from "./journal.ts";
import { Nemesis } from "./nemesis.ts";
import type { PlannedFault } from "./schedule.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { type PythonRuntime, Slot } from "./slot.ts";
import { SmallDisk } from "./small-disk.ts";
import type { Misbehaviour } from "./worker-settings.ts";

export const TTL_MS = 1_500;
const HEARTBEAT_MS = 400;
const NAMES = ["arm", "liquid handler", "__proto__", "größe/α"];
const LOOPS = 2;
/** After the last fault, with everybody alive. */
const RECOVERY_MS = 2_500;
const GRACE_MS = 6_000;
const START_MS_MAX = 30_000;
/** What a claim may take when nobody is left: a TTL for each doubt that remains, and a busy machine. */
const LIVENESS_BOUND_MS = RECOVERY_MS + GRACE_MS + 3 * TTL_MS;
const AUDITOR = "auditor";

export const STORES = ["file", "sqlite"] as const;

/** Where the registry is, on a disk of its own. */
const LOCATIONS: Readonly<Record<(typeof STORES)[number], (disk: string) => string>> = {
  file: (disk) => join(disk, "registry.json"),
  sqlite: (disk) => `sqlite:${join(disk, "lab.db")}`,
};

export interface CampaignOptions {
  readonly store: (typeof STORES)[number];
  /** An existing, empty directory. Journals stay in it. */
  readonly directory: string;
  readonly random: SeededRandom;
  readonly slots: number;
  /** The last slot is a Python node. */
  readonly python: PythonRuntime | null;
  readonly plan: readonly PlannedFault[];
  /** At least so long, whatever the plan says. */
  readonly forMs: number;
  /** Of the process in slot 0, in all its lives. */
  readonly misbehaviour: Misbehaviour | null;
  readonly interrupted: AbortSignal;
}

export interface CampaignResult {
  readonly history: History;
  /** Ends of workers that were nobody's will. */
  readonly crashes: readonly string[];
}

/** Runs workers under a schedule of faults, then lets them recover, then asks for every name; answers with the history. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { directory, plan, forMs, interrupted } = options;
  const needsDisk = plan.some((fault) => fault.kind === "full-disk");
  using disk = needsDisk ? SmallDisk.mount(join(directory, "disk")) : null;
  if (disk === null) mkdirSync(join(directory, "disk"));
  const registryPath = LOCATIONS[options.store](join(directory, "disk"));
  await using resource = await GuardedResource.listen(join(directory, "resource.sock"));
  if (options.python !== null) await makeNames(registryPath);

  const slots = openSlots(options, registryPath, resource.socketPath);
  const nemesis = new Nemesis(slots, disk);
  try {
    await allStarted(slots);
    await Promise.all([nemesis.run(plan, interrupted), sleep(forMs, undefined, { signal: interrupted })]);
    const faultsEndedAt = bootClockMs();
    await sleep(RECOVERY_MS);
    await nemesis.endAll(GRACE_MS);
    await audit(registryPath, join(directory, `${AUDITOR}.jsonl`));
    const journals = slots.flatMap((slot) => slot.processes.flatMap((process) => journalOf(slot, process)));
    const history: History = {
      journals: [...journals, readJournal(join(directory, `${AUDITOR}.jsonl`), AUDITOR)],
      faults: nemesis.faults,
      resource: resource.log,
      final: readFinalState(registryPath),
      names: NAMES,
      ttlMs: TTL_MS,
      faultsEndedAt,
      livenessBoundMs: LIVENESS_BOUND_MS,
    };
    return { history, crashes: slots.flatMap((slot) => slot.crashes) };
  } finally {
    await Promise.all(slots.map((slot) => slot.close("SIGKILL", GRACE_MS)));
    keepRegistry(join(directory, "disk"), join(directory, "registry-at-end"));
  }
}

/** For whoever reads a failed run, since the disk is about to go. Sockets cannot be copied, and say nothing. */
function keepRegistry(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: canBeCopied });
}

function canBeCopied(path: string): boolean {
  const kind = lstatSync(path);
  return kind.isDirectory() || kind.isFile();
}

function openSlots(options: CampaignOptions, registryPath: string, resourcePath: string): Slot[] {
  const settings = { registryPath, resourcePath, names: NAMES, ttlMs: TTL_MS, heartbeatMs: HEARTBEAT_MS, loops: LOOPS };
  return Array.from({ length: options.slots }, (_, number) => {
    return new Slot({
      number,
      python: number === options.slots - 1 ? options.python : null,
      directory: options.directory,
      random: options.random.fork(),
      settings: { ...settings, misbehaviour: number === 0 ? options.misbehaviour : null },
    });
  });
}

/** A busy machine takes its time to start them; faults would fall on nobody. */
async function allStarted(slots: readonly Slot[]): Promise<void> {
  const giveUpAt = bootClockMs() + START_MS_MAX;
  const isStarted = (slot: Slot): boolean => slot.processes.some((process) => existsSync(slot.journalPath(process)));
  while (!slots.every(isStarted)) {
    if (bootClockMs() >= giveUpAt) throw new Error(`The workers did not start within ${START_MS_MAX} ms`);
    await sleep(20);
  }
}

/** A name that only Python has made is lost when Python is killed in mid-write: it writes in place, without a copy. */
async function makeNames(registryPath: string): Promise<void> {
  await using registry = await openRegistry(registryPath);
  for (const name of NAMES) await registry.resolve(name, { type: "node" });
}

/** A process killed at birth has no journal: it believed nothing. */
function journalOf(slot: Slot, process: string): Journal[] {
  const path = slot.journalPath(process);
  return existsSync(path) ? [readJournal(path, process)] : [];
}

/** When all workers are gone, every name must be there for the asking. */
async function audit(registryPath: string, journalPath: string): Promise<void> {
  const journal = createJournal(journalPath);
  journal.write({ kind: "started", pid: process.pid, runtime: "namehold", at: bootClockMs() });
  await using registry = await openRegistry(registryPath, { lockTtlMs: TTL_MS, heartbeatIntervalMs: HEARTBEAT_MS });
  for (const name of NAMES) {
    const claim = `${AUDITOR} ${name}`;
    const askedAt = bootClockMs();
    journal.write({ kind: "claim-asked", claim, name, at: askedAt });
    try {
      const { id, token } = await registry.claim(name, { type: "node", waitMs: LIVENESS_BOUND_MS });
      journal.write({ kind: "claim-granted", claim, name, id, token, askedAt, at: bootClockMs() });
    } catch (error) {
      const code = isNameholdError(error) ? error.code : "unexpected";
      journal.write({ kind: "claim-refused", claim, name, code, askedAt, at: bootClockMs() });
      journal.write({ kind: "error", doing: "audit", code, message: String(error), at: bootClockMs() });
    }
  }
  journal.write({ kind: "finished", at: bootClockMs() });
  journal.close();
}
