import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { monotonicMs } from "../../src/core/timing.js";
import { Presence } from "../../src/platform/presence.js";
import { probePresence } from "../../src/platform/presence-probe.js";
import { temporaryDirectory } from "./temporary-directory.ts";

vi.mock("../../src/platform/file-system.js", () => ({ isLocalFileSystem: () => false, fileSystemKind: () => "nfs" }));

it("a free lock on a file system that other machines share is no proof, but its beat has an age [G7]", () => {
  const directory = join(temporaryDirectory(), "registry.json.holders");
  const holder = { instance: "robot-1", pid: 1, host: "lab", ttlMs: 30_000 };
  const presence = Presence.create(directory, holder, { nowMs: monotonicMs(1_000) });
  onTestFinished(() => presence.close());
  const probe = () => probePresence(directory, "robot-1", monotonicMs(3_000));
  expect(probe()).toMatchObject({ kind: "alive", beatAgeMs: 2_000 });
  presence.close();
  expect(probe()).toMatchObject({
    kind: "doubt",
    beatAgeMs: 2_000,
    ttlMs: 30_000,
    why: expect.stringContaining("nfs"),
  });
});
