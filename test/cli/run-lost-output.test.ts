import { spawn, spawnSync } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect } from "vitest";
import { FAILURES } from "../../src/core/errors.js";
import { type CliProcess, type Lab, test } from "./cli-process.js";
import { expectNoneBesideNextHolder, RUN, STUBBORN, TTL_MS } from "./stubborn-command.js";

interface Output {
  readonly what: string;
  /** @returns a descriptor to write to */
  readonly open: (lab: Lab) => number;
}

/** Nobody reads what is written, or it cannot be written at all. */
const OUTPUTS: readonly Output[] = [
  { what: "a full disk", open: () => openSync("/dev/full", "w") },
  { what: "a pipe that is full, since its reader stands still", open: openFullPipe },
];

const HARMS: readonly { readonly what: string; readonly harm: (lab: Lab, run: CliProcess) => void }[] = [
  { what: "is killed", harm: (_lab, run) => run.kill("SIGKILL") },
  { what: "is stopped", harm: (_lab, run) => run.kill("SIGSTOP") },
  {
    what: "cannot refresh its lock",
    harm: (lab) => {
      spawn("flock", [`${lab.path}.lock`, "sleep", String((TTL_MS * 1.5) / 1_000)], { stdio: "ignore" });
    },
  },
];

describe.concurrent.each(OUTPUTS)("namehold run, with messages that go to $what", ({ open }) => {
  describe.concurrent.each(HARMS)("when it $what", ({ harm }) => {
    test("leaves no process of the command beside a new holder [G2, G4]", async ({ lab }) => {
      const stderr = open(lab);
      const run = lab.startInto(["pipe", stderr], ...RUN, "sh", "-c", STUBBORN);
      closeSync(stderr);
      await expectNoneBesideNextHolder(lab, run, () => harm(lab, run));
    });
  });
});

test("output that cannot be written is a failure [G11]", async ({ lab }) => {
  await lab.run("run", "arm", "--", "true");
  for (const args of [["list", "--json"], ["list"], ["resolve", "arm"], ["--help"]]) {
    const start = args.includes("--json") ? /^\{"error":\{"code":"storage-failed","message":"/ : /^namehold: /;
    const full = openSync("/dev/full", "w");
    const { status, stderr } = await lab.startInto([full, "pipe"], ...args).ended;
    closeSync(full);
    expect({ args, status, stderr }).toEqual({
      args,
      status: FAILURES["storage-failed"].exitStatus,
      stderr: expect.stringMatching(new RegExp(`${start.source}The output could not be written: .*ENOSPC`)),
    });
  }
});

const readers: number[] = [];

afterAll(() => {
  for (const fd of readers) closeSync(fd);
});

function openFullPipe(lab: Lab): number {
  const path = join(lab.directory, "messages");
  spawnSync("mkfifo", [path]);
  // Open for reading as well, so that there is a reader, who never reads.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(fd, "x".repeat(4_096));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
  }
  // Kept open until the tests are over: without a reader a write would fail at once, which is another case.
  readers.push(fd);
  return openSync(path, constants.O_WRONLY);
}
