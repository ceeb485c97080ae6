/**
 * A process that does what the coordinator asks of one subject: a peer's lock or a calibration. Each subject has its own
 * process, so that none pays for another's garbage or compiled code. It ends with its standard input.
 */
import { createInterface } from "node:readline";
import { CALIBRATIONS } from "../calibrations/index.ts";
import { peerById } from "../peers/index.ts";
import type { Grip, Locks } from "../peers/peer.ts";
import { chain } from "./chain.ts";
import { Crowd } from "./crowd.ts";
import { increment } from "./increment.ts";
import { holdNames, measure, type Run, type Undo } from "./measure.ts";
import { nowNs } from "./moment.ts";
import { type RunningProfile, startProfile } from "./profiler.ts";
import type { Args, CommandName, OpenArgs, Operation, Reply, Request, Result } from "./protocol.ts";
import { usage } from "./usage.ts";

interface Subject {
  readonly locks?: Locks;
  readonly run: Readonly<Record<Operation, Run | undefined>>;
  readonly undo?: Readonly<Partial<Record<Operation, Undo>>>;
  readonly fill?: (population: number) => void | Promise<void>;
  close(): void | Promise<void>;
}

type Handlers = { readonly [C in CommandName]: (args: Args<C>) => Promise<Result<C>> };

let opened: Subject | undefined;
const grips = new Map<string, Grip>();
let holding: readonly Grip[] = [];
let crowd: Crowd | undefined;
let profiler: RunningProfile | undefined;

const handlers: Handlers = {
  async open(args) {
    opened = await openSubject(args);
    return { versions: { node: process.versions.node } };
  },
  async fill({ population }) {
    await subject().fill?.(population);
    return null;
  },
  async measure(args) {
    const run = subject().run[args.operation];
    if (run === undefined) throw new Error(`This subject cannot ${args.operation}.`);
    return measure(run, args, subject().undo?.[args.operation]);
  },
  async acquire({ name, as }) {
    const grip = await locks().acquire(name);
    const grantedNs = nowNs();
    grips.set(as, grip);
    return { grantedNs };
  },
  async release({ as }) {
    const grip = grips.get(as);
    if (grip === undefined) throw new Error(`Nothing is held as ${as}.`);
    grips.delete(as);
    const sentNs = nowNs();
    await grip.release();
    return { sentNs };
  },
  async hold(args) {
    const startedAt = performance.now();
    holding = await holdNames(locks(), args);
    return { tookMs: performance.now() - startedAt };
  },
  async held() {
    return { held: holding.filter((grip) => grip.held).length };
  },
  usage: async () => usage(),
  increment: (args) => increment(locks(), args),
  chain: (args) => chain(locks(), args),
  async gather(args) {
    const { store } = locks();
    if (store === undefined) throw new Error("This subject has no store.");
    const startedAt = performance.now();
    crowd = new Crowd(store, args);
    await crowd.gather();
    return { tookMs: performance.now() - startedAt };
  },
  async beats({ forMs, pace }) {
    if (crowd === undefined) throw new Error("Nobody has been gathered.");
    return pace === "in time" ? crowd.beatInTime(forMs) : crowd.beatFlatOut(forMs);
  },
  async profile({ path }) {
    profiler = await startProfile(path);
    return null;
  },
  async close() {
    await profiler?.end();
    // To give up the names of a crowd takes longer than anything that is measured of it.
    if (crowd === undefined) await subject().close();
    return null;
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => void answer(JSON.parse(line) as Request))
  // Whatever a library still waits for must not keep a worker alive that nobody speaks to.
  .on("close", () => process.exit());

async function answer(request: Request): Promise<void> {
  reply(
    await handle(request).then(
      (result) => ({ id: request.id, result }),
      (error: unknown) => ({
        id: request.id,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
    ),
  );
}

function handle<C extends CommandName>({ command, args }: Request<C>): Promise<Result<C>> {
  return handlers[command](args);
}

function reply(message: Reply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function openSubject({ subject: id, ...options }: OpenArgs): Promise<Subject> {
  const calibration = CALIBRATIONS.find((one) => one.id === id);
  if (calibration !== undefined) {
    const bare = await calibration.start(options);
    const none = { claim: undefined, lookup: undefined, resolve: undefined };
    return { ...bare, run: { pair: (name) => bare.run(name), ...none } };
  }
  const connected = await peerById(id).connect?.(options);
  if (connected === undefined) throw new Error(`${id} has a worker of its own.`);
  return {
    locks: connected,
    run: {
      pair: async (name) => (await connected.acquire(name)).release(),
      claim: (name) => connected.acquire(name),
      lookup: connected.lookup,
      resolve: connected.resolve,
    },
    undo: { claim: (grip) => (grip as Grip).release() },
    ...(connected.fill === undefined ? {} : { fill: connected.fill }),
    close: () => connected.close(),
  };
}

function subject(): Subject {
  if (opened === undefined) throw new Error("Nothing is open yet.");
  return opened;
}

function locks(): Locks {
  const { locks: own } = subject();
  if (own === undefined) throw new Error("A calibration locks nothing.");
  return own;
}
