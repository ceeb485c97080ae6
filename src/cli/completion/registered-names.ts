import { readFileSync, statSync } from "node:fs";
import { registryFileOf } from "../../registry/open-registry.js";
import type { Candidate } from "./complete.js";

/** A larger file takes longer to read than one waits for a key. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

/**
 * The names in a registry file, read without opening the registry: nothing is made, locked, recovered or waited for.
 * Names that a list with one word a line cannot show are left out.
 *
 * @throws for a file that cannot be read, or is no registry
 */
export function registeredNames(registryPath: string | undefined): readonly Candidate[] {
  const path = registryFileOf(registryPath);
  const stat = statSync(path);
  if (!stat.isFile() || stat.size > FILE_BYTES_MAX) return [];
  const { entries } = JSON.parse(readFileSync(path, "utf8")) as {
    entries?: Record<string, { component_type?: unknown }>;
  };
  return Object.entries(entries ?? {})
    .filter(([name]) => name !== "" && !/[\p{C}\u2028\u2029]/u.test(name))
    .map(([value, entry]) => ({ value, description: descriptionOf(entry?.component_type) }));
}

function descriptionOf(type: unknown): string {
  return typeof type === "string" && /^\w+$/.test(type) ? type : "";
}
