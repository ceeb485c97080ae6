/** What the checks of a registry file look at, read once, without making or changing anything. */
import { dirname } from "node:path";
import { isNameholdError, type NameholdError } from "../../../core/errors.js";
import { shellWord } from "../../../core/shell-word.js";
import { entryIdOf } from "../../../core/text/entry-id.js";
import { RegistryDocument } from "../../../core/text/registry-document.js";
import { type Clock, later } from "../../../core/timing.js";
import { readFileOrAbsent } from "../../../platform/atomic-file.js";
import { bootId } from "../../../platform/clock.js";
import { statsAt } from "../../../platform/file-stats.js";
import { lockPathsOf } from "../../../platform/lock-paths.js";
import { whileNobodyWrites } from "../../../platform/lock-probe.js";
import { resolveLinks } from "../../../platform/real-path.js";
import type { ClockReading } from "../clock-note.js";
import { type Assessment, assess, type Copy, readCopy } from "../damage.js";
import type { RegistryFile } from "../registry-file.js";
import type { RegistryFiles } from "../registry-files.js";
import { Sidecar } from "../sidecar.js";
import { SidecarFile } from "../sidecar-file.js";
import { type HolderFile, readHolders } from "./holder-files.js";

/** What was read, or why it could not be. */
export type Attempt<T> =
  | { readonly kind: "read"; readonly it: T }
  | { readonly kind: "failed"; readonly error: NameholdError };

export interface Examination {
  /** For what is settled in a turn. */
  readonly file: RegistryFile;
  readonly files: RegistryFiles;
  /** The registry file as it was named, and where it is. */
  readonly path: string;
  /** For commands that an operator is told: they must not meet another registry. */
  readonly option: string;
  readonly realPath: string;
  readonly directory: string;
  readonly lockPaths: readonly string[];
  readonly clock: Clock;
  readonly reading: ClockReading;
  readonly registry: Attempt<RegistryReading>;
  readonly copy: Attempt<Copy>;
  readonly sidecar: Attempt<Sidecar | undefined>;
  readonly holders: Attempt<readonly HolderFile[]>;
}

export interface RegistryReading {
  /** Undefined when there is no file. */
  readonly bytes: Uint8Array | undefined;
  readonly assessment: Assessment;
  /** Somebody may just be writing it: the file lock was not to be had. */
  readonly isUnsettled: boolean;
}

export async function examine(file: RegistryFile, clock: Clock): Promise<Examination> {
  const { files } = file;
  const { path, holdersDirectory } = files;
  const realPath = resolveLinks(path);
  const lockPaths = lockPathsOf(path);
  const reading = { bootId: bootId(), wall: clock.wallMs(), monotonic: clock.monotonicMs() };
  return {
    file,
    files,
    path,
    option: `-r ${shellWord(path)}`,
    realPath,
    directory: dirname(realPath),
    lockPaths,
    clock,
    reading,
    registry: await readSettled(files, lockPaths, clock),
    copy: attempt(() => readCopy(readFileOrAbsent(files.copyPath))),
    sidecar: attempt(() => readSidecar(files.sidecarPath)),
    holders: attempt(() => readHolders(holdersDirectory, reading.monotonic)),
  };
}

/** The entries of a sound registry; undefined when it is not sound, or not readable. */
export function soundDocument({ registry }: Examination): RegistryDocument | undefined {
  if (registry.kind === "failed" || registry.it.assessment.kind !== "sound") return undefined;
  return registry.it.assessment.document;
}

/** Names that have one ID in the registry file and another in the last good copy. */
export interface OtherId {
  readonly name: string;
  readonly inFile: string;
  readonly inCopy: string;
}

/** In the file as far as it can be read, whether it is sound or not. */
export function otherIds({ registry, copy }: Examination): readonly OtherId[] {
  if (registry.kind === "failed" || copy.kind === "failed" || copy.it.kind !== "good") return [];
  const { document } = copy.it;
  return [...RegistryDocument.salvage(textOf(registry.it.bytes))].flatMap(([name, text]) => {
    const known = document.entryText(name);
    if (known === undefined || known === text) return [];
    const [inFile, inCopy] = [entryIdOf(text), entryIdOf(known)];
    return inFile === inCopy ? [] : [{ name, inFile, inCopy }];
  });
}

/** A turn mends what is damaged and brings the copy up to date: while the two disagree, an operator is to look first. */
export function isTurnSafe(examination: Examination): boolean {
  return soundDocument(examination) !== undefined && otherIds(examination).length === 0;
}

/** Of a file that is missing, none; a byte-order mark is shown. */
export function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Python writes in place: what looks damaged is looked at again while nobody writes. */
const SETTLE_MS = 1_000;
const SETTLE_RETRY_MS = 20;

async function readSettled(
  files: RegistryFiles,
  lockPaths: readonly string[],
  clock: Clock,
): Promise<Attempt<RegistryReading>> {
  const first = attempt(() => readRegistry(files, clock));
  if (first.kind === "failed" || first.it.assessment.kind === "sound") return first;
  const deadline = later(clock.monotonicMs(), SETTLE_MS);
  do {
    const settled = whileNobodyWrites(lockPaths, () => attempt(() => readRegistry(files, clock)));
    if (settled !== undefined) return settled.result;
    await new Promise<void>((resolve) => clock.setTimer(SETTLE_RETRY_MS, resolve));
  } while (clock.monotonicMs() < deadline);
  return { kind: "read", it: { ...first.it, isUnsettled: true } };
}

function readRegistry({ path, copyPath }: RegistryFiles, clock: Clock): RegistryReading {
  const bytes = readFileOrAbsent(path);
  const copy = attempt(() => readCopy(readFileOrAbsent(copyPath)));
  // A copy that this user may not read is its own finding; the file is judged without it.
  const assessment = assess(bytes, copy.kind === "read" ? copy.it : { kind: "absent" }, clock.wallMs());
  return { bytes, assessment, isUnsettled: false };
}

function readSidecar(path: string): Sidecar | undefined {
  return statsAt(path) === undefined ? undefined : Sidecar.parse(new SidecarFile(path).read(), bootId());
}

function attempt<T>(read: () => T): Attempt<T> {
  try {
    return { kind: "read", it: read() };
  } catch (error) {
    if (!isNameholdError(error)) throw error;
    return { kind: "failed", error };
  }
}
