import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { NameholdError } from "../core/errors.js";
import { errnoOf, storageError } from "./storage-error.js";

/**
 * The path without symbolic links, of which the last parts need not exist: what Python's `Path.resolve()` gives.
 *
 * @throws NameholdError `storage-failed` for a loop of links, `read-only` where a directory may not be searched
 */
export function resolveLinks(path: string): string {
  return follow(resolve(path), 0);
}

/** Linux's own limit on a chain of links. */
const LINKS_MAX = 40;

function follow(path: string, links: number): string {
  try {
    return realpathSync.native(path);
  } catch (failure) {
    if (errnoOf(failure) !== "ENOENT") throw storageError(failure, `Cannot follow ${path}`);
  }
  const parent = dirname(path);
  if (parent === path) return path;
  const inParent = join(follow(parent, links), basename(path));
  const target = danglingTarget(inParent);
  if (target === undefined) return inParent;
  if (links >= LINKS_MAX) throw new NameholdError("storage-failed", `Cannot follow ${path}: too many symbolic links.`);
  return follow(resolve(dirname(inParent), target), links + 1);
}

/** Where a link to something that does not exist points to. */
function danglingTarget(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
}
