import type { Check, Examined, FixableFinding } from "../../../core/finding.js";
import { entryIdOf } from "../../../core/text/entry-id.js";
import type { RegistryDocument } from "../../../core/text/registry-document.js";
import { statsAt } from "../../../platform/file-stats.js";
import { knowsAllIds } from "../copy-comparison.js";
import { type Examination, soundDocument } from "./examination.js";

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
    if (document === undefined) return { looked: copy.it.kind === "good" ? "there" : "none", findings: [] };
    if (copy.it.kind === "absent") {
      if (document.size === 0) return { looked: "none needed yet", findings: [] };
      return { looked: "none", findings: [missing(examination, document.size)] };
    }
    if (knowsAllIds(copy.it.document, document)) return { looked: "knows all IDs", findings: [] };
    const what = `The last good copy lacks what the registry has: ${unknownNames(copy.it.document, document)}.`;
    return { looked: "is behind", findings: [lacking(examination, "outdated", what)] };
  },
};

/** Where namehold has never been at work there cannot be one. */
function missing(examination: Examination, names: number): FixableFinding {
  const { copyPath, holdersDirectory } = examination.files;
  const what = `There is no last good copy at ${copyPath}, and the registry has ${names} names.`;
  if (statsAt(holdersDirectory) !== undefined) return lacking(examination, "missing", what);
  return { ...lacking(examination, "none-yet", `${what} Only Python has used it so far.`), severity: "note" };
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
  if (soundDocument(examination) === undefined) return finding;
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

function unknownNames(copy: RegistryDocument, document: RegistryDocument): string {
  const idIn = (where: RegistryDocument, name: string): string | undefined => {
    const text = where.entryText(name);
    return text === undefined ? undefined : entryIdOf(text);
  };
  const names = [...document.names()].filter((name) => idIn(copy, name) !== idIn(document, name));
  const shown = names.slice(0, SHOWN_MAX).map((name) => JSON.stringify(name));
  return shown.join(", ") + (names.length > SHOWN_MAX ? ` and ${names.length - SHOWN_MAX} more` : "");
}
