import { closeSync, constants, fchmodSync, fstatSync, openSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { NameholdError } from "../../../core/errors.js";
import type { Check, FixableFinding } from "../../../core/finding.js";
import { shellWord } from "../../../core/shell-word.js";
import { ancestorsOf, namesIn, statsAt } from "../../../platform/file-stats.js";
import { NO_FOLLOW, NON_BLOCKING } from "../../../platform/open-flags.js";
import { ownershipBeneath, ownershipInside, ownershipOf } from "../../../platform/ownership.js";
import { storageError } from "../../../platform/storage-error.js";
import { isTemporaryName } from "../../../platform/temporary-file.js";
import {
  currentUser,
  describeOwnership,
  describeUser,
  modeAllows,
  type Need,
  tryAccess,
  type User,
  userOf,
} from "../../../platform/user-access.js";
import type { Examination } from "./examination.js";

/** Whether all who use the registry may do what they need: this user, and whoever owns something beside it. */
export const accessCheck: Check<Examination> = {
  check: "access",
  title: "Permissions",
  examine: (examination) => {
    const me = currentUser();
    if (me === undefined) return { looked: "this platform has no owners and modes", findings: [] };
    const places = placesOf(examination);
    const owners = ownersOf(examination, places).filter((uid) => uid !== me.uid);
    return {
      looked: `this user is ${describeUser(me)}${owners.length === 0 ? "" : `; files also of ${owners.map((uid) => describeUser(userOf(uid))).join(", ")}`}`,
      findings: [
        ...shutOutHere(me, places),
        ...owners.flatMap((uid) => shutOut(userOf(uid), places)),
        ...narrow(me, examination),
      ],
    };
  },
};

/** Something that whoever holds names must be able to use. */
interface Place {
  readonly path: string;
  readonly stats: Stats;
  /** What namehold needs. */
  readonly need: Need;
  /** What Python needs, where that is more. */
  readonly pythonNeed: Need;
}

const READ_WRITE = 6;
const USE_DIRECTORY = 7;

function placesOf({ realPath, directory, lockPaths, files }: Examination): readonly Place[] {
  const { holdersDirectory, sidecarPath, copyPath } = files;
  const wanted: readonly (readonly [string, Need, Need?])[] = [
    ...ancestorsOf(dirname(directory)).map((path) => [path, 1] as const),
    [directory, USE_DIRECTORY],
    [realPath, READ_WRITE],
    // Enough for flock; Python's filelock opens it for writing.
    ...lockPaths.map((path) => [path, 4, READ_WRITE] as const),
    [holdersDirectory, USE_DIRECTORY],
    [sidecarPath, READ_WRITE],
    [copyPath, READ_WRITE],
    [join(holdersDirectory, "token-ceiling"), READ_WRITE],
    [join(holdersDirectory, "history.jsonl"), READ_WRITE],
    [join(holdersDirectory, "gate"), 4],
    [join(holdersDirectory, "backups"), USE_DIRECTORY],
  ];
  return wanted.flatMap(([path, need, pythonNeed]) => {
    const stats = statsIfVisible(path);
    // A link, or what stands in a directory's place, is a finding of another check.
    if (stats === undefined || stats.isSymbolicLink() || ((need & 1) !== 0 && !stats.isDirectory())) return [];
    return [{ path, stats, need, pythonNeed: pythonNeed ?? need }];
  });
}

/** What lies beyond a directory that this user may not enter is not seen; the directory itself is. */
function statsIfVisible(path: string): Stats | undefined {
  try {
    return statsAt(path);
  } catch {
    return undefined;
  }
}

/** Whose files stand here. */
function ownersOf({ directory, holders }: Examination, places: readonly Place[]): readonly number[] {
  const presences = holders.kind === "read" ? holders.it.flatMap(({ path }) => statsIfVisible(path) ?? []) : [];
  const own = places.filter(({ path }) => path.startsWith(directory)).map(({ stats }) => stats);
  return [...new Set([...own, ...presences].map(({ uid }) => uid))];
}

/** Asked of the kernel, which knows more than modes. */
function shutOutHere(me: User, places: readonly Place[]): readonly FixableFinding[] {
  const denied = places.filter(({ path, need }) => tryAccess(path, need) === "denied");
  if (denied.length === 0) return [];
  return [
    {
      code: "access.this-user",
      severity: "warning",
      what: `This user, ${describeUser(me)}, may not use ${list(denied)}.`,
      means: "What this user starts can claim no name ('read-only', exit status 77). Other users are not affected.",
      remedy: `Run it as a user of the lab (sudo -u USER …), or add this one to its group: ${widen(denied)}`,
    },
  ];
}

function shutOut(user: User, places: readonly Place[]): readonly FixableFinding[] {
  const who = `${describeUser(user)}, who owns files here,`;
  const denied = places.filter((place) => !allows(place, user, place.need, places));
  if (denied.length > 0) {
    return [
      {
        code: "access.user-shut-out",
        severity: "warning",
        what: `${who} may not use ${list(denied)}, as far as owners, groups and modes tell.`,
        means: "Components of that user cannot claim names ('read-only'), and lose those that they have.",
        remedy: `Give the lab's users one group: ${widen(denied)}`,
      },
    ];
  }
  const deniedPython = places.filter((place) => !allows(place, user, place.pythonNeed, places));
  if (deniedPython.length === 0) return [];
  return [
    {
      code: "access.python-shut-out",
      severity: "warning",
      what: `${who} may not write to ${list(deniedPython)}, as far as owners, groups and modes tell.`,
      means:
        "Python components of that user fail with 'permission denied' at every claim and heartbeat. Those of namehold do not.",
      remedy: `Give the lab's users one group: ${widen(deniedPython)}`,
    },
  ];
}

/** In a sticky directory only owners may replace a file. */
function allows(place: Place, user: User, need: Need, places: readonly Place[]): boolean {
  const { path, stats } = place;
  if (!modeAllows(ownershipOf(stats), user, need)) return false;
  const parent = places.find((other) => other.path === dirname(path))?.stats;
  const isReplaced = !stats.isDirectory() && (place.need & 2) !== 0;
  return (
    !isReplaced || parent === undefined || (parent.mode & STICKY) === 0 || [stats.uid, parent.uid, 0].includes(user.uid)
  );
}

const STICKY = 0o1000;

function list(places: readonly Place[]): string {
  return places.map(({ path, stats }) => `${path} (${describeOwnership(stats)})`).join(", ");
}

function widen(places: readonly Place[]): string {
  const words = (some: readonly Place[]): string => some.map(({ path }) => shellWord(path)).join(" ");
  const directories = places.filter(({ stats }) => stats.isDirectory());
  const files = places.filter((place) => !directories.includes(place));
  return [
    `sudo chgrp GROUP ${words(places)}`,
    // What is made in them later belongs to the group too.
    ...(directories.length === 0 ? [] : [`sudo chmod g+rwxs ${words(directories)}`]),
    ...(files.length === 0 ? [] : [`sudo chmod g+rw ${words(files)}`]),
  ].join(" && ");
}

/** The directory's width says who is meant; a narrower file beside shuts some of them out. */
function narrow(
  me: User,
  { directory, lockPaths, files: { holdersDirectory } }: Examination,
): readonly FixableFinding[] {
  const inside = namesIn(holdersDirectory).filter((name) => !isTemporaryName(name));
  const narrowed = [...lockPaths, holdersDirectory, ...inside.map((name) => join(holdersDirectory, name))].flatMap(
    (path) => tooNarrow(path, directory) ?? [],
  );
  if (narrowed.length === 0) return [];
  const finding: FixableFinding = {
    code: "access.narrow",
    severity: "note",
    what: `Narrower than the directory ${directory} that they belong to: ${narrowed.map(({ path, stats }) => `${basename(path)} (${describeOwnership(stats)})`).join(", ")}.`,
    means:
      "Users who may use the directory may not use these, so that their components fail. A umask of 022 or 077, or Python's lock files, cause it.",
    remedy: `Widen them: ${narrowed.map(({ path, wanted }) => `chmod ${wanted.toString(8).padStart(4, "0")} ${shellWord(path)}`).join("; ")}`,
  };
  const own = narrowed.filter(({ stats }) => me.uid === 0 || stats.uid === me.uid);
  return own.length === 0 ? [finding] : [{ ...finding, fix: async () => widenAll(own, narrowed) }];
}

/** @throws NameholdError `read-only` when some are another user's to widen */
function widenAll(own: readonly Narrow[], narrowed: readonly Narrow[]): string {
  const done = own.map(widenOwn).join(" ");
  const left = narrowed.filter((one) => !own.includes(one)).map(({ path }) => path);
  if (left.length === 0) return done;
  throw new NameholdError("read-only", `${done} These are another user's to widen: ${left.join(", ")}.`);
}

interface Narrow {
  readonly path: string;
  readonly stats: Stats;
  readonly wanted: number;
}

function tooNarrow(path: string, directory: string): Narrow | undefined {
  const stats = statsIfVisible(path);
  if (stats === undefined || !(stats.isFile() || stats.isDirectory())) return undefined;
  const { mode } = stats.isDirectory() ? ownershipBeneath(directory) : ownershipInside(directory);
  const has = stats.mode & 0o7777;
  const wanted = has | (mode & 0o777);
  return wanted === has ? undefined : { path, stats, wanted };
}

/** What was examined, and nothing that somebody has put in its place meanwhile. */
function widenOwn({ path, stats, wanted }: Narrow): string {
  try {
    const fd = openSync(path, constants.O_RDONLY | NO_FOLLOW | NON_BLOCKING);
    try {
      const { ino, dev } = fstatSync(fd);
      if (ino !== stats.ino || dev !== stats.dev) throw changedMeanwhile(path);
      fchmodSync(fd, wanted);
    } finally {
      closeSync(fd);
    }
  } catch (failure) {
    throw storageError(failure, `Cannot change the mode of ${path}`);
  }
  return `Gave ${basename(path)} the mode ${wanted.toString(8).padStart(4, "0")}.`;
}

function changedMeanwhile(path: string): NameholdError {
  return new NameholdError("busy", `${path} was replaced by something else just now. Run the doctor again.`);
}
