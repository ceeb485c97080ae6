/** What a row's samples say. All in the unit of the samples. */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly median: number;
  readonly mean: number;
  readonly p99: number;
  readonly max: number;
  /** The median of each round, in the order of the rounds: what ratios are made of. */
  readonly roundMedians: readonly number[];
}

/** @throws RangeError when there is no sample: nothing measured is not zero */
export function summarise(rounds: readonly (readonly number[])[]): Summary {
  const sorted = sortedNumbers(rounds.flat());
  return {
    count: sorted.length,
    min: atRank(sorted, 0),
    median: quantileOf(sorted, 0.5),
    mean: mean(sorted),
    p99: quantileOf(sorted, 0.99),
    max: atRank(sorted, sorted.length - 1),
    roundMedians: rounds.filter((round) => round.length > 0).map((round) => median(round)),
  };
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** The smallest sample that at least the part `q` of all samples does not exceed; between two for a median of an even count. */
export function quantile(samples: readonly number[], q: number): number {
  return quantileOf(sortedNumbers(samples), q);
}

export function mean(samples: readonly number[]): number {
  if (samples.length === 0) throw new RangeError("There is no sample.");
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}

/**
 * How many times `row` is as large as `base`: the median of the ratios of rounds that were measured side by side, so that
 * what slowed the machine down for a while slows both.
 *
 * @throws RangeError when the two were not measured in the same number of rounds
 */
export function ratioOfRounds(row: readonly number[], base: readonly number[]): number {
  if (row.length !== base.length) {
    throw new RangeError(`Rounds do not pair: ${row.length} on one side, ${base.length} on the other.`);
  }
  return median(row.map((value, index) => value / (base[index] ?? Number.NaN)));
}

function quantileOf(sorted: readonly number[], q: number): number {
  const isEvenMedian = q === 0.5 && sorted.length % 2 === 0 && sorted.length > 0;
  if (isEvenMedian) return (atRank(sorted, sorted.length / 2 - 1) + atRank(sorted, sorted.length / 2)) / 2;
  return atRank(sorted, Math.max(0, Math.ceil(sorted.length * q) - 1));
}

function atRank(sorted: readonly number[], rank: number): number {
  const value = sorted[rank];
  if (value === undefined) throw new RangeError("There is no sample.");
  return value;
}

function sortedNumbers(samples: readonly number[]): number[] {
  return [...samples].sort((a, b) => a - b);
}
