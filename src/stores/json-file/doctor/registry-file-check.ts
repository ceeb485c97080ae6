import type { Check, Examined, FixableFinding } from "../../../core/finding.js";
import { shellWord } from "../../../core/shell-word.js";
import { statsAt } from "../../../platform/file-stats.js";
import type { Examination, RegistryReading } from "./examination.js";

/** Whether the registry is there, can be read, and is one. */
export const registryFileCheck: Check<Examination> = {
  check: "registry-file",
  title: "Registry file",
  examine: (examination) => {
    const { registry } = examination;
    if (registry.kind === "failed") return unreadable(examination, registry.error.message);
    if (registry.it.assessment.kind === "damaged") return damaged(examination, registry.it);
    const waiting = recoveryWaiting(examination);
    if (registry.it.bytes === undefined) return { looked: "none yet", findings: [...none(examination), ...waiting] };
    const { size } = registry.it.assessment.document;
    const bytes = registry.it.bytes.length;
    return {
      looked: `${size} name${size === 1 ? "" : "s"}, ${sizeText(bytes)}`,
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

function damaged({ path, option, copy }: Examination, { assessment, isUnsettled }: RegistryReading): Examined {
  if (assessment.kind === "sound") throw new Error("The registry is sound.");
  const { what, conflicts, document, hasCopy } = assessment;
  if (isUnsettled) return { looked: "being written", findings: [beingWritten(path, what)] };
  const goesOn = hasCopy
    ? `Python fails on every call. namehold goes on with the ${document.size} names of the last good copy at its next use, and refuses new ones, because one that seems new may have had an ID.`
    : `Nothing goes on, Python nor namehold: there is no good copy beside it. ${document.size} names can be read of it.`;
  return {
    looked: "damaged",
    findings: [
      {
        code: "registry-file.damaged",
        severity: "problem",
        what: `${path} is damaged: ${what}.${conflicts.length === 0 ? "" : ` Names with another ID in it than in the copy: ${conflicts.map((name) => JSON.stringify(name)).join(", ")}.`}`,
        means: copy.kind === "failed" ? `${goesOn} The copy cannot be read by this user.` : goesOn,
        remedy: `See what can be saved, then accept it: namehold recover ${option}; namehold recover --accept ${option}`,
      },
    ],
  };
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

function none({ path, directory }: Examination): readonly FixableFinding[] {
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
