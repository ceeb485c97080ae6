import fc from "fast-check";
import { expect, test } from "vitest";
import { stopTimes, tickMs } from "../../src/cli/run/stop-times.js";
import { later, monotonicMs } from "../../src/core/timing.js";
import { holdTiming } from "../../src/registry/hold-timing.js";

test("SIGTERM comes before SIGKILL, and SIGKILL with a tick to spare before anybody can take over [G4]", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1_000, max: 86_400_000 }), (ttlMs) => {
      const sentAt = monotonicMs(1_000_000);
      const deadline = later(sentAt, holdTiming(ttlMs, Math.floor(ttlMs / 3)).holdMs);
      const { termAt, killAt } = stopTimes(deadline, ttlMs);
      expect(termAt).toBeLessThan(killAt);
      expect(killAt + tickMs(ttlMs)).toBeLessThanOrEqual(sentAt + ttlMs);
      // Two heartbeats may fail before the command is told.
      expect(termAt).toBeGreaterThan(sentAt + (ttlMs * 2) / 3);
    }),
  );
});
