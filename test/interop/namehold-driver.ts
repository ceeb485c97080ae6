/**
 * Drives a namehold process by JSON lines, as driver.py drives a Python one, so that both can be killed, stopped and
 * given another clock. Runs on node itself, against the built package.
 */
import { createInterface } from "node:readline";
import { LocalRegistryManager, NameholdError, openRegistry } from "namehold";
import { jsonLine } from "./json-line-process.ts";

type Registry = Awaited<ReturnType<typeof openRegistry>>;
type Claim = Awaited<ReturnType<Registry["claim"]>>;

/** All arguments of all commands; a request carries those of its own. */
interface Arguments {
  /** The registry's path; not given where it is to be discovered. */
  readonly path?: string;
  readonly name: string;
  readonly options: object;
  readonly data: string;
  readonly times: number;
  readonly seconds: number;
  readonly ids: Readonly<Record<string, string>>;
  readonly status: number;
}

interface Watched {
  readonly claim: Claim;
  lostEvents: number;
  jeopardies: number;
}

const claims = new Map<string, Watched>();
let registry: Registry;

const commands: Readonly<Record<string, (given: Arguments) => unknown>> = {
  async open({ path, options }) {
    registry = await openRegistry(path, options);
    return { path: registry.location };
  },
  async claim({ name, options }) {
    const claim = await registry.claim(name, { type: "node", ...options });
    const watched: Watched = { claim, lostEvents: 0, jeopardies: 0 };
    claim.on("lost", () => {
      watched.lostEvents += 1;
    });
    claim.on("jeopardy", () => {
      watched.jeopardies += 1;
    });
    claims.set(name, watched);
    return { id: claim.id, token: claim.token };
  },
  claim_state({ name }) {
    const { claim, lostEvents, jeopardies } = claimed(name);
    const { held, loss } = claim;
    const { aborted, reason } = claim.signal;
    return { held, aborted, loss, code: reason instanceof NameholdError ? reason.code : null, lostEvents, jeopardies };
  },
  release: ({ name }) => claimed(name).claim.release(),
  resolve: ({ name }) => registry.resolve(name, { type: "node" }),
  lookup: ({ name }) => registry.lookup(name),
  import: ({ data, options }) => registry.importEntries(data, options),
  export: async () => JSON.parse(await registry.exportText()) as unknown,
  look_up_for_seconds: ({ ids, seconds }) => lookUpForSeconds(ids, seconds),
  count_up: ({ name, times }) => countUp(name, times),
  contend: ({ name, seconds }) => contend(name, seconds),
  contend_forever({ name }) {
    void contend(name, Number.POSITIVE_INFINITY);
  },
  exit: ({ status }) => process.exit(status),
  throw() {
    setImmediate(() => {
      throw new Error("uncaught, as the test asked");
    });
  },
};

function claimed(name: string): Watched {
  const watched = claims.get(name);
  if (watched === undefined) throw new Error(`no claim on ${name} was made here`);
  return watched;
}

/** Counts in the metadata of an own name, each step first looking that the last one is still there. */
async function countUp(name: string, times: number): Promise<{ counter: number; ids: readonly string[] }> {
  await using manager = new LocalRegistryManager({ registryPath: registry.location });
  const start = Number((await manager.getEntry(name))?.metadata["counter"] ?? 0);
  const ids = new Set<string>();
  for (let step = start + 1; step <= start + times; step += 1) {
    ids.add(await manager.resolve(name, "node", { metadata: { counter: step }, acquireLock: false }));
    const found = (await manager.getEntry(name))?.metadata["counter"];
    if (found !== step) throw new Error(`lost update: ${name} wrote ${step}, read ${JSON.stringify(found)}`);
  }
  return { counter: start + times, ids: [...ids] };
}

async function lookUpForSeconds(ids: Readonly<Record<string, string>>, seconds: number): Promise<object> {
  const untilMs = performance.now() + seconds * 1000;
  const wrong: string[] = [];
  let lookups = 0;
  while (performance.now() < untilMs) {
    for (const [name, id] of Object.entries(ids)) {
      const found = await registry.lookup(name).catch(String);
      if (found !== id) wrong.push(`${name}: ${found}`);
      lookups += 1;
    }
  }
  return { lookups, wrong };
}

/** Claims and releases in a tight loop, as hard as the library allows. */
async function contend(name: string, seconds: number): Promise<{ rounds: number }> {
  const untilMs = performance.now() + seconds * 1000;
  let rounds = 0;
  for (; performance.now() < untilMs; rounds += 1) {
    const claim = await registry.claim(name, { type: "node" });
    await claim.release();
  }
  return { rounds };
}

function describe(error: unknown): object {
  if (error instanceof NameholdError) {
    return { type: error.name, message: error.message, code: error.code, details: error.details };
  }
  return error instanceof Error
    ? { type: error.name, message: error.stack }
    : { type: "unknown", message: String(error) };
}

async function answer(request: { readonly id: number; readonly cmd: string } & Arguments): Promise<void> {
  const startedMs = Date.now();
  const started = performance.now();
  const took = (): object => ({ id: request.id, startedMs, tookMs: performance.now() - started });
  try {
    const result = (await commands[request.cmd]?.(request)) ?? null;
    send({ ok: true, result, ...took() });
  } catch (error) {
    send({ ok: false, error: describe(error), ...took() });
  }
}

function send(message: object): void {
  process.stdout.write(`${jsonLine(message)}\n`);
}

createInterface({ input: process.stdin }).on(
  "line",
  (line) => void answer(JSON.parse(line) as Parameters<typeof answer>[0]),
);
send({ id: 0, ok: true, result: { pid: process.pid }, startedMs: Date.now(), tookMs: 0 });
