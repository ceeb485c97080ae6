import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { NameholdError } from "../core/errors.js";
import { resolveLinks } from "./real-path.js";
import { storageError } from "./storage-error.js";

/** What the search depends on, passed in. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The user's home directory. */
  readonly home: string;
}

/**
 * Where the registry file is, found as MADSci finds it (`LocalRegistryManager._default_path`,
 * `sentry.find_madsci_dir`): `MADSCI_REGISTRY_PATH`; else up from `MADSCI_SETTINGS_DIR` or the working directory to a
 * `.madsci/`, else beside the first `.git`, else `~/.madsci/`. The home directory is searched, but nothing above it.
 * Creates nothing.
 *
 * @returns an absolute path without symbolic links
 * @throws NameholdError `invalid-input` for `~user`, `read-only` where a directory may not be searched
 */
export function discoverRegistryPath(surroundings: Surroundings): string {
  const explicit = surroundings.env["MADSCI_REGISTRY_PATH"];
  if (explicit !== undefined && explicit !== "") return realPathOf(explicit, surroundings);
  return join(findMadsciDirectory(surroundings), REGISTRY_FILE);
}

/**
 * `~` and `~/…` as a shell and the reference read them.
 *
 * @throws NameholdError `invalid-input` for `~user`
 */
export function expandHome(path: string, home: string): string {
  if (path === "~" || path.startsWith("~/")) return join(home, path.slice(1));
  if (path.startsWith("~")) {
    throw new NameholdError("invalid-input", `Cannot tell the home directory in '${path}'. Write the path in full.`);
  }
  return path;
}

const SENTRY_DIRECTORY = ".madsci";
const REGISTRY_FILE = "registry.json";
/** How many parents the reference looks into. */
const PARENTS_MAX = 10;

function findMadsciDirectory(surroundings: Surroundings): string {
  const home = resolveLinks(surroundings.home);
  let besideGit: string | undefined;
  for (const directory of searched(realPathOf(startOf(surroundings), surroundings), home)) {
    const candidate = join(directory, SENTRY_DIRECTORY);
    if (isDirectory(candidate)) return candidate;
    if (besideGit === undefined && existsSync(join(directory, ".git"))) besideGit = candidate;
  }
  return besideGit ?? join(home, SENTRY_DIRECTORY);
}

function startOf({ env, cwd }: Surroundings): string {
  const settings = env["MADSCI_SETTINGS_DIR"];
  return settings === undefined || settings === "" ? cwd : settings;
}

/** The directories to look into, from the start upwards. */
function searched(start: string, home: string): readonly string[] {
  const directories = [start];
  let current = start;
  while (directories.length <= PARENTS_MAX && current !== home && dirname(current) !== current) {
    current = dirname(current);
    directories.push(current);
  }
  return directories;
}

function realPathOf(path: string, { cwd, home }: Surroundings): string {
  return resolveLinks(resolve(cwd, expandHome(path, home)));
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch (failure) {
    throw storageError(failure, `Cannot look for the registry in ${path}`);
  }
}
