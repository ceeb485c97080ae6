/** The Python environments that a lab's processes run in, and what is installed in them. No Python is run. */
import { realpathSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { isNameholdError } from "../../../core/errors.js";
import { readFileOrAbsent } from "../../../platform/atomic-file.js";
import { walkDirectories } from "../../../platform/directory-walk.js";
import { namesIn, statsAt } from "../../../platform/file-stats.js";
import { placeOf, variableOf, visiblePids } from "../../../platform/process-view.js";
import { errnoOf } from "../../../platform/storage-error.js";

export interface PythonEnvironment {
  /** The directory that holds its `bin` and `lib`. */
  readonly root: string;
  /** Running processes of the lab that use it. */
  readonly pids: readonly number[];
  /** The installed version; undefined when it is not there. */
  readonly filelock: string | undefined;
  readonly madsci: string | undefined;
}

export interface WhereToLook {
  /** The lab's directory: environments in it and below are found. */
  readonly labDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Processes that are known to use the registry. */
  readonly pids: readonly number[];
}

/** Environments in the lab, of this shell, of the `python3` that it would start, and of running processes. */
export function findPythonEnvironments({ labDirectory, env, pids }: WhereToLook): readonly PythonEnvironment[] {
  const found = new Map<string, Set<number>>();
  const add = (root: string | undefined, pid?: number): void => {
    if (root === undefined) return;
    const users = found.get(root) ?? new Set();
    if (pid !== undefined) users.add(pid);
    found.set(root, users);
  };
  for (const { path, files, links } of walkDirectories(labDirectory, WALK)) {
    if (files.includes("pyvenv.cfg")) add(realPath(path));
    for (const link of links) if (isThere(join(path, link, "pyvenv.cfg"))) add(realPath(join(path, link)));
  }
  for (const variable of ["VIRTUAL_ENV", "CONDA_PREFIX"]) add(realPath(env[variable] ?? ""));
  add(rootOfCommand("python3", env["PATH"] ?? ""));
  const processes = pythonProcesses(labDirectory, pids);
  for (const { pid, root } of processes) add(root, pid);
  return [...found].map(([root, users]) => describe(root, [...users]));
}

/** A lab's own tree is shallow; what lies deeper are data. */
const WALK = { depthMax: 4, directoriesMax: 2_000 };

function describe(root: string, pids: readonly number[]): PythonEnvironment {
  // A process with PYTHONPATH sees those packages first.
  const own = pids.flatMap((pid) =>
    (variableOf(pid, "PYTHONPATH") ?? "").split(delimiter).filter((path) => path !== ""),
  );
  const sites = [...own, ...sitesOf(root)];
  return { root, pids, filelock: versionOf(/^filelock-/i, sites), madsci: versionOf(/^madsci[._-]common-/i, sites) };
}

/** The directories of installed packages: of a virtual environment, of a system's Python, on Windows. */
function sitesOf(root: string): readonly string[] {
  const libraries = [join(root, "lib"), join(root, "lib64"), ...(root === "/usr" ? ["/usr/local/lib"] : [])];
  const versioned = libraries.flatMap((library) =>
    namesSeenIn(library)
      .filter((name) => name.startsWith("python3"))
      .flatMap((name) => [join(library, name, "site-packages"), join(library, name, "dist-packages")]),
  );
  const own = [...versioned, join(root, "Lib", "site-packages")];
  const base = systemBaseOf(root);
  return base === undefined ? own : [...own, ...sitesOf(base)];
}

/** The environment that this virtual one looks into as well. */
function systemBaseOf(root: string): string | undefined {
  const settings = readText(join(root, "pyvenv.cfg")) ?? "";
  if (!/^include-system-site-packages\s*=\s*true\s*$/im.test(settings)) return undefined;
  const home = /^home\s*=\s*(.*?)\s*$/m.exec(settings)?.[1];
  return home === undefined ? undefined : dirname(home);
}

function versionOf(distribution: RegExp, sites: readonly string[]): string | undefined {
  for (const site of sites) {
    const name = namesSeenIn(site).find((entry) => distribution.test(entry) && entry.endsWith(".dist-info"));
    if (name === undefined) continue;
    const metadata = readText(join(site, name, "METADATA")) ?? "";
    return /^Version:\s*(\S+)/m.exec(metadata)?.[1] ?? name.slice(name.indexOf("-") + 1, -".dist-info".length);
  }
  return undefined;
}

/** Of an installed Python `ROOT/bin/python3`; a virtual environment's is a link, which is not followed. */
function rootOfExecutable(path: string): string | undefined {
  const root = dirname(dirname(path));
  if (isThere(join(root, "pyvenv.cfg"))) return realPath(root);
  const real = realPath(path);
  return real === undefined ? undefined : dirname(dirname(real));
}

function rootOfCommand(command: string, path: string): string | undefined {
  const found = path
    .split(delimiter)
    .map((directory) => join(directory, command))
    .find((candidate) => candidate.startsWith("/") && isThere(candidate));
  return found === undefined ? undefined : rootOfExecutable(found);
}

interface PythonProcess {
  readonly pid: number;
  readonly root: string;
}

/** Those that are known to use the registry, and those that run in the lab's directory; as far as this user may see. */
function pythonProcesses(labDirectory: string, known: readonly number[]): readonly PythonProcess[] {
  return visiblePids().flatMap((pid) => {
    const place = placeOf(pid);
    if (place === undefined || !/\/python[\d.]*[^/]*$/.test(place.executable)) return [];
    const { executable, directory, startedAs } = place;
    if (!known.includes(pid) && directory !== labDirectory && !directory.startsWith(`${labDirectory}/`)) return [];
    const root = rootOfExecutable(startedAs.includes("/") ? resolve(directory, startedAs) : executable);
    return root === undefined ? [] : [{ pid, root }];
  });
}

function isThere(path: string): boolean {
  return unlessHidden(() => statsAt(path)) !== undefined;
}

function namesSeenIn(directory: string): readonly string[] {
  return unlessHidden(() => namesIn(directory)) ?? [];
}

function realPath(path: string): string | undefined {
  if (path === "") return undefined;
  return unlessHidden(() => realpathSync.native(path));
}

function readText(path: string): string | undefined {
  return unlessHidden(() => readFileOrAbsent(path)?.toString("utf8"));
}

/** What is gone or may not be seen is not there for this search, which is no proof of absence anyway. */
function unlessHidden<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (failure) {
    // A directory or a FIFO in a file's place is no part of an environment either.
    if (isNameholdError(failure, "read-only", "invalid-input", "unreachable")) return undefined;
    if (["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EISDIR"].includes(errnoOf(failure) ?? "")) return undefined;
    throw failure;
  }
}
