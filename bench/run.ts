/**
 * Measures namehold against everything else a user could pick: `npm run bench -- [--quick] [--only TEXT] [--profile ROW]
 * [--dir DIRECTORY] [--out DIRECTORY] [--from results.json]`
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Bench } from "./harness/bench.ts";
import { describeMachine, refuseMemoryFileSystem } from "./harness/machine.ts";
import { CHECKOUT, LIBRARY_PATH } from "./harness/namehold.ts";
import { describeProfiles } from "./harness/profile.ts";
import type { ScenarioResult } from "./harness/row.ts";
import { FULL, QUICK } from "./harness/settings.ts";
import { judgeTargets } from "./harness/targets.ts";
import { versionsInUse } from "./harness/versions.ts";
import { makePage, summaryLine } from "./report/page.ts";
import type { RunResult } from "./report/run-result.ts";
import { reasons, scenarioTable, targetTable, textTable } from "./report/tables.ts";
import { contention } from "./scenarios/contention.ts";
import { handOff } from "./scenarios/hand-off.ts";
import { heartbeat } from "./scenarios/heartbeat.ts";
import { manyProcesses } from "./scenarios/many-processes.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { startUp } from "./scenarios/start-up.ts";
import { takeover } from "./scenarios/takeover.ts";
import { grouped, uncontended } from "./scenarios/uncontended.ts";
import { Servers } from "./servers/servers.ts";

const SCENARIOS: readonly Scenario[] = [
  uncontended,
  grouped,
  heartbeat,
  handOff,
  takeover,
  contention,
  startUp,
  manyProcesses,
];
/** On a disk on all systems that follow the file system standard, and open to the user that PostgreSQL runs as. */
const DIRECTORY = "/var/tmp";

const { values: given } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    profile: { type: "string" },
    dir: { type: "string", default: DIRECTORY },
    out: { type: "string" },
    from: { type: "string" },
  },
});
const wants = (rowId: string): boolean =>
  given.profile === undefined ? given.only === undefined || rowId.includes(given.only) : rowId === given.profile;
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const isWhole = given.only === undefined && given.profile === undefined && !given.quick;

if (given.from === undefined) await measureAll();
else {
  const run = JSON.parse(readFileSync(given.from, "utf8")) as RunResult;
  write({ ...run, targets: judgeTargets(run.scenarios) });
}

async function measureAll(): Promise<void> {
  refuseUnready();
  const startedAt = performance.now();
  const workspace = mkdtempSync(join(given.dir, "namehold-bench-"));
  // The user that PostgreSQL runs as must get in.
  chmodSync(workspace, 0o755);
  process.once("exit", () => rmSync(workspace, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  const profileDirectory = given.profile === undefined ? undefined : outDirectory("profiles");
  const servers = new Servers(workspace);
  const settings = given.quick ? QUICK : FULL;
  const bench = new Bench({ settings, workspace, servers, wants, profileDirectory, say });
  const machine = describeMachine(workspace);
  const scenarios: ScenarioResult[] = [];
  try {
    for (const scenario of SCENARIOS) {
      if (!scenario.rowIds.some(wants)) continue;
      scenarios.push(await measureScenario(scenario, bench));
    }
    const run: RunResult = {
      date: new Date().toISOString(),
      tookS: (performance.now() - startedAt) / 1_000,
      machine,
      settings,
      versions: await versionsInUse(servers),
      scenarios,
      targets: judgeTargets(scenarios),
    };
    say(
      `\n## Targets\n\n${textTable(targetTable(isWhole ? run.targets : measuredTargets(run)))}\n\n${summaryLine(run)}`,
    );
    write(run);
  } finally {
    await bench.endWorkers();
    await servers.stop();
  }
  if (profileDirectory !== undefined) say(`\n${describeProfiles(profileDirectory)}\n\nin ${profileDirectory}`);
}

async function measureScenario(scenario: Scenario, bench: Bench): Promise<ScenarioResult> {
  const startedAt = performance.now();
  say(`\n# ${scenario.id}`);
  const measured = await scenario.run(bench);
  const result = { ...measured, tookS: (performance.now() - startedAt) / 1_000 };
  say(
    `\n## ${result.title} (${result.tookS.toFixed(0)} s)\n\n${textTable(scenarioTable(result))}\n\n${reasons(result).join("\n")}`,
  );
  return result;
}

/** A whole run is the project's: its numbers and its page are kept. Any other is the caller's alone. */
function write(run: RunResult): void {
  const { markdown, charts } = makePage(run);
  const isKept = given.out === undefined && (isWhole || given.from !== undefined);
  const results = isKept ? join(CHECKOUT, "bench") : outDirectory();
  const page = isKept ? join(CHECKOUT, "docs") : outDirectory();
  writeFileSync(join(results, "results.json"), `${JSON.stringify(run, null, 1)}\n`);
  writeFileSync(join(page, "benchmarks.md"), markdown);
  for (const [file, svg] of charts) writeFileSync(join(page, file), svg);
  say(`Written: ${join(results, "results.json")}, ${join(page, "benchmarks.md")}`);
}

function outDirectory(...parts: readonly string[]): string {
  const directory = join(given.out ?? join(CHECKOUT, ".cache/bench"), ...parts);
  if (parts.length > 0) rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}

function refuseUnready(): void {
  if (!existsSync(LIBRARY_PATH)) throw new Error("namehold is not built. Build it: npm run build");
  if (!existsSync(join(CHECKOUT, "bench/node_modules"))) {
    throw new Error("The peers are not installed. Install them: npm ci --prefix bench");
  }
  refuseMemoryFileSystem(given.dir);
  const known = SCENARIOS.flatMap(({ rowIds }) => rowIds);
  if (known.some(wants)) return;
  throw new Error(`No row is called ${given.profile ?? given.only}. There are:\n${known.join("\n")}`);
}

function measuredTargets({ targets }: RunResult): RunResult["targets"] {
  return targets.filter(({ verdict }) => verdict !== "not measured");
}
