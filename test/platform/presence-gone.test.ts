import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { monotonicMs } from "../../src/core/timing.js";
import { Presence } from "../../src/platform/presence.js";
import { probePresence } from "../../src/platform/presence-probe.js";
import { isSameFile } from "../../src/platform/same-file.js";
import { temporaryDirectory } from "./temporary-directory.ts";

vi.mock(import("../../src/platform/same-file.js"), async (original) => {
  const real = await original();
  return { isSameFile: vi.fn(real.isSameFile) };
});

it("an owner that ends in order while it is looked at makes no look fail [G6]", () => {
  const directory = join(temporaryDirectory(), "registry.json.holders");
  const holder = { instance: "robot-1", pid: 1, host: "lab", ttlMs: 30_000 };
  const presence = Presence.create(directory, holder, { nowMs: monotonicMs(1_000) });
  onTestFinished(() => presence.close());
  vi.mocked(isSameFile).mockImplementationOnce((_fd, path) => {
    unlinkSync(path);
    return true;
  });
  expect(probePresence(directory, "robot-1", monotonicMs(3_000))).toMatchObject({ kind: "alive" });
  expect(probePresence(directory, "robot-1", monotonicMs(3_000))).toMatchObject({ kind: "none" });
});
