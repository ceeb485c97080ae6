/** The files around a registry that say how the lab's components use it, found as MADSci finds them. */
import { join } from "node:path";
import { isNameholdError } from "../../core/errors.js";
import { readLockOf } from "../../core/text/entry-text.js";
import { RegistryDocument } from "../../core/text/registry-document.js";
import { readFileOrAbsent } from "../../platform/atomic-file.js";
import { type WalkedDirectory, walkDirectories } from "../../platform/directory-walk.js";
import { ancestorsOf, statsAt } from "../../platform/file-stats.js";
import { labDirectoryOf } from "../../platform/lab-directory.js";
import { resolveLinks } from "../../platform/real-path.js";
import { discoverRegistryPath, type Surroundings } from "../../platform/registry-path.js";

/** Where the checks look, beside the registry itself. */
export interface LabSurroundings extends Surroundings {
  /** The registry file in use; undefined for another store, and when it could not be opened. */
  readonly registryPath: string | undefined;
}

/**
 * The registry that a component uses when it is started in these surroundings.
 *
 * @returns undefined where that cannot be told, as the component will find out
 */
export function registryFoundFrom(surroundings: Surroundings): string | undefined {
  try {
    return discoverRegistryPath(surroundings);
  } catch (error) {
    if (!isNameholdError(error)) throw error;
    return undefined;
  }
}

/** Other registry files that a component of this lab may find: above the start, at home, and in the lab's directories. */
export function otherRegistries(surroundings: LabSurroundings): readonly string[] {
  const below = labDirectories(surroundings).map(({ path }) => path);
  const above = ancestorsOf(settingsStartOf(surroundings)).slice(0, LEVELS_MAX + 1);
  const places = [...above, surroundings.home, ...below].flatMap(
    (directory) => resolvedInSight(join(directory, ".madsci", "registry.json")) ?? [],
  );
  const own = surroundings.registryPath === undefined ? undefined : resolveLinks(surroundings.registryPath);
  return [...new Set(places)].filter((path) => path !== own && isFile(path));
}

/** Files in which MADSci looks for settings: `.env`, `node.env`, `settings.yaml`, `node.settings.toml`, … */
export function settingsFiles(surroundings: LabSurroundings): readonly string[] {
  return labDirectories(surroundings).flatMap(({ path, files }) =>
    files.filter((name) => SETTINGS.test(name)).map((name) => join(path, name)),
  );
}

/** The entries of a registry file, each as its text; undefined for what cannot be read or is none. */
export function entriesIn(path: string): ReadonlyMap<string, string> | undefined {
  try {
    const bytes = readFileOrAbsent(path);
    if (bytes === undefined) return undefined;
    const document = RegistryDocument.parse(bytes.toString("utf8"));
    return new Map([...document.names()].map((name) => [name, document.entryText(name) ?? ""]));
  } catch (error) {
    if (!isNameholdError(error)) throw error;
    return undefined;
  }
}

/** The longest TTL of the locks in a registry, in milliseconds; 0 without locks. */
export function longestTtlMs(entries: Iterable<string>): number {
  let longest = 0;
  for (const text of entries) {
    try {
      const lock = readLockOf(text);
      if (lock !== null) longest = Math.max(longest, lock.expiresAt - lock.heartbeatAt);
    } catch (error) {
      // What is no lock is a finding of the store's.
      if (!isNameholdError(error, "damaged")) throw error;
    }
  }
  return longest;
}

/** How far up the reference looks. */
const LEVELS_MAX = 10;
const WALK = { depthMax: 3, directoriesMax: 1_000 };
const SETTINGS = /^(?:.*\.)?env$|^(?:.*\.)?settings\.(?:ya?ml|toml|json)$/;

function labDirectories({ registryPath }: LabSurroundings): readonly WalkedDirectory[] {
  return registryPath === undefined ? [] : [...walkDirectories(labDirectoryOf(registryPath), WALK)];
}

/** Where a component's search for its settings begins. */
function settingsStartOf({ env, cwd }: Surroundings): string {
  const configured = env["MADSCI_SETTINGS_DIR"];
  return resolveLinks(configured === undefined || configured === "" ? cwd : configured);
}

function resolvedInSight(path: string): string | undefined {
  try {
    return resolveLinks(path);
  } catch (error) {
    if (!isNameholdError(error)) throw error;
    return undefined;
  }
}

/** One that may not be seen is not in sight. */
function isFile(path: string): boolean {
  try {
    return statsAt(path)?.isFile() === true;
  } catch (error) {
    if (!isNameholdError(error)) throw error;
    return false;
  }
}
