import { expect, test } from "vitest";
import { type Clock, monotonicMs, wallMs } from "../../../src/core/timing.js";
import { SERVER_CLOCK, ServerClock } from "../../../src/stores/postgres/server-clock.js";

const HOUR_US = 3_600_000_000;

/** A clock that says what it is told to. */
class PlainClock implements Clock {
  #nowMs = 5_000_000;

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  monotonicMs() {
    return monotonicMs(this.#nowMs);
  }

  wallMs() {
    return wallMs(this.#nowMs);
  }

  setTimer(): never {
    throw new Error("there is nothing to wait for");
  }
}

/** A server whose clock is so far ahead of this machine's boot clock, asked over a network with round trips of 10 ms. */
class Server {
  readonly clock = new PlainClock();
  readonly seen = new ServerClock(this.clock);
  aheadUs = 1_000_000_000;

  get nowUs(): number {
    return this.clock.monotonicMs() * 1000 + this.aheadUs;
  }

  ask(tripMs = 10): void {
    const sentAt = this.clock.monotonicMs();
    this.clock.advance(tripMs / 2);
    const said = this.nowUs;
    this.clock.advance(tripMs / 2);
    this.seen.observe(said, sentAt, this.clock.monotonicMs());
  }
}

test("the server's time is known to within a round trip, and never said to be later than it is [G7]", () => {
  const server = new Server();
  for (const tripMs of [500, 10, 3_000]) server.ask(tripMs);
  server.clock.advance(60_000);
  expect(server.nowUs - server.seen.nowUs()).toBeGreaterThanOrEqual(0);
  expect(server.nowUs - server.seen.nowUs()).toBeLessThanOrEqual(10_000);
});

test("a moment counts when it was written while the clock is known to have been steady, and its writer expected it [G7]", () => {
  const server = new Server();
  const before = server.nowUs;
  server.ask();
  server.clock.advance(1_000);
  const since = server.nowUs;
  server.ask();
  expect(server.seen.clockOf(since, true)).toBe(SERVER_CLOCK);
  expect(server.seen.clockOf(since, false)).not.toBe(SERVER_CLOCK);
  expect(server.seen.clockOf(before - 1, true)).not.toBe(SERVER_CLOCK);
  expect(server.seen.clockOf(server.nowUs + HOUR_US, true)).not.toBe(SERVER_CLOCK);
});

test.each([HOUR_US, -HOUR_US, 1_000_000, -1_000_000, 100_000])(
  "a step of %i µs is seen: what was written before it does not count [G7]",
  (us) => {
    const server = new Server();
    server.ask();
    const before = server.nowUs;
    server.clock.advance(10_000);
    server.aheadUs += us;
    server.ask();
    expect(server.seen.clockOf(before, true)).not.toBe(SERVER_CLOCK);
    server.clock.advance(1_000);
    expect(server.seen.clockOf(server.nowUs, true)).toBe(SERVER_CLOCK);
    expect(Math.abs(server.nowUs - server.seen.nowUs())).toBeLessThanOrEqual(10_000);
  },
);

test("a clock that is slewed, as NTP does it, and slow answers are no step", () => {
  const server = new Server();
  server.ask();
  const since = server.nowUs;
  for (let i = 0; i < 1_000; i += 1) {
    server.clock.advance(10_000);
    server.aheadUs += 5_000;
    server.ask(i % 7 === 0 ? 2_000 : 10);
  }
  expect(server.seen.clockOf(since, true)).toBe(SERVER_CLOCK);
});

test("a note of a process of the same host counts when it is fresh and says the same [G6, G7]", () => {
  const server = new Server();
  const earlier = new ServerClock(server.clock);
  earlier.observe(server.nowUs, server.clock.monotonicMs(), server.clock.monotonicMs());
  server.clock.advance(5_000);
  const written = server.nowUs;
  const { note } = earlier;
  const checked = server.nowUs;
  server.clock.advance(2_000);
  server.ask();
  expect(server.seen.clockOf(written, true)).not.toBe(SERVER_CLOCK);
  if (note === null) throw new Error("it has seen the clock");
  server.seen.adopt({ ...note, low: note.low + HOUR_US, high: note.high + HOUR_US }, checked);
  server.seen.adopt(note, checked - HOUR_US);
  server.seen.adopt(note, checked + HOUR_US);
  expect(server.seen.clockOf(written, true)).not.toBe(SERVER_CLOCK);
  server.seen.adopt(note, checked);
  expect(server.seen.clockOf(written, true)).toBe(SERVER_CLOCK);
});

test("an answer to a question of long ago tells no more than it can", () => {
  const seen = new ServerClock(new PlainClock());
  seen.observe(1_000_000, monotonicMs(0), monotonicMs(60_000));
  expect(seen.note).toMatchObject({ low: 1_000_000 - 60_000_000, high: 1_000_000 });
});
