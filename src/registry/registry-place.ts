/** Where a registry lives on this machine, for those who must tell one from another, or from none. */
import { type BigIntStats, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { RegistryError } from "../core/errors.js";
import { quoteName } from "../core/name.js";
import { statsAt } from "../platform/file-stats.js";
import { host } from "../platform/host.js";
import { resolveLinks } from "../platform/real-path.js";
import { storageError } from "../platform/storage-error.js";

/** The path of a registry's file, as it was spelled; null where its store is no file. @param location `Registry.location` */
export function registryPathOf(location: string): string | null {
  const path = location.replace(/^sqlite:/, "");
  return isAbsolute(path) ? path : null;
}

/** Whether both are one registry, under whatever spelling. @throws NameholdError as {@link resolveLinks} */
export function isSamePlace(location: string, other: string): boolean {
  const [path, otherPath] = [registryPathOf(location), registryPathOf(other)];
  if (path === null || otherPath === null) return location === other;
  return resolveLinks(path) === resolveLinks(otherPath) || isSameFile(path, otherPath);
}

/** Whether one file stands at both paths. */
export function isSameFile(path: string, other: string): boolean {
  const [stats, otherStats] = [statsOf(path), statsOf(other)];
  return stats !== undefined && otherStats !== undefined && host().files.isSameInode(stats, otherStats);
}

/**
 * That there is no registry, in a sentence. The store says nothing of it: one that is not there yet has no names.
 *
 * @returns null where there is one, and where its store is no file
 */
export function missingRegistry(location: string): string | null {
  const path = registryPathOf(location);
  if (path === null) return null;
  const target = resolveLinks(path);
  if (statsAt(target) !== undefined) return null;
  const isLink = statsAt(path)?.isSymbolicLink() === true;
  return `There is no registry at ${location}${isLink ? `: it is a symbolic link to ${target}, which is missing` : ""}.`;
}

/** @param what was looked for, and where beside the registry */
export function notFound(
  nameOrId: string,
  location: string,
  { what = "name", also = "" }: { readonly what?: "name" | "name or ID"; readonly also?: string } = {},
): RegistryError {
  const missing = missingRegistry(location);
  const message =
    missing === null
      ? `There is no ${what} ${quoteName(nameOrId)} in ${location}${also}. Look for it in the list of names.`
      : `${missing} ${quoteName(nameOrId)} was looked for there. Check the path.`;
  return new RegistryError("not-found", message, { name: nameOrId });
}

function statsOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (failure) {
    throw storageError(failure, `Cannot look at ${path}`);
  }
}
