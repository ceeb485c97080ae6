import { expect } from "vitest";
import type { CliProcess, Lab } from "./cli-process.js";

/** Ignores SIGTERM, and leaves a process in a session of its own behind. */
export const STUBBORN = "trap '' TERM; setsid sleep 60 & echo far=$!; echo near=$$; while :; do sleep 0.05; done";
export const TTL_MS = 3_000;
export const RUN = ["run", "arm", "--ttl", `${TTL_MS}ms`, "--"];

/** The pids of a stubborn command, once it runs. */
export async function commandPids(run: CliProcess): Promise<readonly number[]> {
  return [await run.printedPid("far"), await run.printedPid("near")];
}

/** The next holder itself, on its first instruction, looks whether any process of the command is left. */
export async function expectNoneBesideNextHolder(lab: Lab, run: CliProcess, harm: () => void): Promise<void> {
  const pids = await commandPids(run);
  const look = `for pid in ${pids.join(" ")}; do grep -qs '^State:.[^Z]' /proc/$pid/status && echo left=$pid; done; echo held`;
  const next = lab.start("run", "arm", "--wait", "12s", "--", "sh", "-c", look);
  await next.message(/Waiting/);
  harm();
  expect(await next.ended).toMatchObject({ status: 0, stdout: "held\n" });
}
