import { join } from "node:path";
import { isNameholdError } from "../../../core/errors.js";
import type { Check, Examined, FixableFinding } from "../../../core/finding.js";
import { quoteName } from "../../../core/name.js";
import { shellWord } from "../../../core/shell-word.js";
import { readEntry } from "../../../core/text/entry-text.js";
import { JsonTextError, parseJson } from "../../../core/text/json-scan.js";
import { RegistryDocument } from "../../../core/text/registry-document.js";
import { wallMs } from "../../../core/timing.js";
import { statsAt } from "../../../platform/file-stats.js";
import type { Damaged } from "../damage.js";
import { type Examination, type RegistryReading, textOf } from "./examination.js";

/** Whether the registry is there, can be read, and is one. */
export const registryFileCheck: Check<Examination> = {
  check: "registry-file",
  title: "Registry file",
  examine: (examination) => {
    const { registry } = examination;
    if (registry.kind === "failed" && registry.error.code === "damaged") return refused(registry.error.message);
    if (registry.kind === "failed") return unreadable(examination, registry.error.message);
    if (registry.it.assessment.kind === "damaged") return damaged(examination, registry.it);
    const waiting = recoveryWaiting(examination);
    if (registry.it.bytes === undefined) return { looked: "none yet", findings: [...none(examination), ...waiting] };
    const { size } = registry.it.assessment.document;
    const bytes = registry.it.bytes.length;
    return {
      looked: `${countText(size)}, ${sizeText(bytes)}`,
      findings: [...waiting, ...large(bytes, size, examination)],
    };
  },
};

/** From here on Python, which reads and writes the whole file at every step, falls behind its heartbeats. */
const LARGE_BYTES = 2 ** 20;

function unreadable({ path }: Examination, why: string): Examined {
  return {
    looked: "cannot be read",
    findings: [
      {
        code: "registry-file.unreadable",
        severity: "problem",
        what: why,
        means:
          "No process of this user can use the registry: its components do not start, and those that run lose their names.",
        remedy: `See whose it is and what it is: ls -ld ${shellWord(path)} && namei -l ${shellWord(path)}`,
      },
    ],
  };
}

/** Of an unknown version: not to be mended. */
function refused(why: string): Examined {
  return {
    looked: "refused",
    findings: [
      {
        code: "registry-file.refused",
        severity: "problem",
        what: `${why}.`.replace(/\.\.$/, "."),
        means: "namehold does not use the file, and leaves it as it is: it would lose what it does not know.",
        remedy: "Use the version of namehold or MADSci that wrote it, or name another registry with -r.",
      },
    ],
  };
}

function damaged(examination: Examination, reading: RegistryReading): Examined {
  const { path, copy } = examination;
  const { assessment, isUnsettled } = reading;
  if (assessment.kind === "sound") throw new Error("The registry is sound.");
  if (isUnsettled) return { looked: "being written", findings: [beingWritten(path, assessment.what)] };
  const pythons = whatPythonDoes(reading);
  const hidden = copy.kind === "failed" ? " The copy cannot be read by this user." : "";
  const stopFirst = pythons.goesOn ? "Stop the Python components first. " : "";
  return {
    looked: "damaged",
    findings: [
      {
        code: "registry-file.damaged",
        severity: "problem",
        what: `${path} is damaged: ${assessment.what}.${linkText(examination)}${conflictText(assessment)}`,
        means: `${pythons.text} ${whatWeDo(assessment, examination)}${hidden}`,
        remedy: `${stopFirst}${howToGoOn(assessment, examination)}`,
      },
    ],
  };
}

/** It knows no copy, and takes for a registry whatever it can parse: then it goes on, under wrong identities. */
function whatPythonDoes({ bytes }: RegistryReading): { readonly goesOn: boolean; readonly text: string } {
  if (bytes === undefined) {
    const text = "Python works on: it begins a new registry, with a new ID for every name that it claims.";
    return { goesOn: true, text };
  }
  if (!isReadByPython(textOf(bytes))) return { goesOn: false, text: "Python fails on every call." };
  const text =
    "Python works on with what is in it, and makes new IDs for names that it lacks: components get wrong identities.";
  return { goesOn: true, text };
}

function isReadByPython(text: string): boolean {
  try {
    const registry = parseJson(text);
    if (typeof registry !== "object" || registry === null || Array.isArray(registry)) return false;
    for (const entry of RegistryDocument.salvage(text).values()) readEntry(entry, wallMs(0));
    return true;
  } catch (error) {
    if (error instanceof JsonTextError || isNameholdError(error, "damaged")) return false;
    throw error;
  }
}

function whatWeDo({ document, hasCopy }: Damaged, { copy }: Examination): string {
  const { size } = document;
  if (!hasCopy)
    return `namehold does not go on: there is no good copy beside it. ${countText(size)} can be read of it.`;
  const copied = copy.kind === "read" && copy.it.kind === "good" ? copy.it.document.size : size;
  const origin =
    size === copied
      ? "all of the last good copy"
      : `${copied} of the last good copy and ${size - copied} that the file alone has`;
  return `namehold goes on with ${countText(size)}, ${origin}, at its next use. It refuses new ones, because one that seems new may have had an ID.`;
}

function howToGoOn({ document, hasCopy }: Damaged, { option, files }: Examination): string {
  if (hasCopy || document.size > 0) {
    return `See what can be saved, then accept it: namehold recover ${option}; namehold recover --accept ${option}`;
  }
  const backups = shellWord(join(files.holdersDirectory, "backups"));
  return `If this is not the lab's registry, name that with -r. Else restore a backup, of your own or of: ls -lt ${backups}`;
}

function conflictText({ conflicts }: Damaged): string {
  if (conflicts.length === 0) return "";
  return ` Names whose IDs in it contradict the copy: ${conflicts.map(quoteName).join(", ")}.`;
}

function linkText({ path, realPath }: Examination): string {
  const isLink = statsAt(path)?.isSymbolicLink() === true;
  return isLink ? ` ${path} is a symbolic link to ${realPath}.` : "";
}

function countText(names: number): string {
  return `${names} name${names === 1 ? "" : "s"}`;
}

function beingWritten(path: string, what: string): FixableFinding {
  return {
    code: "registry-file.unsettled",
    severity: "warning",
    what: `${path} looked damaged (${what}), while another process has had the file lock for the whole second of the look.`,
    means: "It is either damaged, or that process is stuck while it writes it.",
    remedy: "See the finding on the lock file, and run namehold doctor again.",
  };
}

function recoveryWaiting({ option, sidecar }: Examination): readonly FixableFinding[] {
  const damage = sidecar.kind === "read" ? sidecar.it?.damage : undefined;
  if (damage == null) return [];
  return [
    {
      code: "registry-file.recovery-waiting",
      severity: "problem",
      what: `The registry was damaged (${damage.what}), and nobody has accepted yet what was recovered.${damage.evidencePath === null ? "" : ` The damaged file is kept as ${damage.evidencePath}.`}`,
      means: "Known names go on. New names are refused: a component that was never registered does not start.",
      remedy: `See what was recovered, then accept it: namehold recover ${option}; namehold recover --accept ${option}`,
    },
  ];
}

function none({ path, realPath, directory }: Examination): readonly FixableFinding[] {
  if (statsAt(path)?.isSymbolicLink() === true) return [danglingLink(path, realPath)];
  const where = statsAt(directory) === undefined ? `there is not even its directory` : "its directory is there";
  return [
    {
      code: "registry-file.none",
      severity: "note",
      what: `There is no registry at ${path} (${where}).`,
      means:
        "In a new lab that is as it should be: the first claim makes it. If names were in use here, this is not their registry.",
      remedy:
        "If this is not the lab's registry: run it from the lab's directory, or name the registry with -r or MADSCI_REGISTRY_PATH.",
    },
  ];
}

function danglingLink(path: string, realPath: string): FixableFinding {
  return {
    code: "registry-file.dangling-link",
    severity: "warning",
    what: `There is no registry at ${path}: it is a symbolic link to ${realPath}, which is missing.`,
    means: "The first claim makes a new registry there. If names were in use, they get new IDs.",
    remedy: `If the link leads to the wrong place, correct it; if what it leads to is not mounted, mount it: ls -l ${shellWord(path)}`,
  };
}

function large(bytes: number, size: number, { option }: Examination): readonly FixableFinding[] {
  if (bytes < LARGE_BYTES) return [];
  return [
    {
      code: "registry-file.large",
      severity: "note",
      what: `The registry has ${sizeText(bytes)} and ${size} names.`,
      means:
        "Every change and every heartbeat of Python reads and writes all of it, under the lock that all processes share.",
      remedy: `See which names are not used any more: namehold clean --dry-run ${option}`,
    },
  ];
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
