import { cpSync, existsSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isNameholdError, openRegistry } from "namehold";
import { bootClockMs } from "./boot-clock.ts";
import { GuardedResource } from "./guarded-resource.ts";
import type { History } from "./history.ts";
import { createJournal, type Journal, readJournal } from "./journal.ts";
import { Nemesis } from "./nemesis.ts";
import type { PlannedFault } from "./schedule.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { type PythonRuntime, Slot } from "./slot.ts";
import { SmallDisk } from "./small-disk.ts";
import type { RegistryUnderTest, StoreRig } from "./store-rig.ts";
import type { Seen } from "./summary.ts";
import type { Misbehaviour } from "./worker-settings.ts";

const NAMES = ["arm", "liquid handler", "__proto__", "größe/α"];
const LOOPS = 2;
/** After the last fault, with everybody alive. */
const RECOVERY_MS = 2_500;
const GRACE_MS = 6_000;
const START_MS_MAX = 30_000;
const AUDITOR = "auditor";

export interface CampaignOptions {
  readonly store: StoreRig;
  /** An existing, empty directory. Journals stay in it. */
  readonly directory: string;
  readonly random: SeededRandom;
  readonly slots: number;
  /** The last slot is a Python node. */
  readonly python: PythonRuntime | null;
  readonly plan: readonly PlannedFault[];
  /** At least so long, whatever the plan says. */
  readonly forMs: number;
  /** Goes on, a round at a time, while too little has happened to mean anything: a busy machine needs longer. */
  readonly further: FurtherRounds;
  /** Of the process in slot 0, in all its lives. */
  readonly misbehaviour: Misbehaviour | null;
  readonly interrupted: AbortSignal;
}

export interface FurtherRounds {
  readonly forMs: number;
  readonly roundsMax: number;
  plan(): readonly PlannedFault[];
  isQuiet(soFar: Seen): boolean;
}

export interface CampaignResult {
  readonly history: History;
  /** Ends of workers that were nobody's will. */
  readonly crashes: readonly string[];
}

/** Runs workers under a schedule of faults, then lets them recover, then asks for every name; answers with the history. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { directory, plan, forMs, interrupted, store } = options;
  const needsDisk = plan.some((fault) => fault.kind === "full-disk");
  using disk = needsDisk ? SmallDisk.mount(join(directory, "disk")) : null;
  if (disk === null) mkdirSync(join(directory, "disk"));
  mkdirSync(join(directory, "store"));
  await using registry = await store.open(join(directory, "disk"), join(directory, "store"));
  await using resource = await GuardedResource.listen(join(directory, "resource.sock"));
  if (options.python !== null) await makeNames(registry.location);

  const slots = openSlots(options, registry, resource.socketPath);
  const nemesis = new Nemesis(slots, disk);
  try {
    await allStarted(slots);
    const round = (faults: readonly PlannedFault[], ms: number) =>
      Promise.all([nemesis.run(faults, interrupted), sleep(ms, undefined, { signal: interrupted })]);
    await round(plan, forMs);
    const { further } = options;
    const seen = (): Seen => ({ journals: journalsOf(slots), faults: nemesis.faults, resource: resource.log });
    for (let more = 0; more < further.roundsMax && further.isQuiet(seen()); more += 1) {
      await round(further.plan(), further.forMs);
    }
    const faultsEndedAt = bootClockMs();
    await sleep(RECOVERY_MS);
    await nemesis.endAll(GRACE_MS);
    await audit(options, registry.location);
    const history: History = {
      journals: [...journalsOf(slots), readJournal(join(directory, `${AUDITOR}.jsonl`), AUDITOR)],
      faults: nemesis.faults,
      resource: resource.log,
      final: await registry.finalState(),
      names: NAMES,
      ttlMs: store.ttlMs,
      faultsEndedAt,
      livenessBoundMs: livenessBoundMs(store),
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

function openSlots(options: CampaignOptions, registry: RegistryUnderTest, resourcePath: string): Slot[] {
  const { ttlMs, heartbeatMs } = options.store;
  const settings = { resourcePath, names: NAMES, ttlMs, heartbeatMs, loops: LOOPS };
  return Array.from({ length: options.slots }, (_, number) => {
    const misbehaviour = number === 0 ? options.misbehaviour : null;
    const registryPath = misbehaviour === "other-file" ? registry.otherLocation : registry.location;
    // Who is robbed must have something for long enough to be seen to believe in it.
    const holdsLong = options.misbehaviour === "revoke-now" && misbehaviour === null;
    return new Slot({
      number,
      python: number === options.slots - 1 ? options.python : null,
      directory: options.directory,
      random: options.random.fork(),
      settings: { ...settings, registryPath, misbehaviour, holdsLong },
    });
  });
}

/** What a claim may take when nobody is left: a TTL for each doubt that remains, and a busy machine. */
function livenessBoundMs({ ttlMs }: StoreRig): number {
  return RECOVERY_MS + GRACE_MS + 3 * ttlMs;
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
async function makeNames(location: string): Promise<void> {
  await using registry = await openRegistry(location);
  for (const name of NAMES) await registry.resolve(name, { type: "node" });
}

function journalsOf(slots: readonly Slot[]): Journal[] {
  return slots.flatMap((slot) => slot.processes.flatMap((process) => journalOf(slot, process)));
}

/** A process killed at birth has no journal: it believed nothing. */
function journalOf(slot: Slot, process: string): Journal[] {
  const path = slot.journalPath(process);
  return existsSync(path) ? [readJournal(path, process)] : [];
}

/** When all workers are gone, every name must be there for the asking. */
async function audit({ directory, store }: CampaignOptions, location: string): Promise<void> {
  const { ttlMs, heartbeatMs } = store;
  const journal = createJournal(join(directory, `${AUDITOR}.jsonl`));
  journal.write({ kind: "started", pid: process.pid, runtime: "namehold", at: bootClockMs() });
  await using registry = await openRegistry(location, { lockTtlMs: ttlMs, heartbeatIntervalMs: heartbeatMs });
  for (const name of NAMES) {
    const claim = `${AUDITOR} ${name}`;
    const askedAt = bootClockMs();
    journal.write({ kind: "claim-asked", claim, name, at: askedAt });
    try {
      const { id, token } = await registry.claim(name, { type: "node", waitMs: livenessBoundMs(store) });
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
