/** Why nothing can be done with a registry file, each with what to do. */
import { type NameholdError, RegistryError } from "../../core/errors.js";
import type { RegistryDamage } from "../../core/text/registry-scan.js";

export function vanished(path: string): NameholdError {
  return new RegistryError(
    "unreachable",
    `The registry ${path} was there and is gone, with all that stood beside it. Is its directory still mounted? Start this process anew to begin a new registry.`,
  );
}

export function outcomeUnknown(path: string, cause: unknown): NameholdError {
  return new RegistryError(
    "outcome-unknown",
    `The registry ${path} was written, but what belongs to it was not: ${String(cause)}. Look before you repeat it.`,
    { cause },
  );
}

export function unknownVersion(path: string, { message }: RegistryDamage): NameholdError {
  return new RegistryError(
    "damaged",
    `The registry ${path} is left alone: ${message}. Use the newer namehold that wrote it; if no newer program did, put its version back to 1, or name another file with -r.`,
  );
}

/** A file that stands alone, and that nobody may be using as a registry. */
export function noRegistry(path: string, what: string): NameholdError {
  return new RegistryError(
    "damaged",
    `${path} is no registry: ${what}. Nothing was written. Name the registry with -r or MADSCI_REGISTRY_PATH; or if this was it, restore a backup, or run 'namehold recover' to go on with what can be read.`,
  );
}

export function irrecoverable(path: string, what: string): NameholdError {
  return new RegistryError(
    "damaged",
    `The registry ${path} is damaged (${what}), and there is no last good copy beside it. If it is another file, name the registry with -r; else restore a backup, or run 'namehold recover' to go on with what can be read.`,
  );
}
