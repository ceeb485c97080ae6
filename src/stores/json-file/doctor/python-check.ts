import type { Check, FixableFinding } from "../../../core/finding.js";
import { shellWord } from "../../../core/shell-word.js";
import { labDirectoryOf } from "../../../platform/lab-directory.js";
import { hostName } from "../../../platform/process-identity.js";
import { readableLock } from "../readable-lock.js";
import { type Examination, soundDocument } from "./examination.js";
import { type FilelockManner, mannerOf, SOUND_FILELOCK } from "./filelock-versions.js";
import { findPythonEnvironments, type PythonEnvironment } from "./python-environments.js";

/** Whether the Python processes beside us exclude each other. */
export const pythonCheck: Check<Examination> = {
  check: "python",
  title: "Python's filelock",
  examine: (examination) => {
    const environments = findPythonEnvironments({
      labDirectory: labDirectoryOf(examination.realPath),
      env: process.env,
      pids: pythonPids(examination),
    }).filter(({ madsci, pids }) => madsci !== undefined || pids.length > 0);
    return {
      looked: environments.length === 0 ? "no environment with MADSci found" : environments.map(describe).join("; "),
      findings: [...conflict(environments), ...environments.flatMap(missing)],
    };
  },
};

/** Of locks that this host's processes wrote. Those that are not Python are found out by their program. */
function pythonPids(examination: Examination): readonly number[] {
  const document = soundDocument(examination);
  const locks = [...(document?.names() ?? [])].flatMap((name) => readableLock(document?.entryText(name)) ?? []);
  return locks.filter(({ holderHost }) => holderHost === hostName()).map(({ holderPid }) => holderPid);
}

function describe({ root, filelock, pids }: PythonEnvironment): string {
  const used = pids.length === 0 ? "" : `, in use by PID ${pids.join(", ")}`;
  return `${filelock ?? "none"} in ${root}${used}`;
}

function conflict(environments: readonly PythonEnvironment[]): readonly FixableFinding[] {
  const blind = environments.filter((it) => mannerOfIts(it) === "blind");
  const deleting = environments.filter((it) => mannerOfIts(it) === "deleting");
  if (blind.length === 0 || deleting.length === 0) return [];
  const install = [...blind, ...deleting].map(
    ({ root }) => `${shellWord(`${root}/bin/python`)} -m pip install ${shellWord(SOUND_FILELOCK)}`,
  );
  return [
    {
      code: "python.filelock-conflict",
      severity: "problem",
      what: `filelock ${versions(deleting)} deletes the lock file when it lets go, and filelock ${versions(blind)} does not notice that.`,
      means:
        "A process of each can have the lock at the same time: they overwrite each other's changes, so that locks and new names get lost. namehold notices, but cannot mend it for them.",
      remedy: `Install a version that does neither in all of them, and restart their processes: ${install.join("; ")}`,
    },
  ];
}

function mannerOfIts({ filelock }: PythonEnvironment): FilelockManner | undefined {
  return filelock === undefined ? undefined : mannerOf(filelock);
}

function versions(environments: readonly PythonEnvironment[]): string {
  return environments.map(({ filelock, root }) => `${filelock} (${root})`).join(", ");
}

function missing({ root, madsci, filelock }: PythonEnvironment): readonly FixableFinding[] {
  if (madsci === undefined || filelock !== undefined) return [];
  return [
    {
      code: "python.filelock-missing",
      severity: "warning",
      what: `${root} has madsci-common ${madsci} and no filelock.`,
      means:
        "madsci-common imports filelock, and not every version installs it: its components fail when they import the registry.",
      remedy: `Install it: ${shellWord(`${root}/bin/python`)} -m pip install ${shellWord(SOUND_FILELOCK)}`,
    },
  ];
}
