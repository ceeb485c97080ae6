import { basename } from "node:path";
import type { RegistryLock } from "../../../core/entry.js";
import type { Check, FixableFinding } from "../../../core/finding.js";
import { RECOVERY_INSTANCE } from "../../../core/lock-rules.js";
import { quoteName } from "../../../core/name.js";
import { shellWord } from "../../../core/shell-word.js";
import { describeProcess, isOwnPidNamespace, type ProcessView, viewProcess } from "../../../platform/process-view.js";
import { readableLock } from "../readable-lock.js";
import { durationText } from "./clock-check.js";
import { type Examination, soundDocument } from "./examination.js";
import type { HolderFile } from "./holder-files.js";

/** Who holds names, and whether they still do anything. */
export const holdersCheck: Check<Examination> = {
  check: "holders",
  title: "Holders",
  examine: (examination) => {
    const { holders } = examination;
    if (holders.kind === "failed") throw holders.error;
    const allLocks = locksOf(examination);
    const locks = allLocks.filter(({ lock }) => !isNobodys(lock));
    const alive = holders.it.filter(({ kind }) => kind === "alive").length;
    return {
      looked: `${locks.length} name${locks.length === 1 ? "" : "s"} locked; ${alive} live namehold process${alive === 1 ? "" : "es"}`,
      findings: [
        ...holders.it.flatMap((holder) => findInHolder(holder, namesHeldBy(holder, locks), examination.option)),
        ...locks.flatMap((lock) => expired(lock, examination, holders.it)),
        ...heldBack(allLocks, examination),
      ],
    };
  },
};

interface NamedLock {
  readonly name: string;
  readonly lock: RegistryLock;
}

function locksOf(examination: Examination): readonly NamedLock[] {
  const document = soundDocument(examination);
  if (document === undefined) return [];
  return [...document.names()].flatMap((name) => {
    const lock = readableLock(document.entryText(name));
    return lock === null ? [] : [{ name, lock }];
  });
}

function namesHeldBy({ record, path }: HolderFile, locks: readonly NamedLock[]): readonly string[] {
  const instance = record?.instance ?? basename(path);
  return locks.filter(({ lock }) => lock.holderInstance === instance).map(({ name }) => name);
}

function findInHolder(holder: HolderFile, names: readonly string[], option: string): readonly FixableFinding[] {
  switch (holder.kind) {
    case "alive":
      return findInLiving(holder, names);
    case "dead":
      return names.length === 0 ? [] : [crashed(holder, names, option)];
    case "doubt":
      return [doubtful(holder, names)];
    default:
      return holder satisfies never;
  }
}

function findInLiving(
  holder: Extract<HolderFile, { kind: "alive" }>,
  names: readonly string[],
): readonly FixableFinding[] {
  const { record, beatAgeMs = 0 } = holder;
  const isHere = isOwnPidNamespace(record.pidNamespace);
  const view = isHere ? viewProcess(record.pid) : undefined;
  const held = names.length === 0 ? "no name" : list(names);
  if (view?.isStopped === true) return [stopped(view, held, names.length > 0)];
  // Who holds nothing need not beat.
  if (names.length === 0 || beatAgeMs <= record.ttlMs) return [];
  const who = view === undefined ? `PID ${record.pid} on ${record.host}` : describeProcess(view);
  return [
    {
      code: "holders.silent",
      severity: "warning",
      what: `${who} lives and holds ${held}, but has given no sign of life for ${durationText(beatAgeMs)}; its TTL is ${durationText(record.ttlMs)}.`,
      means:
        "It is frozen (a paused container, a debugger), or its thread is busy. Anybody may take its names now; it is told when it goes on.",
      remedy: `See what it does, and end it if it is stuck: ps -o pid,stat,wchan:20,cmd -p ${record.pid}`,
    },
  ];
}

function stopped(view: ProcessView, held: string, holdsNames: boolean): FixableFinding {
  return {
    code: "holders.stopped",
    severity: holdsNames ? "problem" : "note",
    what: `${describeProcess(view)}, which holds ${held}, is stopped.`,
    means:
      "It does nothing, and its names are anybody's after its TTL. When it goes on, whatever it was about to do to its device it may still do.",
    remedy: `Let it go on: kill -CONT ${view.pid}. Or end it: kill -KILL ${view.pid}`,
  };
}

function crashed(
  { record }: Extract<HolderFile, { kind: "dead" }>,
  names: readonly string[],
  option: string,
): FixableFinding {
  return {
    code: "holders.crashed",
    severity: "note",
    what: `The process that held ${list(names)} has ended without giving ${names.length === 1 ? "it" : "them"} up (PID ${record.pid} on ${record.host}).`,
    means: "Its component is down. The next to claim the name gets it at once, with the same ID.",
    remedy: `Start the component again. If it is gone for good: ${names.map((name) => `namehold release ${shellWord(name)} ${option}`).join("; ")}`,
  };
}

function doubtful({ path, why }: Extract<HolderFile, { kind: "doubt" }>, names: readonly string[]): FixableFinding {
  return {
    code: "holders.doubtful",
    severity: names.length === 0 ? "note" : "warning",
    what: `The presence ${path} proves nothing: ${why}.${names.length === 0 ? "" : ` Locks on ${list(names)} name it.`}`,
    means:
      "Whether its process lives cannot be seen; its TTL decides. A backup that was restored, or another user's umask, causes it.",
    remedy: `When you know that its process is gone: rm ${shellWord(path)}`,
  };
}

/** A lock without a presence: Python's, or another machine's. */
function expired(
  { name, lock }: NamedLock,
  { reading, option }: Examination,
  holders: readonly HolderFile[],
): readonly FixableFinding[] {
  if (lock.expiresAt > reading.wall) return [];
  if (holders.some((holder) => (holder.record?.instance ?? basename(holder.path)) === lock.holderInstance)) return [];
  return [
    {
      code: "holders.expired",
      severity: "note",
      what: `The lock on ${quoteName(name)} has expired ${durationText(reading.wall - lock.expiresAt)} ago; it was of PID ${lock.holderPid} on ${lock.holderHost}.`,
      means:
        "Its component is down, or cannot write its heartbeat. The next to claim the name gets it, with the same ID.",
      remedy: `Start the component again. If it is gone for good: namehold release ${shellWord(name)} ${option}`,
    },
  ];
}

function isNobodys(lock: RegistryLock): boolean {
  return lock.holderInstance === RECOVERY_INSTANCE;
}

/** What is left of that lock afterwards means nothing. */
function heldBack(locks: readonly NamedLock[], { reading }: Examination): readonly FixableFinding[] {
  const waiting = locks.filter(({ lock }) => isNobodys(lock) && lock.expiresAt > reading.wall);
  if (waiting.length === 0) return [];
  const until = new Date(Math.max(...waiting.map(({ lock }) => lock.expiresAt))).toISOString();
  return [
    {
      code: "holders.held-back",
      severity: "note",
      what: `${list(waiting.map(({ name }) => name))} ${waiting.length === 1 ? "is" : "are"} held back until ${until}: the registry was damaged, and locks were lost in it.`,
      means: "A Python process that nobody sees may hold such a name. By then it has lost it by its own rules.",
      remedy: "None is needed: wait until then, and claim the name again.",
    },
  ];
}

const SHOWN_MAX = 10;

function list(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN_MAX).map(quoteName).join(", ");
  return names.length > SHOWN_MAX ? `${shown} and ${names.length - SHOWN_MAX} more` : shown;
}
