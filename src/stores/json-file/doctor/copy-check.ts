import { join } from "node:path";
import { isNameholdError } from "../../../core/errors.js";
import type { Check, Examined, FixableFinding } from "../../../core/finding.js";
import { quoteName } from "../../../core/name.js";
import { shellWord } from "../../../core/shell-word.js";
import { readEntry } from "../../../core/text/entry-text.js";
import type { RegistryDocument } from "../../../core/text/registry-document.js";
import { type WallMs, wallMs } from "../../../core/timing.js";
import { statsAt } from "../../../platform/file-stats.js";
import { knowsAllIds } from "../copy-comparison.js";
import { type Examination, isTurnSafe, type OtherId, otherIds, soundDocument } from "./examination.js";

/** Whether the registry could be damaged now without the loss of an ID. */
export const copyCheck: Check<Examination> = {
  check: "last-good-copy",
  title: "Last good copy",
  examine: (examination): Examined => {
    const { copy, files } = examination;
    const document = soundDocument(examination);
    if (copy.kind === "failed") return { looked: "cannot be read", findings: [unreadable(copy.error.message)] };
    if (copy.it.kind === "damaged") {
      const what = `The last good copy ${files.copyPath} is damaged itself.`;
      return { looked: "damaged", findings: [lacking(examination, "damaged", what)] };
    }
    const others = otherIds(examination);
    if (others.length > 0) return { looked: "has other IDs", findings: [otherId(examination, others)] };
    if (document === undefined) return { looked: copy.it.kind === "good" ? "there" : "none", findings: [] };
    if (copy.it.kind === "absent") {
      if (document.size === 0) return { looked: "none needed yet", findings: [] };
      return { looked: "none", findings: [missing(examination, document.size)] };
    }
    if (knowsAllIds(copy.it.document, document)) return { looked: "knows all IDs", findings: [] };
    return { looked: "is behind", findings: [outdated(examination, copy.it.document, document)] };
  },
};

/** Where namehold has never been at work there cannot be one. */
function missing(examination: Examination, names: number): FixableFinding {
  const { copyPath, holdersDirectory } = examination.files;
  const what = `There is no last good copy at ${copyPath}, and the registry has ${names} names.`;
  if (statsAt(holdersDirectory) !== undefined) return lacking(examination, "missing", what);
  return { ...lacking(examination, "none-yet", `${what} Only Python has used it so far.`), severity: "note" };
}

/** Python has registered them since namehold was last at work. For new ones that is as it should be. */
function outdated(examination: Examination, copy: RegistryDocument, document: RegistryDocument): FixableFinding {
  const names = [...document.names()].filter((name) => !copy.has(name));
  const what = `The last good copy lacks what the registry has: ${list(names.map((name) => quoteName(name)))}.`;
  const { wall } = examination.reading;
  const areFresh = names.every((name) => wall - madeAt(document.entryText(name) ?? "", wall) < FRESH_MS);
  return { ...lacking(examination, "outdated", what), ...(areFresh ? { severity: "note" } : {}) };
}

const FRESH_MS = 3_600_000;

/** Of one that is no entry, which another check finds, the beginning of time. */
function madeAt(entryText: string, now: WallMs): WallMs {
  try {
    return readEntry(entryText, now).createdAt;
  } catch (error) {
    if (isNameholdError(error, "damaged")) return wallMs(0);
    throw error;
  }
}

/** Which is right, only an operator can tell; the next turn may make the copy follow. */
function otherId({ path, files }: Examination, others: readonly OtherId[]): FixableFinding {
  const { copyPath, holdersDirectory } = files;
  const shown = others.map(
    ({ name, inFile, inCopy }) => `${quoteName(name)} has ${inFile} in the file and ${inCopy} in the copy`,
  );
  const kept = join(holdersDirectory, "last-good.kept.json");
  return {
    code: "last-good-copy.other-id",
    severity: "problem",
    what: `The registry ${path} and its last good copy disagree: ${list(shown)}.`,
    means:
      "Somebody has changed an ID that is permanent, by hand, by another file in its place, or by Python's clean: what was recorded under the former one belongs to nobody now.",
    remedy: `Keep the copy, which the next use of namehold may bring up to date: cp -p ${shellWord(copyPath)} ${shellWord(kept)}. Find out which ID is right (logs, samples, namehold history), and put it into ${shellWord(path)} while all components are stopped.`,
  };
}

type Lack = "damaged" | "missing" | "none-yet" | "outdated";

function lacking(examination: Examination, which: Lack, what: string): FixableFinding {
  const finding: FixableFinding = {
    code: `last-good-copy.${which}`,
    severity: "warning",
    what,
    means: "If the registry file were torn now (Python killed while it writes), these names would lose their IDs.",
    remedy: `Have it written: namehold doctor --fix ${examination.option} (the next claim, list or heartbeat of namehold does it too).`,
  };
  // Only from a sound file: what to take over from a damaged one is for an operator to say.
  if (!isTurnSafe(examination)) return finding;
  return {
    ...finding,
    fix: async () => {
      // Every turn ends with a copy that knows all IDs.
      await examination.file.inTurn(() => undefined);
      return `Wrote ${examination.files.copyPath}.`;
    },
  };
}

function unreadable(why: string): FixableFinding {
  return {
    code: "last-good-copy.unreadable",
    severity: "warning",
    what: why,
    means:
      "This user's processes cannot go on from the copy when the registry file is torn, nor keep the copy up to date.",
    remedy: "See the findings on the file system and on permissions.",
  };
}

const SHOWN_MAX = 10;

function list(items: readonly string[]): string {
  return (
    items.slice(0, SHOWN_MAX).join(", ") + (items.length > SHOWN_MAX ? ` and ${items.length - SHOWN_MAX} more` : "")
  );
}
