import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { host } from "../../platform/host.js";
import { errnoOf } from "../../platform/storage-error.js";
import { type CommandNotStarted, notStarted } from "./command-process.js";

/**
 * Looks for a command where execvp(3) would, so that one that is mistyped makes no name and takes none. That it is found
 * does not say that it can be started: what stands in the file, a missing interpreter for example, is seen only then.
 *
 * @throws CommandNotStarted
 */
export function checkCommand(file: string, searchPath = process.env["PATH"]): void {
  // Windows has rules of its own, and without PATH the C library has: there the start itself tells.
  if (host().name === "Windows" || (searchPath === undefined && !file.includes("/"))) return;
  const failure = file.includes("/") ? obstacleAt(file) : obstacleOnPath(file, searchPath ?? "");
  if (failure !== undefined) throw failure;
}

/** Goes on behind what cannot be executed, which is told when nothing else is found. An empty part is the working directory. */
function obstacleOnPath(file: string, searchPath: string): CommandNotStarted | undefined {
  const failures: CommandNotStarted[] = [];
  for (const directory of file === "" ? [] : searchPath.split(delimiter)) {
    const failure = obstacleAt(join(directory === "" ? "." : directory, file), file);
    if (failure === undefined) return undefined;
    failures.push(failure);
  }
  return failures.find(({ exitStatus }) => exitStatus === 126) ?? failures[0] ?? notStarted(file, new NoSuchFile());
}

/** @param file as it was given */
function obstacleAt(path: string, file = path): CommandNotStarted | undefined {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile() ? undefined : notStarted(file, new NoFile());
  } catch (failure) {
    return notStarted(file, errnoOf(failure) === "ENOTDIR" ? new NoSuchFile() : failure);
  }
}

class NoSuchFile extends Error {
  readonly code = "ENOENT";
}

/** A directory, most often. */
class NoFile extends Error {
  readonly code = "EACCES";
}
