import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { PastHold } from "../../../src/core/history.js";
import { wallMs } from "../../../src/core/timing.js";
import type * as atomicFile from "../../../src/platform/atomic-file.js";
import {
  HISTORY_BYTES_MAX,
  readHistory,
  recallHolds,
  recordHolds,
} from "../../../src/stores/json-file/history-file.js";
import { temporaryDirectory } from "./lab-files.js";

/** What happens before one of the files is read, and before it is replaced: once each. */
const step = vi.hoisted(() => ({
  beforeReading: new Map<string, () => void>(),
  beforeReplacing: new Map<string, () => void>(),
}));

vi.mock("../../../src/platform/atomic-file.js", async (importOriginal) => {
  const original = await importOriginal<typeof atomicFile>();
  const act = (steps: Map<string, () => void>, path: string): void => {
    const name = path.slice(path.lastIndexOf("history"));
    const action = steps.get(name);
    steps.delete(name);
    action?.();
  };
  const readFileOrAbsent: typeof original.readFileOrAbsent = (path) => {
    act(step.beforeReading, path);
    return original.readFileOrAbsent(path);
  };
  const replaceFile: typeof original.replaceFile = (path, ...rest) => {
    act(step.beforeReplacing, path);
    original.replaceFile(path, ...rest);
  };
  return { ...original, readFileOrAbsent, replaceFile };
});

afterEach(() => {
  step.beforeReading.clear();
  step.beforeReplacing.clear();
});

const FILES = ["history.jsonl", "history.1.jsonl"];
/** So many make one file full, and half of another. */
const HOLDS = Math.ceil((1.5 * HISTORY_BYTES_MAX) / 1_200);

describe("a history of two files", () => {
  it.each(FILES)("is told whole when the one becomes the other just before %s is read", (file) => {
    const holders = temporaryDirectory();
    record(holders, 0, HOLDS);
    const current = tokensIn(join(holders, "history.jsonl"));
    step.beforeReading.set(file, () => record(holders, HOLDS, HOLDS / 2));
    const told = tokensOf(holders);
    expect(step.beforeReading.size).toBe(0);
    expect(current.length).toBeGreaterThan(HOLDS / 4);
    expect(current.filter((token) => !told.includes(token))).toEqual([]);
    expect(new Set(told).size).toBe(told.length);
  });

  it.each(FILES)("loses nothing to a recall of which the writing of %s fails", (file) => {
    const holders = temporaryDirectory();
    record(holders, 0, HOLDS);
    const before = tokensOf(holders);
    step.beforeReplacing.set(file, () => {
      throw new Error("the disk is full");
    });
    recallHolds(holders, [hold(HOLDS + 1)]);
    expect(step.beforeReplacing.size).toBe(0);
    expect(tokensOf(holders)).toEqual(before);
    recallHolds(holders, [hold(HOLDS + 1)]);
    expect(tokensOf(holders)).toEqual([HOLDS + 1, ...before]);
  });
});

function record(holders: string, from: number, count: number): void {
  for (let i = 0; i < count; i += 20) {
    recordHolds(holders, () => Array.from({ length: Math.min(20, count - i) }, (_, j) => hold(from + i + j)));
  }
}

function tokensOf(holders: string): readonly (number | null)[] {
  return readHistory(holders, {}).map(({ token }) => token);
}

function tokensIn(path: string): readonly number[] {
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => (JSON.parse(line) as { readonly token: number }).token);
}

function hold(token: number): PastHold {
  const at = wallMs(1_800_000_000_000 + token);
  return {
    name: "robot",
    id: "01JQ0000000000000000000000",
    holder: { instance: "one", pid: 1, host: "lab" },
    token,
    since: at,
    lastHeartbeat: at,
    until: at,
    ending: { how: "revoked", detail: "x".repeat(1_000) },
    observed: false,
  };
}
