import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PastHold } from "../../../src/core/history.js";
import { wallMs } from "../../../src/core/timing.js";
import type { Registry } from "../../../src/index.js";
import {
  HISTORY_BYTES_MAX,
  historyFault,
  readHistory,
  recallHolds,
  recordHolds,
} from "../../../src/stores/json-file/history-file.js";
import { itAsRoot } from "../../platform/requirements.js";
import { LabFiles } from "./lab-files.js";
import { NodeProcess } from "./processes/node-process.js";

const NODE = { type: "node" } as const;
const LONG = { lockTtlMs: 60_000, heartbeatIntervalMs: 20_000 };

describe("the history file", () => {
  it("has one whole line for each hold that ended, and none for one that stands", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    await registry.claim("standing", NODE);
    const { token, id } = await holdOnce(registry, "robot");
    const lines = readFileSync(historyPath(lab), "utf8").split("\n");
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ name: "robot", id, token, ending: { how: "released" } });
  });

  it("is read and gone on with behind a torn line, and says so", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    const first = await holdOnce(registry, "robot");
    appendFileSync(historyPath(lab), '{"name":"robot","id":"01J');
    expect(await tokens(registry)).toEqual([first.token]);
    const second = await holdOnce(registry, "robot");
    expect(await tokens(registry)).toEqual([second.token, first.token]);
    expect(historyFault(lab.holders)).toBe(`${historyPath(lab)} has 1 line that is no ended hold`);
  });

  it.each(["null", "7", "[]", '{"name":"robot"}', "\u0000\u0000", '"a string"', `{"holder":null,"ending":{}}`])(
    "passes over a line %j",
    async (line) => {
      const lab = new LabFiles();
      const registry = await lab.open(LONG);
      const { token } = await holdOnce(registry, "robot");
      appendFileSync(historyPath(lab), `${line}\n`);
      expect(await tokens(registry)).toEqual([token]);
    },
  );

  it.each(["since", "lastHeartbeat", "until"])(
    "passes over a hold whose %s is no moment that can be told",
    (member) => {
      const { holders } = labWithHolders();
      const path = join(holders, "history.jsonl");
      for (const moment of [8.64e15 + 1, -8.64e15 - 1, 1e20]) {
        appendFileSync(path, `${JSON.stringify({ ...hold(1, ""), [member]: moment })}\n`);
      }
      expect(historyFault(holders)).toBe(`${path} has 3 lines that are no ended hold`);
      appendFileSync(path, `${JSON.stringify({ ...hold(2, ""), [member]: 8.64e15 })}\n`);
      expect(readHistory(holders, {}).map(({ token }) => token)).toEqual([2]);
    },
  );

  it("tells holds that ended in the same moment in the order of their records, however often holds are recalled", () => {
    const { holders } = labWithHolders();
    const until = wallMs(1_900_000_000_000);
    const both = [1, 2, 3, 4].map((token) => ({ ...hold(token, ""), until }));
    recordHolds(holders, () => both.slice(2));
    // As another store tells them: the last to end first.
    recallHolds(holders, both.slice(0, 2).toReversed());
    for (let token = 5; token < 8; token += 1) {
      expect(
        readHistory(holders, {})
          .slice(0, 4)
          .map((found) => found.token),
      ).toEqual([4, 3, 2, 1]);
      recallHolds(holders, [hold(token, "")]);
    }
  });

  it("may be deleted at any moment: what ends later is recorded", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    await holdOnce(registry, "robot");
    rmSync(historyPath(lab));
    expect(await tokens(registry)).toEqual([]);
    const { token } = await holdOnce(registry, "robot");
    expect(await tokens(registry)).toEqual([token]);
  });

  it("is of the mode of its directory, whatever the umask", async () => {
    const lab = new LabFiles();
    chmodSync(lab.directory, 0o775);
    const before = process.umask(0o077);
    try {
      await holdOnce(await lab.open(LONG), "robot");
    } finally {
      process.umask(before);
    }
    expect(statSync(historyPath(lab)).mode & 0o777).toBe(0o664);
  });

  itAsRoot("is written by several users in turn", async () => {
    const lab = new LabFiles();
    chmodSync(lab.directory, 0o777);
    const registry = await lab.open(LONG);
    const first = await holdOnce(registry, "robot");
    const nobody = await NodeProcess.start();
    await nobody.call("becomeNobody");
    await nobody.call("open", lab.path, LONG);
    const second = await nobody.call("claim", "robot");
    await nobody.call("release", "robot");
    expect(await tokens(registry)).toEqual([second.token, first.token]);
  });
});

describe("a history at its bound", () => {
  it("forgets the oldest holds, and never takes more than two files of 2 MiB [G12]", () => {
    const { holders } = labWithHolders();
    const text = "x".repeat(1_000);
    const holds = 3 * Math.ceil(HISTORY_BYTES_MAX / 1_200);
    for (let i = 0; i < holds; i += 10) {
      const ended = Array.from({ length: 10 }, (_, j) => hold(i + j, text));
      recordHolds(holders, () => ended);
    }
    const found = readHistory(holders, {});
    expect(found[0]?.token).toBe(holds + (10 - (holds % 10 || 10)) - 1);
    expect(found.map(({ token }) => token)).toEqual(found.map((_, i) => (found[0]?.token ?? 0) - i));
    const sizes = filesOf(holders).map((path) => statSync(path).size);
    for (const size of sizes) expect(size).toBeLessThanOrEqual(HISTORY_BYTES_MAX);
    expect(found.length).toBeGreaterThan(HISTORY_BYTES_MAX / 1_400);
  });

  it("keeps of one change that ends more than fits those that fit [G12]", () => {
    const { holders } = labWithHolders();
    recordHolds(holders, () => Array.from({ length: 6_000 }, (_, i) => hold(i, "x".repeat(1_000))));
    const found = readHistory(holders, {});
    expect(found[0]?.token).toBe(5_999);
    expect(found.length).toBeLessThan(6_000);
    expect(statSync(join(holders, "history.jsonl")).size).toBeLessThanOrEqual(HISTORY_BYTES_MAX);
  });

  it("takes the newest of another store's holds, whatever the order in which they come [G12]", () => {
    const { holders } = labWithHolders();
    const moved = Array.from({ length: 6_000 }, (_, i) => hold(i, "x".repeat(1_000))).toReversed();
    for (let i = 0; i < moved.length; i += 2_000) recallHolds(holders, moved.slice(i, i + 2_000));
    recallHolds(holders, moved.slice(0, 2_000));
    const found = readHistory(holders, {});
    expect(found.length).toBeGreaterThan(3_000);
    expect(found.map(({ token }) => token)).toEqual(found.map((_, i) => 5_999 - i));
    for (const path of filesOf(holders)) expect(statSync(path).size).toBeLessThanOrEqual(HISTORY_BYTES_MAX);
  });
});

const OBSTACLES: readonly (readonly [what: string, put: (path: string, lab: LabFiles) => void])[] = [
  ["a directory", (path) => mkdirSync(path)],
  ["a symbolic link to somebody else's file", (path, lab) => symlinkSync(victimOf(lab), path)],
  ["a FIFO that nobody reads", (path) => spawnSync("mkfifo", [path])],
];

describe.each(OBSTACLES)("%s in place of the history", (what, put) => {
  it("stops nobody, is not written to, and is told of", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    await registry.resolve("robot", NODE);
    writeFileSync(victimOf(lab), "untouched\n");
    put(historyPath(lab), lab);
    await holdOnce(registry, "robot");
    await registry.rename("robot", "robot 2");
    await (await holdFor(registry, "robot 2")).release();
    expect(readFileSync(victimOf(lab), "utf8")).toBe("untouched\n");
    expect(historyFault(lab.holders)).toBe(`${historyPath(lab)} is not a file`);
    if (what !== "a directory") return;
    await expect(registry.history()).rejects.toMatchObject({
      code: "storage-failed",
      message: expect.stringContaining("The history cannot be read."),
    });
  });
});

describe("a history of a whole registry", () => {
  it("has no fault, and is made by nobody who only reads", async () => {
    const lab = new LabFiles();
    const registry = await lab.open(LONG);
    expect(await registry.history()).toEqual([]);
    expect(existsSync(lab.directory) && !existsSync(lab.holders)).toBe(true);
    await holdOnce(registry, "robot");
    expect(historyFault(lab.holders)).toBeNull();
  });
});

function historyPath({ holders }: LabFiles): string {
  return join(holders, "history.jsonl");
}

function victimOf({ directory }: LabFiles): string {
  return join(directory, "victim");
}

function filesOf(holders: string): readonly string[] {
  return ["history.jsonl", "history.1.jsonl"].map((name) => join(holders, name));
}

function labWithHolders(): LabFiles {
  const lab = new LabFiles();
  mkdirSync(lab.holders);
  return lab;
}

async function holdFor(registry: Registry, name: string) {
  return registry.claim(name, NODE);
}

async function holdOnce(registry: Registry, name: string): Promise<{ readonly id: string; readonly token: number }> {
  const claim = await holdFor(registry, name);
  await claim.release();
  return claim;
}

async function tokens(registry: Registry): Promise<readonly (number | null)[]> {
  return (await registry.history()).filter(({ kind }) => kind === "ended").map(({ token }) => token);
}

function hold(token: number, detail: string): PastHold {
  const at = wallMs(1_800_000_000_000 + token);
  return {
    name: `robot ${token % 5}`,
    id: "01JQ0000000000000000000000",
    holder: { instance: "one", pid: 1, host: "lab" },
    token,
    since: at,
    lastHeartbeat: at,
    until: at,
    ending: { how: "revoked", detail },
    observed: false,
  };
}
