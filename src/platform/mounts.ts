import { host } from "./host.js";
import { resolveLinks } from "./real-path.js";
import { storageError } from "./storage-error.js";

/**
 * Whether this very file is a mount point: a container into which only the registry file was mounted. A lock file
 * beside it is then private to the container and excludes nobody, and a rename onto it fails.
 *
 * @returns `false` for a path that does not exist, and on platforms other than Linux, which have no such mounts
 * @throws NameholdError when the mounts cannot be read: not knowing is not 'no'
 * @see docs/SPEC.md#G2
 */
export function isMountPoint(path: string): boolean {
  const realPath = resolveLinks(path);
  try {
    return host().files.isMountPoint(realPath);
  } catch (failure) {
    throw storageError(failure, "Cannot tell whether the registry file is a mount: the mounts are unreadable");
  }
}
