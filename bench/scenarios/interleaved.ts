/** Rows that are measured side by side, in rounds. */
import { CALIBRATIONS } from "../calibrations/index.ts";
import type { Bench } from "../harness/bench.ts";
import type { Operation } from "../harness/protocol.ts";
import { firstLine, NotMeasured, type Outcome, type Row } from "../harness/row.ts";
import { median, ratioOfRounds, summarise } from "../harness/statistics.ts";
import type { WorkerProcess } from "../harness/worker-process.ts";
import { peerById } from "../peers/index.ts";

/** One row to be: a subject with so many names. */
export interface Cell {
  readonly id: string;
  readonly subject: string;
  readonly title: string;
  readonly population: number;
  readonly operation: Operation;
  readonly concurrency: number;
  readonly floor: string | undefined;
}

interface Live {
  readonly cell: Cell;
  readonly worker: WorkerProcess;
  readonly rounds: (readonly number[])[];
  readonly ratesPerSecond: number[];
}

/** In rounds, A B C A B C …: what slows the machine for a while slows all. */
export async function measureCells(bench: Bench, cells: readonly Cell[]): Promise<readonly Row[]> {
  const outcomes = new Map<string, Outcome>();
  const live: Live[] = [];
  for (const cell of cells) {
    try {
      live.push({ cell, worker: await prepare(bench, cell), rounds: [], ratesPerSecond: [] });
    } catch (error) {
      outcomes.set(cell.id, { kind: error instanceof NotMeasured ? "not-measured" : "failed", why: firstLine(error) });
    }
  }
  const { rounds, roundMs, warmUpMs } = bench.settings;
  for (let round = -1; round < rounds; round += 1) {
    for (const one of live) {
      if (outcomes.has(one.cell.id)) continue;
      const { operation, population, concurrency } = one.cell;
      const forMs = round < 0 ? warmUpMs : roundMs;
      try {
        const measured = await one.worker.ask("measure", { operation, forMs, population, concurrency });
        if (round < 0) continue;
        one.rounds.push(measured.samplesUs);
        one.ratesPerSecond.push((measured.operations / measured.elapsedMs) * 1_000);
      } catch (error) {
        outcomes.set(one.cell.id, { kind: "failed", why: firstLine(error) });
      }
    }
  }
  await bench.endWorkers();
  const whole = live.filter(({ cell }) => !outcomes.has(cell.id));
  for (const one of whole) outcomes.set(one.cell.id, outcomeOf(one, whole));
  return cells.map(({ id, title }) => ({
    id,
    title,
    outcome: outcomes.get(id) ?? { kind: "failed", why: "no outcome" },
  }));
}

async function prepare(bench: Bench, cell: Cell): Promise<WorkerProcess> {
  const { subject, population } = cell;
  if (population > bench.settings.populationMax) throw new NotMeasured(`--quick leaves ${population} names out`);
  const calibration = CALIBRATIONS.find((one) => one.id === subject);
  if (calibration !== undefined) {
    const worker = await bench.start(subject, { location: await bench.place(calibration) });
    await worker.ask("fill", { population });
    return worker;
  }
  const peer = peerById(subject);
  await bench.prove(peer);
  return bench.open(peer, await bench.populated(peer, population));
}

function outcomeOf(one: Live, all: readonly Live[]): Outcome {
  const { cell, rounds, ratesPerSecond } = one;
  const { median: middle, p99, roundMedians } = summarise(rounds);
  const floor = all.find((other) => other.cell.id === cell.floor);
  const timesFloor =
    floor === undefined
      ? {}
      : { timesFloor: ratioOfRounds(roundMedians, summarise(floor.rounds).roundMedians), floor: floor.cell.title };
  return {
    kind: "measured",
    roundMedians,
    values: {
      names: cell.population,
      median: middle,
      p99,
      perSecond: median(ratesPerSecond),
      ...timesFloor,
      includes: includes(cell.subject),
    },
  };
}

function includes(subject: string): string {
  const calibration = CALIBRATIONS.find((one) => one.id === subject);
  if (calibration !== undefined) return calibration.what;
  const { durability, history, presence, token } = peerById(subject).includes;
  const more = [history ? "history" : "", presence ? "presence" : "", token ? "token" : ""].filter(
    (text) => text !== "",
  );
  return [...more, durability].join(", ");
}
