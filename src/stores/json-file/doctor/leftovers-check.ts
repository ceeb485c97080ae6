import { join } from "node:path";
import { NameholdError } from "../../../core/errors.js";
import type { Check, FixableFinding } from "../../../core/finding.js";
import { namesIn, statsAt } from "../../../platform/file-stats.js";
import { isTemporaryName } from "../../../platform/temporary-file.js";
import { namedInstances, prune } from "../prune.js";
import { LEFTOVER_MS, sweepLeftovers } from "../sweep.js";
import { type Examination, isTurnSafe, soundDocument } from "./examination.js";

/** What crashed processes and former damage have left beside the registry. */
export const leftoversCheck: Check<Examination> = {
  check: "leftovers",
  title: "Leftovers",
  examine: (examination) => {
    const temporaries = temporariesOf(examination);
    const presences = stalePresences(examination);
    const waiters = orphanedWaiters(examination);
    // One sweep settles them all.
    let swept: Promise<string> | undefined;
    const sweepOnce = (): Promise<string> => {
      swept ??= sweep(examination, [...temporaries, ...presences]);
      return swept;
    };
    const settling = isTurnSafe(examination) ? { fix: sweepOnce } : {};
    const findings = [
      ...(temporaries.length === 0 ? [] : [{ ...temporaryFiles(temporaries, examination), ...settling }]),
      ...(presences.length === 0 ? [] : [{ ...stale(presences, examination), ...settling }]),
      ...(waiters === 0 ? [] : [{ ...orphaned(waiters, examination), ...settling }]),
      ...kept(examination),
    ];
    return {
      looked: findings.length === 0 ? "none" : `${temporaries.length + presences.length} files of crashed processes`,
      findings,
    };
  },
};

function temporariesOf({ directory, files, reading }: Examination): readonly string[] {
  return [directory, files.holdersDirectory].flatMap((place) =>
    namesIn(place)
      .filter(isTemporaryName)
      .map((name) => join(place, name))
      .filter((path) => reading.wall - (statsAt(path)?.mtimeMs ?? reading.wall) > LEFTOVER_MS),
  );
}

/** Of dead processes, and named by nothing any more. */
function stalePresences(examination: Examination): readonly string[] {
  const document = soundDocument(examination);
  const { holders, sidecar } = examination;
  if (document === undefined || holders.kind === "failed" || sidecar.kind === "failed") return [];
  const named = namedInstances({ document });
  return holders.it.flatMap((holder) => {
    if (holder.kind !== "dead") return [];
    const { instance } = holder.record;
    return named.has(instance) || sidecar.it?.names(instance) === true ? [] : [holder.path];
  });
}

function orphanedWaiters({ holders, sidecar }: Examination): number {
  if (holders.kind === "failed" || sidecar.kind === "failed") return 0;
  const present = new Set(holders.it.flatMap((it) => (it.kind === "dead" ? [] : (it.record?.instance ?? []))));
  const queues = [...(sidecar.it?.waiters.values() ?? [])];
  return queues.flat().filter(({ instance }) => !present.has(instance)).length;
}

function temporaryFiles(paths: readonly string[], { option }: Examination): FixableFinding {
  return {
    code: "leftovers.temporary",
    severity: "note",
    what: `Temporary files of writers that crashed: ${paths.join(", ")}.`,
    means: "They are unfinished and nobody reads them. They take space.",
    remedy: `Have them deleted: namehold doctor --fix ${option}`,
  };
}

function stale(paths: readonly string[], { option, files }: Examination): FixableFinding {
  return {
    code: "leftovers.presence",
    severity: "note",
    what: `${paths.length} presence file${paths.length === 1 ? "" : "s"} of processes that are gone, in ${files.holdersDirectory}.`,
    means: "No lock names them. They do no harm, and are swept when somebody claims a name.",
    remedy: `Have them deleted: namehold doctor --fix ${option}`,
  };
}

function orphaned(count: number, { option }: Examination): FixableFinding {
  return {
    code: "leftovers.waiter",
    severity: "note",
    what: `${count} place${count === 1 ? "" : "s"} in queues of processes that are gone.`,
    means: "They are passed over; nobody waits longer for them than a second.",
    remedy: `Have them removed: namehold doctor --fix ${option}`,
  };
}

/** @throws NameholdError `read-only` when files stay that only another user may delete */
async function sweep({ file, files, holders }: Examination, paths: readonly string[]): Promise<string> {
  const presencesMax = (holders.kind === "read" ? holders.it.length : 0) + SWEPT_MORE_MAX;
  const deleted = await file.inTurn((work) => {
    prune(work, files.holdersDirectory);
    return sweepLeftovers(work, files, presencesMax);
  });
  const left = paths.filter((path) => statsAt(path) !== undefined);
  if (left.length === 0) return `Deleted ${deleted} files, and removed the places of dead processes in queues.`;
  throw new NameholdError(
    "read-only",
    `Deleted ${deleted} files. These are another user's to delete: ${left.join(", ")}.`,
  );
}

/** New ones may have come since the look. */
const SWEPT_MORE_MAX = 64;

/** They are bounded in number, but each is as large as the registry. */
const EVIDENCE_MANY = 5;
const KEPT_LARGE_BYTES = 256 * 2 ** 20;

function kept({ files: { holdersDirectory }, sidecar }: Examination): readonly FixableFinding[] {
  const evidence = namesIn(holdersDirectory).filter((name) => name.startsWith("damaged-"));
  const backups = join(holdersDirectory, "backups");
  const paths = [
    ...evidence.map((name) => join(holdersDirectory, name)),
    ...namesIn(backups).map((name) => join(backups, name)),
  ];
  const bytes = paths.reduce((sum, path) => sum + (statsAt(path)?.size ?? 0), 0);
  const isWaiting = sidecar.kind === "read" && (sidecar.it?.damage ?? null) !== null;
  const isMuch = (evidence.length >= EVIDENCE_MANY && !isWaiting) || bytes >= KEPT_LARGE_BYTES;
  if (!isMuch) return [];
  return [
    {
      code: "leftovers.kept",
      severity: "note",
      what: `${evidence.length} damaged registries and the backups beside them take ${Math.ceil(bytes / 2 ** 20)} MiB, in ${holdersDirectory}.`,
      means:
        "They are kept to find a lost ID in, the newest 20 and 100. So many damaged ones mean that something tears the file: Python killed while it writes, mostly.",
      remedy: "Find out what is killed, and when; the times are in their names. Those that are settled may be deleted.",
    },
  ];
}
