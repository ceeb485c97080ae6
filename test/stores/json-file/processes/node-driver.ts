/**
 * A real process over one registry file that a test tells what to do, so that it can be killed, stopped, given another
 * clock, user or namespace: one JSON request a line on stdin, one answer a line on stdout, matched by `id`, in any
 * order.
 */
import { spawn } from "node:child_process";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { NameholdError, openRegistry } from "../../../../src/index.js";
import { systemClock } from "../../../../src/platform/clock.js";
import { FileLock } from "../../../../src/platform/file-lock.js";
import { LockFile } from "../../../../src/platform/lock-file.js";
import { holdersDirectoryOf } from "../../../../src/platform/presence-path.js";
import { FileTurn } from "../../../../src/stores/json-file/file-turn.js";

type Registry = Awaited<ReturnType<typeof openRegistry>>;
type Claim = Awaited<ReturnType<Registry["claim"]>>;

/** A moment of the clock that all processes of this machine share. */
type BootMs = number;

interface Waited {
  readonly controller: AbortController;
  readonly claim: Promise<Claim>;
}

let registry: Registry;
const claims = new Map<string, Claim>();
const waits = new Map<string, Waited>();
const workers: Worker[] = [];

const operations = {
  pid: () => process.pid,
  becomeNobody(): void {
    // What is loaded at the first call is loaded now: the checkout may lie where nobody else can read.
    systemClock.monotonicMs();
    process.setgroups?.([]);
    process.setgid?.(65_534);
    process.setuid?.(65_534);
  },
  async open(path: string, options: Parameters<typeof openRegistry>[1]): Promise<string> {
    registry = await openRegistry(path, options);
    return registry.lockManager.instanceId;
  },

  async claim(name: string, options: { readonly waitMs?: number } = {}) {
    return granted(name, await registry.claim(name, { type: "node", ...options }));
  },
  /** Begins to wait; answers when the place in the queue is taken. */
  async beginWait(name: string, waitMs: number): Promise<void> {
    const controller = new AbortController();
    await new Promise<void>((resolve, reject) => {
      const claim = registry.claim(name, { type: "node", waitMs, signal: controller.signal, onWait: () => resolve() });
      claim.then(() => resolve(), reject);
      waits.set(name, { controller, claim });
    });
  },
  async endWait(name: string) {
    const claim = await waits.get(name)?.claim;
    if (claim === undefined) throw new Error(`nobody waits for ${name} here`);
    return granted(name, claim);
  },
  cancelWait: (name: string) => waits.get(name)?.controller.abort(),
  /** So many waiters at once, each of which gives the name up when it has it. @returns their tokens */
  takeInTurn: (name: string, waiters: number) => Promise.all(Array.from({ length: waiters }, () => takeOnce(name))),

  async release(name: string): Promise<{ readonly wasOurs: boolean; readonly at: BootMs }> {
    const at = systemClock.monotonicMs();
    return { wasOurs: await claimed(name).release(), at };
  },
  state(name: string) {
    const claim = claimed(name);
    return { held: claim.held, aborted: claim.signal.aborted, loss: claim.loss?.reason ?? null };
  },
  /** What the store says to a refresh of what was held once; null when it was refreshed. */
  async refresh(name: string): Promise<string | null> {
    const { token } = claimed(name);
    const lost = await registry.store.heartbeat(registry.lockManager.holder, new Map([[name, token]]));
    return lost.get(name)?.reason ?? null;
  },
  stopHeartbeat: (name: string) => registry.lockManager.stopHeartbeat(name),
  resolve: (name: string) => registry.resolve(name, { type: "node" }),
  lookup: (name: string) => registry.lookup(name),
  async names(): Promise<readonly string[]> {
    return (await Array.fromAsync(registry.list())).map(({ name }) => name);
  },
  countUp,
  watchUntilLost,

  exit: (status: number) => process.exit(status),
  throwUncaught(): void {
    setImmediate(() => {
      throw new Error("uncaught, as the test asked");
    });
  },

  /** Children that outlive this process: one of Node's `fork` kind and one of another program. */
  spawnChildren(): readonly number[] {
    const sleeper = spawn("sleep", ["60"], { stdio: "ignore", detached: true });
    const forked = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"], {
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      detached: true,
    });
    return [sleeper.pid ?? 0, forked.pid ?? 0];
  },
  async startWorker(
    path: string,
    name: string,
  ): Promise<{ readonly instance: string; readonly failure: string | null }> {
    const worker = new Worker(new URL("worker.ts", import.meta.url), {
      workerData: { path, name, options: { lockTtlMs: registry.lockManager.lockTtlMs, heartbeatIntervalMs: 10_000 } },
      execArgv: ["--import", fileURLToPath(RESOLVE_HOOK)],
    });
    workers.push(worker);
    return new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  },
  async terminateWorkers(): Promise<void> {
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  },

  /** Locks the registry file, or namehold's gate before it, until the end of this process. */
  keepFileLock: (path: string) => new FileLock(path).tryAcquire(),
  keepGate: (path: string) => new LockFile(join(holdersDirectoryOf(path), "gate")).tryLock(),
  contend,
};

export type Operations = typeof operations;

const RESOLVE_HOOK = new URL("../../../platform/fixtures/resolve-ts.mjs", import.meta.url);

function granted(name: string, claim: Claim) {
  claims.set(name, claim);
  return { id: claim.id, token: claim.token, at: systemClock.monotonicMs() };
}

function claimed(name: string): Claim {
  const claim = claims.get(name);
  if (claim === undefined) throw new Error(`no claim on ${name} was made here`);
  return claim;
}

async function takeOnce(name: string): Promise<number> {
  const claim = await registry.claim(name, { type: "node", waitMs: 60_000 });
  await claim.release();
  return claim.token;
}

/** Counts up one number in the metadata of a name, each step one conditional write. */
async function countUp(name: string, times: number): Promise<{ readonly conflicts: number }> {
  const { store, lockManager } = registry;
  let conflicts = 0;
  for (let done = 0; done < times; ) {
    const { record } = await store.read(name);
    if (record === null) throw new Error(`${name} is not there`);
    const count = Number(record.entry.metadata["count"] ?? 0) + 1;
    const write = { metadata: { count } };
    const result = await store.commit({
      holder: lockManager.holder,
      parts: [{ kind: "put", name, expect: record.version, write }],
    });
    if (result.kind === "done") done += 1;
    else conflicts += 1;
  }
  return { conflicts };
}

/**
 * Asks a claim and a signal that was kept from its beginning again and again, with turns of the event loop in between,
 * until one of them says that the name is lost.
 *
 * @returns what both said last, and the last moments before which each was asked and said that the name is held
 */
async function watchUntilLost(name: string) {
  const claim = claimed(name);
  const keptSignal = claim.signal;
  const heldAfter = { claim: 0 as BootMs, signal: 0 as BootMs };
  const questions = [
    () => stillTrue(heldAfter, "claim", () => claim.held),
    () => stillTrue(heldAfter, "signal", () => !keptSignal.aborted),
  ];
  for (let round = 0; ; round += 1) {
    // Either question is the first one after a stall in some runs.
    for (const ask of round % 2 === 0 ? questions : questions.toReversed()) ask();
    // A stall between the two questions may have parted them: asked again, they agree.
    const isLost = !claim.held || keptSignal.aborted;
    if (isLost) return { held: claim.held, aborted: keptSignal.aborted, heldAfter, loss: claim.loss?.reason ?? null };
    if (round % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

function stillTrue<K extends string>(heldAfter: Record<K, BootMs>, who: K, ask: () => boolean): void {
  const before = systemClock.monotonicMs();
  if (ask()) heldAfter[who] = before;
}

/** Takes turns at the file as fast as it gets them, holding each for `workMs`. */
async function contend(path: string, forMs: number, workMs: number): Promise<number> {
  const turn = new FileTurn(path, join(holdersDirectoryOf(path), "gate"), systemClock);
  const until = systemClock.monotonicMs() + forMs;
  let turns = 0;
  for (; systemClock.monotonicMs() < until; turns += 1) await turn.take(30_000, () => spin(workMs));
  turn.close();
  return turns;
}

function spin(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function perform(line: string): Promise<void> {
  const { id, cmd, args } = JSON.parse(line) as { id: number; cmd: keyof Operations; args: never[] };
  try {
    const operation: (...args: never[]) => unknown = operations[cmd];
    send({ id, ok: true, result: (await operation(...args)) ?? null });
  } catch (error) {
    send({ id, ok: false, error: describe(error) });
  }
}

function describe(error: unknown): object {
  if (error instanceof NameholdError) {
    return { type: error.name, code: error.code, message: error.message, details: error.details };
  }
  return { type: "Error", message: error instanceof Error ? error.stack : String(error) };
}

function send(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

createInterface({ input: process.stdin }).on("line", (line) => void perform(line));
// Most processes are killed, and would leave none.
flushCompileCache();
send({ id: 0, ok: true, result: null });
