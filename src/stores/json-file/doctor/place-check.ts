import type { Check, FixableFinding } from "../../../core/finding.js";
import { shellWord } from "../../../core/shell-word.js";
import { freeSpaceAt, nearestDirectory, statsAt } from "../../../platform/file-stats.js";
import { fileSystemKind, isLocalFileSystem } from "../../../platform/file-system.js";
import { isMountPoint } from "../../../platform/mounts.js";
import { tryAccess } from "../../../platform/user-access.js";
import type { Examination } from "./examination.js";

/** Where the registry lies: its mount, its kind of file system, the space left. */
export const placeCheck: Check<Examination> = {
  check: "place",
  title: "File system",
  examine: (examination) => {
    const place = nearestDirectory(examination.directory);
    const kind = fileSystemKind(place);
    const isLocal = isLocalFileSystem(place);
    const findings = [
      ...ownMount(examination),
      ...holdersPlace(examination),
      ...splitMount(examination),
      ...(tryAccess(place, 2) === "read-only" ? [readOnly(place)] : []),
      ...(isLocal ? [] : [remote(place, kind)]),
      ...(kind === "overlay" ? [overlay(place)] : []),
      ...space(place, examination),
    ];
    return {
      looked: `${kind}, ${isLocal ? "of this machine alone" : "not known to be of this machine alone"}`,
      findings,
    };
  },
};

function ownMount({ path, directory }: Examination): readonly FixableFinding[] {
  if (!isMountPoint(path)) return [];
  return [
    {
      code: "place.file-mount",
      severity: "problem",
      what: `The file ${path} is a mount of its own: it was mounted into this container without its directory.`,
      means:
        "The lock file beside it is this container's own and excludes nobody outside. namehold reads, and refuses to write; Python writes, and overwrites what others write at the same time.",
      remedy: `Mount the directory instead: docker run -v LAB_DIRECTORY:${shellWord(directory)} …`,
    },
  ];
}

/** Through somebody else's link, namehold would write where it points. */
function holdersPlace({ files: { holdersDirectory } }: Examination): readonly FixableFinding[] {
  const stats = statsAt(holdersDirectory);
  if (stats === undefined || stats.isDirectory()) return [];
  return [
    {
      code: "place.holders-not-a-directory",
      severity: "problem",
      what: `${holdersDirectory} is ${stats.isSymbolicLink() ? "a symbolic link" : "no directory"}.`,
      means: "namehold refuses to write beside the registry, so that nobody can claim a name or keep one.",
      remedy: `See what it is, and remove it: ls -ld ${shellWord(holdersDirectory)}; rm ${shellWord(holdersDirectory)}`,
    },
  ];
}

/** The lock file beside the registry and the presences must be the same for all. */
function splitMount({ directory, files: { holdersDirectory } }: Examination): readonly FixableFinding[] {
  const [here, holders] = [statsAt(directory), statsAt(holdersDirectory)];
  if (here === undefined || holders === undefined || here.dev === holders.dev) return [];
  return [
    {
      code: "place.split-mount",
      severity: "warning",
      what: `${holdersDirectory} is on another file system than the registry beside it.`,
      means:
        "Somebody may see the one without the other: then deaths are not seen, and names are free after their TTL only.",
      remedy: `Mount their common directory ${directory} as a whole.`,
    },
  ];
}

function readOnly(place: string): FixableFinding {
  return {
    code: "place.read-only",
    severity: "problem",
    what: `The file system of ${place} is mounted read-only.`,
    means: "Names can be looked up, but nobody here can claim one or keep one: heartbeats fail.",
    remedy: `See why (a disk error, or a mount with :ro): findmnt -T ${shellWord(place)}; dmesg | tail. Then: mount -o remount,rw …`,
  };
}

function remote(place: string, kind: string): FixableFinding {
  return {
    code: "place.not-local",
    severity: "warning",
    what: `${place} is on ${kind}, which is not known to be written by this machine's kernel alone.`,
    means: `${LOST.get(kind) ?? LOST_ELSEWHERE} Deaths are not proved here: a crashed component's name is free after its TTL (30 s) instead of at once.`,
    remedy:
      "Keep the registry on a local disk of the machine whose components use it. Components on several machines need a store that is made for it.",
  };
}

/** What else is lost there. */
const LOST: ReadonlyMap<string, string> = new Map([
  [
    "nfs",
    "Locks exclude other machines only with NFS 4, or NFS 3 with a running lock daemon, and without the options nolock and local_lock (see: findmnt -t nfs,nfs4); a restart of the server can lose them.",
  ],
  ...["cifs", "smb", "smb2"].map(
    (kind) =>
      [
        kind,
        "Locks exclude other machines only where the server and the option nobrl (which must not be set) allow.",
      ] as const,
  ),
  [
    "fuse",
    "Whether locks exclude anybody depends on the program behind this file system; many (sshfs, cloud drives) keep them to themselves.",
  ],
  ["9p", "Locks may not leave this virtual machine: the host and other guests may not be excluded."],
  ["vboxsf", "There are no locks across the virtual machine's border: the host and other guests are not excluded."],
  ["vfat", "It has no owners, modes and links, and its files change their identity when they are remounted."],
  ["exfat", "It has no owners, modes and links, and its files change their identity when they are remounted."],
]);
const LOST_ELSEWHERE = "Whether locks exclude processes on other machines is not known.";

function overlay(place: string): FixableFinding {
  return {
    code: "place.overlay",
    severity: "note",
    what: `${place} is on an overlay file system, as a container's own layer is.`,
    means:
      "If this is a container, the registry goes when the container is removed, with every ID; and no other container sees it.",
    remedy: `In a container, mount the lab's directory: docker run -v LAB_DIRECTORY:${shellWord(place)} …`,
  };
}

/** Enough for the registry, its copy, its state and a backup, some times over. */
const TIGHT_BYTES = 64 * 2 ** 20;
const FULL_BYTES = 2 ** 20;
const TIGHT_FILES = 100;

function space(place: string, { registry }: Examination): readonly FixableFinding[] {
  const size = registry.kind === "read" ? (registry.it.bytes?.length ?? 0) : 0;
  const { bytes, files } = freeSpaceAt(place);
  const isFull = bytes < FULL_BYTES + 4 * size || files < 8;
  if (!isFull && bytes >= TIGHT_BYTES + 16 * size && files >= TIGHT_FILES) return [];
  return [
    {
      code: isFull ? "place.full" : "place.tight",
      severity: isFull ? "problem" : "warning",
      what: `The file system of ${place} has ${Math.floor(bytes / 2 ** 20)} MiB${Number.isFinite(files) ? ` and ${files} files` : ""} left.`,
      means:
        "On a full disk namehold refuses changes and loses nothing, but names cannot be kept. Python empties the registry file when it writes to a full disk.",
      remedy: `Free some space: df -h ${shellWord(place)}; df -i ${shellWord(place)}; du -xh ${shellWord(place)} | sort -h | tail`,
    },
  ];
}
