import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { bootId, systemClock } from "../../src/platform/clock.js";
import { Puppet, type PuppetOptions } from "./puppet-process.ts";
import { itAsRoot, itOnLinux, itWithFaketime } from "./requirements.ts";

const HOUR_MS = 3_600_000;

/** How another process's clocks stand off ours. */
async function offsets(options: PuppetOptions): Promise<{ wallMs: number; monotonicMs: number }> {
  const theirs = await new Puppet(options).call("clocks");
  return { wallMs: theirs.wallMs - systemClock.wallMs(), monotonicMs: theirs.monotonicMs - systemClock.monotonicMs() };
}

describe("the monotonic clock", () => {
  itOnLinux("is the kernel's time since boot, suspended time included [G4]", () => {
    const uptimeMs = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1_000;
    expect(Math.abs(systemClock.monotonicMs() - uptimeMs)).toBeLessThan(1_000);
  });

  it("is one scale for all processes of one boot [G4]", async () => {
    const before = systemClock.monotonicMs();
    const { monotonicMs: theirs } = await new Puppet().call("clocks");
    expect(before).toBeLessThan(theirs);
    expect(theirs).toBeLessThan(systemClock.monotonicMs());
  });

  it("never goes back, and tells less than a millisecond [G4]", () => {
    const readings = Array.from({ length: 1_000 }, () => systemClock.monotonicMs());
    expect(readings).toEqual(readings.toSorted((a, b) => a - b));
    expect(new Set(readings).size).toBeGreaterThan(500);
  });

  itWithFaketime.each(["+1h", "-1h", "+1h x10"])("is not moved by a wall clock at %s [G4, G7]", async (fake) => {
    const moved = await offsets({ inside: ["faketime", "-f", fake], env: { FAKETIME_DONT_FAKE_MONOTONIC: "1" } });
    expect(Math.abs(moved.wallMs)).toBeGreaterThan(HOUR_MS / 2);
    expect(Math.abs(moved.monotonicMs)).toBeLessThan(10_000);
  });

  itWithFaketime("is not moved by libfaketime when that fakes monotonic clocks too [G4]", async () => {
    const moved = await offsets({ inside: ["faketime", "-f", "+1h"] });
    expect(Math.abs(moved.wallMs)).toBeGreaterThan(HOUR_MS / 2);
    expect(Math.abs(moved.monotonicMs)).toBeLessThan(10_000);
  });

  itAsRoot("is the clock that counts suspended time, and not its neighbour that does not [G4]", async () => {
    const inside = ["unshare", "--time", "--boottime", "1000000", "--fork", "--kill-child"];
    expect(Math.abs((await offsets({ inside })).monotonicMs - 1_000_000_000)).toBeLessThan(10_000);
  });
});

describe("the boot id", () => {
  itOnLinux("is the kernel's", () => {
    expect(bootId()).toBe(readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
  });
});

describe("a timer", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("fires once, after its delay", () => {
    const callback = vi.fn<() => void>();
    systemClock.setTimer(1_000, callback);
    vi.advanceTimersByTime(999);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(10_000);
    expect(callback).toHaveBeenCalledOnce();
  });

  it("of two months fires after two months, and not at once", () => {
    const callback = vi.fn<() => void>();
    const delayMs = 60 * 24 * HOUR_MS;
    systemClock.setTimer(delayMs, callback);
    vi.advanceTimersByTime(delayMs - 1);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledOnce();
  });

  it("that was cancelled, in its first stretch or a later one, does not fire", () => {
    const callback = vi.fn<() => void>();
    const first = systemClock.setTimer(1_000, callback);
    const later = systemClock.setTimer(2 ** 32, callback);
    first.cancel();
    first.cancel();
    vi.advanceTimersByTime(2 ** 31);
    later.cancel();
    vi.advanceTimersByTime(2 ** 32);
    expect(callback).not.toHaveBeenCalled();
  });

  it.each([
    [true, 0],
    [false, 7],
  ])("in the background (%s) decides whether a process waits for it", (background, status) => {
    const hook = new URL("fixtures/resolve-ts.mjs", import.meta.url).href;
    const clock = new URL("../../src/platform/clock.ts", import.meta.url).href;
    const program = `import { systemClock } from ${JSON.stringify(clock)};
      systemClock.setTimer(50, () => process.exit(7), { background: ${background} });`;
    const args = ["--import", hook, "--input-type=module", "--eval", program];
    expect(spawnSync(process.execPath, args).status).toBe(status);
  });
});
