import { createHash } from "node:crypto";
import { isUlid } from "./process-identity.js";
import { resolveLinks } from "./real-path.js";

/** The directory of the presences of a registry's holders: beside the real file, however the registry is spelled. */
export function holdersDirectoryOf(registryPath: string): string {
  return `${resolveLinks(registryPath)}.holders`;
}

/**
 * The name of an instance's presence file: a ULID is its own; of anything else a hash, so that no instance, whoever
 * wrote it, becomes a path.
 */
export function presenceFileName(instance: string): string {
  if (isUlid(instance)) return instance;
  return `x${createHash("sha256").update(instance, "utf8").digest("hex").slice(0, 32)}`;
}
