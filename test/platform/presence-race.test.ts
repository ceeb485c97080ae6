import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import { monotonicMs } from "../../src/core/timing.js";
import { sweepTemporaries } from "../../src/platform/atomic-file.js";
import type * as flock from "../../src/platform/flock.js";
import { Presence } from "../../src/platform/presence.js";
import { probePresence, sweepPresences } from "../../src/platform/presence-probe.js";
import { temporaryDirectory } from "./temporary-directory.ts";

const INSTANCE = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const NOW = monotonicMs(1_000);

/** What another process does between a file's opening and its locking, once. */
const race = vi.hoisted(() => ({ beforeLocking: (): void => {} }));

vi.mock("../../src/platform/flock.js", async (importOriginal) => {
  const original = await importOriginal<typeof flock>();
  const tryFlock: typeof original.tryFlock = (fd, mode) => {
    const act = race.beforeLocking;
    race.beforeLocking = () => {};
    act();
    return original.tryFlock(fd, mode);
  };
  return { ...original, tryFlock };
});

afterEach(() => {
  race.beforeLocking = () => {};
});

function holdersDirectory(): string {
  return join(temporaryDirectory(), "registry.json.holders");
}

function create(directory: string): Presence {
  const presence = Presence.create(
    directory,
    { instance: INSTANCE, pid: 1, host: "lab", ttlMs: 30_000 },
    { nowMs: NOW },
  );
  onTestFinished(() => presence.close());
  return presence;
}

it("a process that comes back between the look at its old file and the locking is not dead [G7]", () => {
  const directory = holdersDirectory();
  create(directory).close();
  race.beforeLocking = () => void create(directory);
  expect(probePresence(directory, INSTANCE, NOW).kind).toBe("alive");
});

it("a presence that is removed between the look and the locking is none, not dead [G7]", () => {
  const directory = holdersDirectory();
  const presence = create(directory);
  race.beforeLocking = () => presence.remove();
  expect(probePresence(directory, INSTANCE, NOW).kind).toBe("none");
});

it("a sweep does not delete the file of a process that came back just then [G7]", () => {
  const directory = holdersDirectory();
  create(directory).close();
  race.beforeLocking = () => void create(directory);
  expect(sweepPresences(directory, () => false, 10)).toBe(0);
  expect(probePresence(directory, INSTANCE, NOW).kind).toBe("alive");
});

it("a presence whose temporary file a sweep took for a leftover is made all the same [G6]", () => {
  const directory = holdersDirectory();
  race.beforeLocking = () => {
    expect(sweepTemporaries(directory, -1_000)).toBe(1);
  };
  expect(create(directory).isInPlace()).toBe(true);
  expect(readdirSync(directory)).toEqual([INSTANCE]);
});

it("of two that replace one dead file at once the second is refused [G2]", () => {
  const directory = holdersDirectory();
  create(directory).close();
  race.beforeLocking = () => {
    race.beforeLocking = () => void create(directory);
  };
  expect(() => create(directory)).toThrow(expect.objectContaining({ code: "held" }));
});

it("a file that is moved away at every look is doubted, not waited for [G12]", () => {
  const directory = holdersDirectory();
  create(directory).close();
  const path = join(directory, INSTANCE);
  let moves = 0;
  const moveAway = () => {
    moves += 1;
    renameSync(path, `${path}.${moves}`);
    create(directory).close();
    race.beforeLocking = moveAway;
  };
  race.beforeLocking = moveAway;
  expect(probePresence(directory, INSTANCE, NOW).kind).toBe("doubt");
});
