import { join } from "node:path";
import type { Check, FixableFinding } from "../../../core/finding.js";
import { shellWord } from "../../../core/shell-word.js";
import { type Clock, later } from "../../../core/timing.js";
import { type LockProbe, probeLock } from "../../../platform/lock-probe.js";
import { describeProcess, lockHolders, type ProcessView } from "../../../platform/process-view.js";
import type { Examination } from "./examination.js";

/** Whether everybody can lock, and whether somebody keeps everybody out. */
export const lockFileCheck: Check<Examination> = {
  check: "lock-file",
  title: "Lock file",
  examine: async ({ lockPaths, files, clock }) => {
    const states = await Promise.all(lockPaths.map((path) => watchLock(path, clock)));
    const gate = await watchLock(join(files.holdersDirectory, "gate"), clock);
    return {
      // There are two where the registry is a symbolic link.
      looked: states.map((it) => (states.length > 1 ? `${it.path}: ` : "") + describeState(it)).join("; "),
      findings: [...states.flatMap(findInLock), ...findInGate(gate)],
    };
  },
};

/** What a lock file was while it was watched: `held` only when it was never free. */
interface LockState {
  readonly path: string;
  readonly probe: LockProbe;
  /** Who has it; empty where that cannot be seen. */
  readonly holders: readonly ProcessView[];
}

/** A turn takes some milliseconds, and Python's with many names some hundred. */
const PATIENCE_MS = 1_000;
const RETRY_MS = 25;

async function watchLock(path: string, clock: Clock): Promise<LockState> {
  const deadline = later(clock.monotonicMs(), PATIENCE_MS);
  for (;;) {
    const probe = probeLock(path);
    const holders = probe.kind === "held" ? lockHolders(path) : [];
    const isStuck = holders.some(({ isStopped }) => isStopped) || clock.monotonicMs() >= deadline;
    if (probe.kind !== "held" || isStuck) return { path, probe, holders };
    await new Promise<void>((resolve) => clock.setTimer(RETRY_MS, resolve));
  }
}

function describeState({ probe }: LockState): string {
  switch (probe.kind) {
    case "absent":
      return "none yet";
    case "free":
      return "free";
    case "held":
      return "held";
    case "unusable":
      return "cannot be used";
    default:
      return probe satisfies never;
  }
}

function findInLock(state: LockState): readonly FixableFinding[] {
  if (state.probe.kind === "held") return [held(state)];
  return state.probe.kind === "unusable" ? [UNUSABLE[state.probe.why](state.path)] : [];
}

function held({ path, holders }: LockState): FixableFinding {
  const stopped = holders.filter(({ isStopped }) => isStopped);
  if (stopped.length > 0) {
    const pids = stopped.map(({ pid }) => pid).join(" ");
    return {
      code: "lock-file.held-by-stopped",
      severity: "problem",
      what: `The file lock ${path} is held by ${stopped.map(describeProcess).join(", ")}, which is stopped.`,
      means:
        "Nobody can use the registry ('busy', exit status 81) until it goes on or ends. Holders lose their names after their TTL.",
      remedy: `Let it go on: kill -CONT ${pids}. Or end it: kill -KILL ${pids}`,
    };
  }
  return {
    code: "lock-file.held",
    severity: "problem",
    what: `The file lock ${path} was held for the whole second of the look, by ${holders.length === 0 ? "a process that this user cannot see" : holders.map(describeProcess).join(", ")}.`,
    means:
      "Nobody can use the registry ('busy', exit status 81) while it lasts. Python gives up after 5 s; holders lose their names after their TTL.",
    remedy:
      holders.length === 0
        ? `Find the process, on this machine and in its containers: sudo fuser -v ${shellWord(path)}`
        : `If it does not end by itself, end it: kill ${holders.map(({ pid }) => pid).join(" ")}`,
  };
}

type Unusable = Extract<LockProbe, { kind: "unusable" }>["why"];

const UNUSABLE: Readonly<Record<Unusable, (path: string) => FixableFinding>> = {
  link: (path) => ({
    code: "lock-file.link",
    severity: "problem",
    what: `The lock file ${path} is a symbolic link.`,
    means:
      "namehold refuses it, since whoever made it could have it lock another file; processes that follow it may not exclude the others.",
    remedy: `Remove the link: rm ${shellWord(path)}`,
  }),
  "not-a-file": (path) => ({
    code: "lock-file.not-a-file",
    severity: "problem",
    what: `${path} is not a regular file.`,
    means: "Nobody can lock the registry: every claim and every heartbeat fails.",
    remedy: `See what it is, and move it away: ls -ld ${shellWord(path)}; mv ${shellWord(path)} ${shellWord(`${path}.moved`)}`,
  }),
  forbidden: (path) => ({
    code: "lock-file.forbidden",
    severity: "warning",
    what: `This user may not open the lock file ${path}.`,
    means: "No process of this user can claim a name or keep one.",
    remedy: `Let the lab's users open it: sudo chmod a+rw ${shellWord(path)}`,
  }),
  replaced: (path) => ({
    code: "lock-file.replaced",
    severity: "note",
    what: `The lock file ${path} was deleted and made anew again and again while it was looked at.`,
    means:
      "Python processes with a filelock version that deletes it are at work. namehold looks after every locking; it costs some time.",
    remedy: "None is needed. Where they can be updated: pip install 'filelock>=3.29.5'",
  }),
};

function findInGate({ path, probe, holders }: LockState): readonly FixableFinding[] {
  const stopped = holders.filter(({ isStopped }) => isStopped);
  if (probe.kind !== "held" || stopped.length === 0) return [];
  return [
    {
      code: "lock-file.gate-held",
      severity: "warning",
      what: `The gate ${path} is held by ${stopped.map(describeProcess).join(", ")}, which is stopped.`,
      means: "Every change of every other process takes 250 ms longer.",
      remedy: `Let it go on: kill -CONT ${stopped.map(({ pid }) => pid).join(" ")}`,
    },
  ];
}
