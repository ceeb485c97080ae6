/** 6. What a start costs: importing the library, running the command, opening many names, installing it all. */
import { execFile } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Bench } from "../harness/bench.ts";
import { CHECKOUT, CLI_PATH, LIBRARY_PATH } from "../harness/namehold.ts";
import { NotMeasured, notMeasured, type Outcome, outcomeOf, type Row } from "../harness/row.ts";
import { summarise } from "../harness/statistics.ts";
import { peerById } from "../peers/index.ts";
import { MADSCI_PYTHON, MADSCI_PYTHON_PATH } from "../servers/madsci.ts";
import type { Scenario } from "./scenario.ts";

const run = promisify(execFile);
const LISTED = 1_000;
const LARGE = 1_000_000;
const BENCH = join(CHECKOUT, "bench");

/** Imports what it is told to and prints how many milliseconds that took. */
const IMPORT = `const before = performance.now(); await import(process.argv[1]); console.log(performance.now() - before);`;
const PYTHON_IMPORT = `import time; before = time.perf_counter(); import madsci.common.registry; print((time.perf_counter() - before) * 1e3)`;
/** Opens a registry and looks one name up. */
const OPEN = `
  const { openRegistry } = await import(process.argv[1]);
  const before = performance.now();
  const registry = await openRegistry(process.argv[2]);
  await registry.lookup("robot_arm_77");
  console.log(performance.now() - before);
  await registry.close();`;

/** One command, many times; answers milliseconds. */
interface Repeated {
  readonly id: string;
  readonly title: string;
  readonly prepare: (bench: Bench) => Promise<() => Promise<number>>;
}

const REPEATED: readonly Repeated[] = [
  {
    id: "start-up/node",
    title: "node, doing nothing",
    prepare: async () => () => wallMs(process.execPath, ["--eval", "0"]),
  },
  imports("namehold", LIBRARY_PATH),
  ...["proper-lockfile", "redlock", "ioredis", "pg", "etcd3"].map((name) => imports(name, name)),
  {
    id: "start-up/import/madsci",
    title: "import madsci.common.registry (Python)",
    async prepare() {
      if (!existsSync(MADSCI_PYTHON)) throw new NotMeasured("MADSci is not installed: test/interop/setup.sh");
      const env = { ...process.env, PYTHONPATH: MADSCI_PYTHON_PATH };
      return async () => Number((await run(MADSCI_PYTHON, ["-c", PYTHON_IMPORT], { env })).stdout);
    },
  },
  {
    id: "start-up/version",
    title: "namehold --version, the whole process",
    prepare: async () => () => wallMs(process.execPath, [CLI_PATH, "--version"]),
  },
  {
    id: "start-up/list",
    title: `namehold list with ${LISTED} entries (JSON), the whole process`,
    async prepare(bench) {
      const location = await filled(bench, "json", LISTED);
      return () => wallMs(process.execPath, [CLI_PATH, "list", "-r", location]);
    },
  },
  opens("json", LISTED),
  opens("sqlite", LISTED),
  opens("sqlite", LARGE),
];

/** What npm installs, by the names it would be asked for. */
const INSTALLED: readonly { readonly id: string; readonly title: string; readonly packages: readonly string[] }[] = [
  { id: "start-up/install/namehold", title: "npm install namehold (from its tarball)", packages: [] },
  { id: "start-up/install/proper-lockfile", title: "npm install proper-lockfile", packages: ["proper-lockfile"] },
  { id: "start-up/install/redlock", title: "npm install redlock ioredis", packages: ["redlock", "ioredis"] },
  { id: "start-up/install/pg", title: "npm install pg", packages: ["pg"] },
];

export const startUp: Scenario = {
  id: "start-up",
  rowIds: [...REPEATED, ...INSTALLED].map(({ id }) => id),
  async run(bench) {
    return {
      id: "start-up",
      title: "6. Start-up",
      text: "Imports are measured inside a new process; commands from outside, from before the process is made until it has ended. Installing is with npm, into an empty project, with whatever npm's cache has; the size is that of node_modules.",
      columns: [
        { key: "median", title: "median", unit: "ms" },
        { key: "p99", title: "worst", unit: "ms" },
        { key: "size", title: "size", unit: "bytes" },
        { key: "packages", title: "packages", unit: "count" },
      ],
      rows: [...(await measureRepeated(bench)), ...(await measureInstalls(bench))],
    };
  },
};

async function measureRepeated(bench: Bench): Promise<readonly Row[]> {
  const outcomes = new Map<string, Outcome>();
  const live: { readonly id: string; readonly once: () => Promise<number>; readonly rounds: number[][] }[] = [];
  const wanted = REPEATED.filter(({ id }) => bench.wants(id));
  const attempt = async (id: string, what: () => Promise<unknown>): Promise<void> => {
    const outcome = await outcomeOf(async () => {
      await what();
      return notMeasured("");
    });
    if (outcome.kind === "failed" || (outcome.kind === "not-measured" && outcome.why !== "")) outcomes.set(id, outcome);
  };
  for (const { id, prepare } of wanted) {
    await attempt(id, async () => {
      const once = await prepare(bench);
      await once();
      live.push({ id, once, rounds: [] });
    });
  }
  for (let round = 0; round < bench.settings.startUps; round += 1) {
    for (const { id, once, rounds } of live) {
      if (!outcomes.has(id)) await attempt(id, async () => rounds.push([await once()]));
    }
  }
  for (const { id, rounds } of live) {
    if (outcomes.has(id)) continue;
    const { median, max, roundMedians } = summarise(rounds);
    outcomes.set(id, { kind: "measured", roundMedians, values: { median, p99: max } });
  }
  return wanted.map(({ id, title }) => ({
    id,
    title,
    outcome: outcomes.get(id) ?? { kind: "failed", why: "no outcome" },
  }));
}

async function measureInstalls(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const { id, title, packages } of INSTALLED) {
    if (!bench.wants(id)) continue;
    rows.push({ id, title, outcome: await outcomeOf(() => install(bench, packages)) });
  }
  return rows;
}

async function install(bench: Bench, packages: readonly string[]): Promise<Outcome> {
  if (!bench.settings.installs) return notMeasured("--quick installs nothing");
  const project = bench.directory();
  writeFileSync(join(project, "package.json"), `{"private": true}\n`);
  const wanted = packages.length > 0 ? packages.map((name) => `${name}@${versionInUse(name)}`) : [await pack(project)];
  const startedAt = performance.now();
  try {
    await run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...wanted], { cwd: project });
  } catch (error) {
    throw new NotMeasured(`npm could not install it here: ${String(error).split("\n")[0]}`);
  }
  const median = performance.now() - startedAt;
  const modules = join(project, "node_modules");
  const size = sizeOf(modules);
  return { kind: "measured", values: { median, size, packages: countPackages(modules) } };
}

/** The package as its users get it, without building it again. @returns the path of the tarball */
async function pack(project: string): Promise<string> {
  const args = ["pack", "--silent", "--ignore-scripts", "--pack-destination", project];
  const { stdout } = await run("npm", args, { cwd: CHECKOUT });
  return join(project, stdout.trim());
}

function imports(name: string, specifier: string): Repeated {
  return {
    id: `start-up/import/${name}`,
    title: `import "${name}"`,
    async prepare() {
      // A path is what `import` makes of a name in the end; node resolves it in this package here.
      const path =
        specifier === LIBRARY_PATH ? specifier : createRequire(join(BENCH, "package.json")).resolve(specifier);
      const args = ["--input-type=module", "--eval", IMPORT, pathToFileURL(path).href];
      return async () => Number((await run(process.execPath, args)).stdout);
    },
  };
}

function opens(peer: string, population: number): Repeated {
  return {
    id: `start-up/open/${peer}/${population}`,
    title: `open and look up one of ${population} names (${peer})`,
    async prepare(bench) {
      if (population > bench.settings.populationMax) throw new NotMeasured(`--quick leaves ${population} names out`);
      const location = await filled(bench, peer, population);
      const args = ["--input-type=module", "--eval", OPEN, pathToFileURL(LIBRARY_PATH).href, location];
      return async () => Number((await run(process.execPath, args)).stdout);
    },
  };
}

async function filled(bench: Bench, id: string, population: number): Promise<string> {
  return bench.populated(peerById(id), population);
}

async function wallMs(file: string, args: readonly string[]): Promise<number> {
  const before = performance.now();
  await run(file, args, { maxBuffer: 64 * 1024 * 1024 });
  return performance.now() - before;
}

function versionInUse(name: string): string {
  const manifest = JSON.parse(readFileSync(join(BENCH, "node_modules", name, "package.json"), "utf8")) as {
    version: string;
  };
  return manifest.version.replace(/^v/, "");
}

function sizeOf(path: string): number {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

function countPackages(modules: string): number {
  const lock = JSON.parse(readFileSync(join(modules, ".package-lock.json"), "utf8")) as { packages: object };
  return Object.keys(lock.packages).length;
}
