/**
 * The chaos suite: `npm run test:chaos -- [--store file|sqlite|postgres|etcd] [--seed N] [--seconds S] [--processes P] [--only PART]
 * [--report FILE] [--keep]`
 *
 * 1. `rig`: the rig is proved: workers that lie or cheat on purpose must be caught.
 * 2. `ours`: kills, stops, clock steps and full disks over namehold processes; none of G1 to G9 may break.
 * 3. `python`: the same beside a Python process with the real MADSci registry, without clock steps and full disks: what those do
 *    to Python is not ours to mend (docs/SPEC.md, what is not promised). With the file store alone, which Python shares.
 *
 * The seed fixes what is done and when; how the machine's scheduler answers differs from run to run. With CI=true
 * nothing may be left out.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type CampaignOptions, type CampaignResult, runCampaign } from "./campaign.ts";
import { judge } from "./checker.ts";
import type { Violation } from "./history.ts";
import { describeFault, type PlannedFault, planFaults } from "./schedule.ts";
import { SeededRandom } from "./seeded-random.ts";
import type { PythonRuntime } from "./slot.ts";
import { SmallDisk } from "./small-disk.ts";
import type { StoreRig } from "./store-rig.ts";
import { STORES, type StoreName } from "./stores.ts";
import { type Coverage, coverageOf, describeCoverage, describeViolation, type Seen } from "./summary.ts";
import type { Misbehaviour } from "./worker-settings.ts";

const GUARANTEES = ["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G9", "journal"] as const;

/** What each misbehaviour must be convicted of: one of these. Which, a busy machine may decide. */
const CONVICTIONS: Readonly<Record<Misbehaviour, readonly Violation["guarantee"][]>> = {
  "always-held": ["G4"],
  "no-token": ["G5"],
  "idle-increment": ["G9"],
  "other-file": ["G1", "G2"],
  "revoke-now": ["G2", "G4", "G7"],
};

/** Below these a run is too quiet to mean anything. Figures for the shortest run that is allowed. */
const LEAST: Partial<Record<keyof Coverage, number>> = {
  grants: 25,
  samples: 1_000,
  writesAccepted: 50,
  incrementsAcknowledged: 10,
  kills: 3,
  stops: 2,
  losses: 1,
};

/** A lie may pass unseen. So many do not, however busy the machine is. */
const MISDEEDS_MIN = 10;
/** How much longer a run may take on a busy machine. */
const FURTHER_MS = { rig: 90_000, attack: 60_000 };
const ROUND_MS = { rig: 1_000, attack: 10_000 };

const SECONDS_MIN = 10;
const VIOLATIONS_SHOWN = 5;
const INTEROP_HOME =
  process.env["NAMEHOLD_INTEROP_HOME"] ?? fileURLToPath(new URL("../../.cache/interop", import.meta.url));

interface Check {
  readonly title: string;
  readonly passed: boolean;
}

const { values: given } = parseArgs({
  options: {
    store: { type: "string", default: "file" },
    seed: { type: "string" },
    seconds: { type: "string", default: "25" },
    processes: { type: "string", default: "5" },
    only: { type: "string" },
    report: { type: "string" },
    keep: { type: "boolean", default: false },
  },
});
const mustBeWhole = process.env["CI"] === "true";
const seed =
  given.seed === undefined ? new SeededRandom(Date.now()).below(2 ** 31) : wholeNumber("seed", given.seed, 0);
const store: StoreRig = STORES[storeName(given.store)];
const seconds = wholeNumber("seconds", given.seconds, SECONDS_MIN);
const processes = wholeNumber("processes", given.processes, 2);
const directory = mkdtempSync(join(tmpdir(), "namehold-chaos-"));
// A server that refuses to be root must get in.
chmodSync(directory, 0o711);
const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => interruption.abort());

const repeat = `npm run test:chaos -- --store ${given.store} --seed ${seed} --seconds ${seconds} --processes ${processes}`;

console.log(`chaos: ${given.store} store, seed ${seed}, ${seconds} s, ${processes} processes. Repeat with: ${repeat}`);
const random = new SeededRandom(seed);
const checks: Check[] = [];
const parts = { rig: proveRig, ours: attackOurs, ...(store.isPythons ? { python: attackBesidePython } : {}) };
for (const [part, run] of Object.entries(parts)) {
  const own = random.fork();
  if (given.only === undefined || given.only === part) checks.push(...(await run(own).catch(failedCampaign)));
}
if (checks.length === 0) checks.push({ title: `--only is one of ${Object.keys(parts).join(", ")}`, passed: false });
report(checks);

/** A run that could not be carried out, or was interrupted, proves nothing: it counts as failed. */
function failedCampaign(error: unknown): Check[] {
  console.log(error);
  return [{ title: "the run was carried out", passed: false }];
}

/** Several at once: a busy machine makes no lie harder to see. */
async function proveRig(rigRandom: SeededRandom): Promise<Check[]> {
  console.log("\nThe rig: each of these workers must be convicted.");
  const misbehaviours = Object.keys(CONVICTIONS) as Misbehaviour[];
  return Promise.all(
    misbehaviours.map(async (misbehaviour) => {
      const forMs = 3_000;
      const title = `the rig catches ${misbehaviour}`;
      const result = await campaign(`rig-${misbehaviour}`, {
        random: rigRandom.fork(),
        slots: 2,
        plan: [],
        forMs,
        python: null,
        misbehaviour,
        further: {
          forMs: ROUND_MS.rig,
          roundsMax: FURTHER_MS.rig / ROUND_MS.rig,
          plan: () => [],
          isQuiet: (soFar) => coverageOf(soFar).misdeeds < MISDEEDS_MIN,
        },
      });
      const found = new Set(judge(result.history).map((violation) => violation.guarantee));
      const passed = CONVICTIONS[misbehaviour].some((guarantee) => found.has(guarantee));
      console.log(`  ${passed ? "caught" : "MISSED"} ${misbehaviour}: found ${[...found].join(" ") || "nothing"}`);
      return { title, passed };
    }),
  );
}

async function attackOurs(ownRandom: SeededRandom): Promise<Check[]> {
  const kinds = new Set<PlannedFault["kind"]>(["kill", "stop", "clock-step"]);
  const leftOut: Check[] = [];
  if (SmallDisk.isPossible() && store.isOnDisk) kinds.add("full-disk");
  else if (store.isOnDisk) {
    console.log("\nLeft out: full disks. They need root, to mount a small tmpfs.");
    if (mustBeWhole) leftOut.push({ title: "full disks are not left out in CI", passed: false });
  }
  const least = {
    ...LEAST,
    clockSteps: 2,
    takeoversAfterKill: 1,
    writesRefused: 1,
    ...(kinds.has("full-disk") ? { fullDisks: 1 } : {}),
  };
  const forMs = seconds * 1_000;
  const attacked = await attack("ours", { random: ownRandom, slots: processes, kinds, forMs, python: null, least });
  return [...leftOut, ...attacked];
}

async function attackBesidePython(ownRandom: SeededRandom): Promise<Check[]> {
  if (!existsSync(join(INTEROP_HOME, ".complete"))) {
    console.log("\nLeft out: Python. Make its environment with test/interop/setup.sh");
    return mustBeWhole ? [{ title: "Python is not left out in CI", passed: false }] : [];
  }
  const python: PythonRuntime = {
    executable: join(INTEROP_HOME, "madsci-0.8.1/bin/python"),
    env: { PYTHONPATH: join(INTEROP_HOME, "filelock-3.25.0"), PYTHONDONTWRITEBYTECODE: "1" },
  };
  const forMs = (seconds * 1_000) / 2;
  const slots = Math.min(processes, 4);
  const kinds = new Set<PlannedFault["kind"]>(["kill", "stop"]);
  return attack("beside-python", { random: ownRandom, slots, kinds, forMs, python, least: LEAST });
}

interface Attack extends Pick<CampaignOptions, "random" | "slots" | "forMs" | "python"> {
  readonly kinds: ReadonlySet<PlannedFault["kind"]>;
  /** Below this it was too quiet to mean anything. */
  readonly least: Partial<Record<keyof Coverage, number>>;
}

async function attack(title: string, { kinds, least, ...options }: Attack): Promise<Check[]> {
  const planFor = (forMs: number): readonly PlannedFault[] => {
    const plan = planFaults(options.random.fork(), { slots: options.slots, forMs, ttlMs: store.ttlMs, kinds });
    console.log(plan.map((fault) => `  ${describeFault(fault)}`).join("\n"));
    return plan;
  };
  const tooFew = (soFar: Seen): [what: string, least: number][] => {
    const coverage = coverageOf(soFar);
    return Object.entries(least).filter(([what, count]) => coverage[what as keyof Coverage] < count);
  };
  console.log(`\n${title}: faults`);
  const { history, crashes } = await campaign(title, {
    ...options,
    plan: planFor(options.forMs),
    misbehaviour: null,
    further: {
      forMs: ROUND_MS.attack,
      roundsMax: FURTHER_MS.attack / ROUND_MS.attack,
      plan: () => planFor(ROUND_MS.attack),
      isQuiet: (soFar) => tooFew(soFar).length > 0,
    },
  });
  console.log(describeCoverage(history));
  const violations = judge(history);
  for (const violation of violations.slice(0, VIOLATIONS_SHOWN)) console.log(describeViolation(violation));
  if (violations.length > VIOLATIONS_SHOWN) console.log(`  … and ${violations.length - VIOLATIONS_SHOWN} more`);
  for (const crash of crashes) console.log(`  ${crash}`);
  const quiet = tooFew(history);
  for (const [what, count] of quiet) console.log(`  too quiet: fewer than ${count} ${what}`);
  return [
    ...GUARANTEES.map((guarantee) => ({
      title: `${title}: ${guarantee} holds`,
      passed: violations.every((violation) => violation.guarantee !== guarantee),
    })),
    { title: `${title}: no worker crashed`, passed: crashes.length === 0 },
    { title: `${title}: enough happened`, passed: quiet.length === 0 },
  ];
}

function campaign(
  name: string,
  options: Omit<CampaignOptions, "directory" | "store" | "interrupted">,
): Promise<CampaignResult> {
  const own = join(directory, name);
  mkdirSync(own);
  return runCampaign({ ...options, store, directory: own, interrupted: interruption.signal });
}

function report(done: readonly Check[]): void {
  const failed = done.filter((check) => !check.passed);
  console.log("");
  for (const check of failed) console.log(`FAILED: ${check.title}`);
  if (given.report !== undefined) {
    mkdirSync(dirname(given.report), { recursive: true });
    const passed = done.length - failed.length;
    writeFileSync(given.report, `${JSON.stringify({ seed, passed, failed: failed.length, checks: done }, null, 2)}\n`);
  }
  if (failed.length > 0 || given.keep) console.log(`Journals are in ${directory}`);
  else rmSync(directory, { recursive: true });
  if (failed.length > 0) console.log(`Repeat with: ${repeat}`);
  console.log(`chaos: ${done.length - failed.length} passed, ${failed.length} failed`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

function storeName(text: string): StoreName {
  if (text in STORES) return text as StoreName;
  throw new RangeError(`--store is one of ${Object.keys(STORES).join(", ")}, not ${text}.`);
}

function wholeNumber(what: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`--${what} must be a whole number of at least ${least}, not ${text}.`);
  }
  return value;
}
