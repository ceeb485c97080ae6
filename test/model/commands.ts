import fc from "fast-check";
import { type ErrorCode, isNameholdError } from "../../src/core/errors.js";
import type { Fault, FaultyVerb } from "../../src/testing/faulty-store.js";
import { LONGEST_WAIT_MS, NAMES, PROCESS_COUNT, type World } from "./world.js";

/** What can be said of the processes before anything runs: which of them are stopped, and which have faults ahead. */
export interface Plan {
  readonly stopped: Set<number>;
  readonly faulty: Set<number>;
}

type Command = fc.AsyncCommand<Plan, World>;

interface Step {
  readonly title: string;
  /** Whether the step makes sense now. */
  readonly when?: (plan: Plan) => boolean;
  readonly run: (world: World, plan: Plan) => unknown;
}

/** Everything that processes, operators, clocks and networks do to each other. */
export const commands: fc.Arbitrary<Iterable<Command>> = fc.commands(
  [
    // What is named several times happens as often.
    ...[claims(), claims(), claims(), releases(), aborts()],
    ...[times(), times(), times(), times()],
    ...[stops(), stops(), delays(), arrivals(), slowBeats(), faults()],
    ...[kills(), revocations(), renames(), wallSteps()],
  ].map(asCommand),
  { maxCommands: 40, size: "max" },
);

/** The first process and the first name have the most to do, so that they meet often. */
function process(): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.nat({ max: PROCESS_COUNT - 1 }) },
  );
}

function name(): fc.Arbitrary<string> {
  return fc.oneof({ weight: 2, arbitrary: fc.constant(NAMES[0]) }, { weight: 1, arbitrary: fc.constantFrom(...NAMES) });
}

function claims(): fc.Arbitrary<Step> {
  const waitMs = fc.constantFrom(0, 0, 700, 20_000, LONGEST_WAIT_MS);
  return fc.tuple(process(), name(), waitMs).map(([index, of, wait]) => ({
    title: `process ${index} claims "${of}", waiting ${wait} ms`,
    when: ({ stopped }) => !stopped.has(index),
    run: async (world, { faulty }) => {
      const expected =
        wait === 0 && !faulty.has(index) ? await world.expectedAnswer(of, world.process(index)) : undefined;
      const asked = world.process(index).claim(of, wait);
      await world.clock.settle();
      if (expected !== undefined && asked.answer !== expected)
        throw new Error(`the claim is ${asked.answer}, not ${expected}`);
    },
  }));
}

function releases(): fc.Arbitrary<Step> {
  return fc.tuple(process(), fc.nat({ max: 5 })).map(([index, which]) => ({
    title: `process ${index} releases its claim ${which} from the end`,
    when: ({ stopped }) => !stopped.has(index),
    run: (world) => {
      const one = world.process(index);
      const given = one.given.at(-1 - which);
      if (given !== undefined) one.release(given.claim);
    },
  }));
}

function aborts(): fc.Arbitrary<Step> {
  return process().map((index) => ({
    title: `process ${index} gives up what it waits for`,
    when: ({ stopped }) => !stopped.has(index),
    run: (world) => {
      for (const { controller, answer } of world.process(index).asked) if (answer === undefined) controller.abort();
    },
  }));
}

function times(): fc.Arbitrary<Step> {
  return fc.constantFrom(1, 500, 1_001, 2_000, 5_000, 10_000, 10_000, 27_000, 30_000).map((ms) => ({
    title: `${ms} ms go by`,
    run: (world) => world.clock.advance(ms),
  }));
}

function stops(): fc.Arbitrary<Step> {
  return fc.tuple(process(), fc.boolean()).map(([index, isStop]) => ({
    title: `process ${index} ${isStop ? "is stopped" : "goes on"}`,
    when: ({ stopped }) => stopped.has(index) !== isStop,
    run: (world, { stopped }) => {
      if (isStop) {
        stopped.add(index);
        world.process(index).stop();
      } else {
        stopped.delete(index);
        world.process(index).goOn();
      }
    },
  }));
}

function kills(): fc.Arbitrary<Step> {
  return process().map((index) => ({
    title: `process ${index} is killed, and another started`,
    run: (world, { stopped, faulty }) => {
      stopped.delete(index);
      faulty.delete(index);
      world.kill(index);
    },
  }));
}

function revocations(): fc.Arbitrary<Step> {
  return fc.tuple(name(), fc.boolean()).map(([of, now]) => ({
    title: `"${of}" is revoked${now ? " at once" : ""}`,
    run: (world) => tolerating(world.operator.registry.revoke(of, { reason: "test", now }), "not-found"),
  }));
}

function renames(): fc.Arbitrary<Step> {
  return fc.tuple(name(), name(), fc.boolean()).map(([from, to, force]) => ({
    title: `"${from}" is renamed to "${to}"${force ? " by force" : ""}`,
    run: (world) =>
      tolerating(world.operator.registry.rename(from, to, { force }), "not-found", "already-exists", "held"),
  }));
}

function wallSteps(): fc.Arbitrary<Step> {
  return fc.constantFrom(-3_600_000, -60_000, 60_000, 3_600_000).map((ms) => ({
    title: `the wall clock steps by ${ms} ms`,
    run: (world) => world.clock.stepWall(ms),
  }));
}

function faults(): fc.Arbitrary<Step> {
  const verb = fc.constantFrom<FaultyVerb>("read", "commit", "heartbeat");
  const fault = fc.constantFrom<Fault>(
    { kind: "refuse", code: "unreachable" },
    { kind: "refuse", code: "busy" },
    { kind: "drop-request" },
    { kind: "drop-reply" },
  );
  return fc.tuple(process(), verb, fault).map(([index, of, what]) => ({
    title: `process ${index}'s next ${of} meets ${JSON.stringify(what)}`,
    run: (world, { faulty }) => {
      faulty.add(index);
      world.process(index).faults.failNext(of, what);
    },
  }));
}

/** A request or a reply that is under way while time goes by. */
function delays(): fc.Arbitrary<Step> {
  const verb = fc.constantFrom<FaultyVerb>("read", "commit", "heartbeat", "heartbeat");
  return fc.tuple(process(), verb, fc.constantFrom("before", "after")).map(([index, of, when]) => ({
    title: `process ${index}'s next ${of} hangs ${when} it is done`,
    run: (world, { faulty }) => {
      faulty.add(index);
      world.process(index).hang(when, of);
    },
  }));
}

function arrivals(): fc.Arbitrary<Step> {
  return process().map((index) => ({
    title: `what hangs of process ${index} goes on`,
    run: (world) => world.process(index).hangNoMore(),
  }));
}

/** A heartbeat that is under way for some seconds, there or back. */
function slowBeats(): fc.Arbitrary<Step> {
  return fc
    .tuple(process(), fc.constantFrom("before", "after"), fc.constantFrom(2_000, 5_000, 20_000))
    .map(([index, when, ms]) => ({
      title: `a heartbeat of process ${index} takes ${ms} ms ${when} it is done`,
      run: async (world, { faulty }) => {
        faulty.add(index);
        world.process(index).hang(when, "heartbeat");
        await world.clock.advance(10_000);
        await world.clock.advance(ms);
        world.process(index).hangNoMore();
      },
    }));
}

function asCommand(steps: fc.Arbitrary<Step>): fc.Arbitrary<Command> {
  return steps.map(({ title, when, run }) => ({
    check: (plan) => when?.(plan) ?? true,
    run: async (plan, world) => {
      await run(world, plan);
      await world.check();
    },
    toString: () => title,
  }));
}

async function tolerating(act: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  try {
    await act;
  } catch (error) {
    if (!isNameholdError(error, ...codes)) throw error;
  }
}
