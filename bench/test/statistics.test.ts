import { expect, test } from "vitest";
import { mean, median, quantile, ratioOfRounds, summarise } from "../harness/statistics.ts";

test("a median is the middle sample, or lies between the two in the middle", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 7])).toBe(6);
});

test("p99 is a sample that 99 of 100 do not exceed, and the worst one of few", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(quantile(hundred, 0.99)).toBe(99);
  expect(quantile([3, 1, 2], 0.99)).toBe(3);
});

test("nothing measured is an error and not zero", () => {
  expect(() => median([])).toThrow(RangeError);
  expect(() => mean([])).toThrow(RangeError);
  expect(() => summarise([[], []])).toThrow(RangeError);
});

test("a summary is of all samples, and keeps the median of each round", () => {
  const rounds = [
    [1, 2, 3],
    [10, 20, 30],
  ];
  expect(summarise(rounds)).toMatchObject({ count: 6, min: 1, median: 6.5, max: 30, roundMedians: [2, 20] });
});

test("a ratio is taken round by round, so that a slow minute of the machine changes nothing", () => {
  expect(ratioOfRounds([2, 200, 2], [1, 100, 1])).toBe(2);
  expect(() => ratioOfRounds([1, 2], [1])).toThrow(RangeError);
});
